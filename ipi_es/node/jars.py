"""The server's jars: a committed list with checksums, downloaded once, checked at every start.

The list is the resolver's result for the coordinates under ``resolved_from``; with it, every installation gets the same
bytes. A jar's place in the cache is ``jars/<group>/<file>``. It is renamed to that place only after its checksum was
found right, so a jar in the cache is complete.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ipi_es.errors import NodeError
from ipi_es.node.cache import locked, node_dir, require_space

DOWNLOAD_THREADS = 6
"""Parallel downloads: a jar is small, so most of its time is the round trip."""

DOWNLOAD_ATTEMPTS = 2
"""Attempts for a damaged or interrupted jar before it is refused."""

HTTP_TIMEOUT_SECONDS = 60
"""Time without a byte after which a connection counts as lost."""

SPACE_FACTOR = 1.2
"""Required free space, as a multiple of the bytes to download: jars and the files beside them."""

REASON_CHARACTERS = 160
"""Characters of a network error's text that are shown: a line or two of a screen."""

HASH_BLOCK_BYTES = 1024 * 1024
"""Read size while hashing."""

Progress = Callable[[str, int, int], None]
"""Called as ``progress(stage, done, total)``: stage ``"download"`` in bytes, stage ``"start"`` in steps."""

Fetch = Callable[["Jar", Path], Path]
"""Downloads a jar into a scratch directory and returns its path there; raises OSError or RuntimeError."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One published file. ``coordinate`` is ``group:artifact:version[:classifier][@packaging]``, ``size`` in bytes."""

    coordinate: str
    size: int
    sha256: str

    @property
    def parts(self) -> tuple[str, str, str, str, str]:
        """Group, artifact, version, classifier (may be empty) and packaging (``jar`` unless named)."""
        name, _, packaging = self.coordinate.partition("@")
        group, artifact, version, *classifier = name.split(":")
        return group, artifact, version, "".join(classifier), packaging or "jar"

    @property
    def file_name(self) -> str:
        """The name under which the file is published."""
        _, artifact, version, classifier, packaging = self.parts
        return "-".join(filter(None, (artifact, version, classifier))) + f".{packaging}"

    def path(self, root: Path) -> Path:
        """Return the jar's path below ``root``; the group keeps files of the same name apart."""
        return root / self.parts[0] / self.file_name


def read_jar_list(path: Path, server: str) -> tuple[Jar, ...]:
    """Read the jars of ``server`` (such as ``opensearch-3.8.0``) from a committed list."""
    entries = json.loads(path.read_text(encoding="utf-8"))[server]["jars"]
    return tuple(Jar(entry["jar"], entry["size"], entry["sha256"]) for entry in entries)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def is_whole(path: Path, jar: Jar) -> bool:
    """Decide whether ``path`` holds exactly the bytes that the list names."""
    try:
        return path.stat().st_size == jar.size and file_sha256(path) == jar.sha256
    except OSError:
        return False


def fetch_with_resolver(jar: Jar, scratch: Path) -> Path:
    """Download one jar from the public repository into ``scratch`` (a resolver's local repository)."""
    from jgo.maven import MavenContext

    group, artifact, version, classifier, packaging = jar.parts
    context = MavenContext(repo_cache=scratch, timeout=HTTP_TIMEOUT_SECONDS)
    component = context.project(group, artifact).at_version(version)
    return Path(component.artifact(classifier, packaging).resolve())


def ensure_jars(
    jars: Sequence[Jar], *, progress: Progress | None = None, fetch: Fetch = fetch_with_resolver
) -> list[Path]:
    """Return the paths of ``jars`` in the cache, in their order; download missing and damaged ones.

    Of two processes at once, one downloads; the other waits and finds all jars in the cache.

    Raises:
        NodeError: no network, too little disk space, or a jar that is damaged twice in a row.
    """
    base = node_dir()
    root = base / "jars"
    with locked(base / "jars.lock"):
        missing = [jar for jar in jars if not is_whole(jar.path(root), jar)]
        if missing:
            needed = sum(jar.size for jar in missing)
            require_space(base, int(needed * SPACE_FACTOR), purpose="the download of the local server")
            _download(missing, root, progress=progress or _silent, fetch=fetch)
    return [jar.path(root) for jar in jars]


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Report nothing."""


def _download(missing: Sequence[Jar], root: Path, *, progress: Progress, fetch: Fetch) -> None:
    total = sum(jar.size for jar in missing)
    done = 0
    progress("download", done, total)
    with _scratch(root.parent) as scratch, ThreadPoolExecutor(DOWNLOAD_THREADS) as pool:
        waiting = {pool.submit(_install, jar, root, scratch, fetch): jar for jar in missing}
        try:
            for future in as_completed(waiting):
                future.result()
                done += waiting[future].size
                progress("download", done, total)
        except BaseException:
            # the other downloads are useless now, and must not delay an exit by Ctrl-C
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _scratch(base: Path) -> Iterator[Path]:
    """Give a download directory in the cache; first remove those that killed processes left."""
    # the caller holds the lock, so every such directory was left by a dead process
    for left in base.glob("download-*"):
        shutil.rmtree(left, ignore_errors=True)
    path = Path(tempfile.mkdtemp(prefix="download-", dir=base))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _install(jar: Jar, root: Path, scratch: Path, fetch: Fetch) -> None:
    reason = ""
    for attempt in range(DOWNLOAD_ATTEMPTS):
        try:
            fetched = fetch(jar, scratch / f"{attempt}")
        except (OSError, RuntimeError) as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise NodeError(
                    f"The disk became full while downloading {jar.file_name}.", hint="Free some space and start again."
                ) from error
            reason = short_reason(error)
            continue
        if is_whole(fetched, jar):
            target = jar.path(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            fetched.replace(target)
            return
        reason = "damaged"
    raise _refused(jar, reason)


def short_reason(error: Exception) -> str:
    """Return the essential part of a network error, whose full text repeats the URL in every layer."""
    causes = re.findall(r"\[(?:Errno -?\d+|SSL: \w+)\] ([\w ]+(?:: [\w ]+)?)", str(error))
    return f"{type(error).__name__}: {(causes or [str(error)])[-1].strip()[:REASON_CHARACTERS]}"


def _refused(jar: Jar, reason: str) -> NodeError:
    if reason == "damaged":
        return NodeError(
            f"{jar.file_name} came damaged {DOWNLOAD_ATTEMPTS} times: its SHA-256 is not the one in the list of jars.",
            hint="Something on the way changes downloads (a proxy, a repository mirror); use another network.",
        )
    return NodeError(
        f"The local server can't be downloaded: {jar.coordinate} failed ({reason}).",
        hint="The first start needs the Maven Central repository (62 MB); behind a proxy set HTTPS_PROXY, "
        "and REQUESTS_CA_BUNDLE to a file with its certificate authority if it has one of its own. "
        "Without a network, give an existing cluster's URL instead.",
    )
