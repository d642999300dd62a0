"""Scorers from a directory of snapshots, or from a `model.tar.gz`, that is looked at again while it is served."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path

from starlette.requests import Request

from ipi_es.config.job_config import Job
from ipi_es.errors import SnapshotDamaged, SnapshotError, SnapshotMissing
from ipi_es.serve.endpoint.live_scorer import LiveScorer, unknown
from ipi_es.state.directory_blobs import DirectoryBlobs
from ipi_es.worker.pairs.model_archive import unpacked
from ipi_es.worker.pairs.pair_scorer import PairScorer
from ipi_es.worker.pairs.scorer_loading import ScorerId, jobs_in, load, newest, only_job

LOOK_EVERY = 1.0
"""Seconds between two looks at a directory."""


class DirectoryScorers:
    """The scorers of a directory's jobs, or of an archive's only job. Several threads may use it."""

    def __init__(self, path: Path, jobs: Mapping[str, Job], *, look_every: float = LOOK_EVERY) -> None:
        """Load the only job, if there is only one. ``jobs``: those whose files are known, by job_id.

        Raises SnapshotError where there is no snapshot, or the newest can't be used.
        """
        self._path, self._jobs, self._look_every = path, jobs, look_every
        self._places: dict[str, _Place] = {}
        self._adding = threading.Lock()
        with unpacked(path) as folder:
            names = jobs_in(folder) if path.is_dir() else []
            self._only = None if len(names) > 1 else only_job(folder, path, "pack those of {} alone")
        if self._only is not None:
            self.scorer(self._only)

    @property
    def waits(self) -> bool:
        """Whether a first request may wait: several jobs are loaded when they are asked for."""
        return self._only is None

    def scorer(self, name: str | None, request: Request | None = None) -> PairScorer:  # noqa: ARG002  (anyone may ask)
        """Return the scorer in use of a job; None: of the only one. Raises EndpointUnknown if there is no such job."""
        job_id = name or self._only
        if job_id is None:
            raise unknown("there are snapshots of several jobs here")
        place = self._places.get(job_id)
        if place is None:
            with self._adding:
                place = self._places.get(job_id) or self._place(job_id)
                self._places[job_id] = place
        return place.scorer()

    @property
    def in_use(self) -> dict[str, str]:
        """The snapshots in use, by job_id."""
        found = {job_id: place.live.scorer for job_id, place in list(self._places.items())}
        return {job_id: scorer.id for job_id, scorer in found.items() if scorer is not None}

    @property
    def troubles(self) -> dict[str, str]:
        """Why a job's newest snapshot is not in use, by job_id."""
        found = {job_id: place.live.trouble for job_id, place in list(self._places.items())}
        return {job_id: text for job_id, text in found.items() if text}

    def _place(self, job_id: str) -> _Place:
        if job_id != self._only and (self._path.is_file() or job_id not in jobs_in(self._path)):
            raise unknown(f"there is no snapshot of job {job_id} here")
        job = self._jobs.get(job_id)
        source = _Folder(self._path, job_id, job) if self._path.is_dir() else _Archive(self._path, job_id, job)
        return _Place(job_id, source, self._look_every)


class _Place:
    """A job's snapshots that are looked at once in a while, and the scorer loaded from them."""

    def __init__(self, job_id: str, source: _Folder | _Archive, look_every: float) -> None:
        self.live = LiveScorer(job_id)
        self._source, self._look_every = source, look_every
        self._next_look = 0.0  # time.monotonic()

    def scorer(self) -> PairScorer:
        now, scorer = time.monotonic(), self.live.scorer
        if scorer is not None and now < self._next_look:
            return scorer
        self._next_look = now + self._look_every
        try:
            which, read = self._source.newest()
        except SnapshotError as error:
            return self.live.kept(error)
        return self.live.newest(which, read, self._source.damaged)


Found = tuple[Hashable, Callable[[], PairScorer]]
"""The id of what is newest, and a function that loads it."""


class _Folder:
    """One job's snapshots in a directory."""

    def __init__(self, path: Path, job_id: str, job: Job | None) -> None:
        self._job_id, self._job = job_id, job
        self._blobs, self._folder = DirectoryBlobs(path), path / job_id
        self._known: tuple[dict[str, tuple[int, int]], ScorerId] | None = None
        self.damaged: SnapshotError | None = None
        """What is wrong with a manifest that is newer than what :meth:`newest` returned."""

    def newest(self) -> Found:
        """Return what is newest; the manifests are read only where a file changed. Raises SnapshotError."""
        files, known = self._files(), self._known
        if known is None or known[0] != files:
            which = newest(self._blobs, self._job_id)
            self._known = known = files, which
            self.damaged = self._damaged_after(which, files)
        which = known[1]
        return which, lambda: load(self._blobs, self._job_id, which, self._job)

    def _files(self) -> dict[str, tuple[int, int]]:
        """Return (time of the last change, size) of each file, by name."""
        try:
            with os.scandir(self._folder) as entries:
                found = {entry.name: entry.stat() for entry in entries}
        except OSError as error:
            hint = "copy it there again"
            raise SnapshotMissing(f"{self._folder} can't be read: {error.strerror or error}", hint=hint) from error
        return {name: (stat.st_mtime_ns, stat.st_size) for name, stat in found.items()}

    def _damaged_after(self, which: ScorerId, files: Mapping[str, tuple[int, int]]) -> SnapshotDamaged | None:
        used = files.get(f"{which.snapshot}.json", (0, 0))
        newer = [each for each in self._blobs.unreadable(self._job_id) if files.get(f"{each}.json", used) > used]
        if not newer:
            return None
        return SnapshotDamaged(f"{newer[-1]}.json is damaged, or of a newer ipi-es", hint="copy it there again")


class _Archive:
    """One job's snapshot in an archive."""

    damaged = None  # it is read as a whole

    def __init__(self, path: Path, job_id: str, job: Job | None) -> None:
        self._path, self._job_id, self._job = path, job_id, job

    def newest(self) -> Found:
        """Return what the file is now. Raises SnapshotMissing."""
        try:
            stat = self._path.stat()
        except OSError as error:
            hint = "copy it there again"
            raise SnapshotMissing(f"{self._path} can't be read: {error.strerror or error}", hint=hint) from error
        return (stat.st_ino, stat.st_mtime_ns, stat.st_size), self._load

    def _load(self) -> PairScorer:
        with unpacked(self._path) as folder:
            blobs = DirectoryBlobs(folder)
            return load(blobs, self._job_id, newest(blobs, self._job_id), self._job)
