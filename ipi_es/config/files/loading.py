"""Find, read, expand and check files of settings and jobs; all mistakes of a file are reported at once."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr, ValidationError

from ipi_es.config.files.mistakes import of_validation, refuse
from ipi_es.config.files.nearest import nearest
from ipi_es.config.files.yaml_documents import Mistake, YamlDocument, expand, read_document
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_rule import AllowRule
from ipi_es.config.settings.cluster_settings import SECRETS, ClusterSettings, header_mistake
from ipi_es.config.settings.dask_settings import DaskSettings
from ipi_es.config.settings.serve_settings import ServeSettings
from ipi_es.config.settings.settings_file import Settings
from ipi_es.config.types import Section
from ipi_es.errors import ConfigError, UsageError

CONFIG_VARIABLE = "IPI_ES_CONFIG"
DEFAULT_FILE = "ipi-es.yml"
DEFAULT_JOBS = ("jobs/*.yml", "jobs/*.yaml", "jobs/*.json")

OTHER_KIND: dict[type[Section], tuple[type[Section], str]] = {
    Job: (Settings, DEFAULT_FILE),
    Settings: (Job, "a job's file"),
}
"""The other kind of file for each kind: a setting that is unknown in one may belong in the other."""

AnySection = TypeVar("AnySection", bound=Section)


DASK_VARIABLE = "DASK_SCHEDULER_ADDRESS"
"""Environment variable with the address of a Dask scheduler, as Dask itself has it."""


def load_settings(
    path: Path | None = None, *, environ: Mapping[str, str] = os.environ, directory: Path | None = None
) -> Settings:
    """Load the settings of ``path``, else of ``$IPI_ES_CONFIG``, else of ``ipi-es.yml`` in ``directory``.

    ``directory`` None: the current one. Without a file: a server on this machine. Relative paths in a file are resolved
    from its folder. Raises ConfigError with all mistakes.
    """
    directory = Path.cwd() if directory is None else directory
    found = path or _settings_file(environ, directory)
    if found is None:
        return Settings(jobs=_absolute(DEFAULT_JOBS, directory))
    document = read_document(found)
    base = found.absolute().parent
    if document.data is None and not document.mistakes:  # the file has only comments
        document = YamlDocument(document.name, {})
    settings = _validate(Settings, document, environ, base)
    with_secrets = _with_secrets(settings.elasticsearch, document)
    jobs = _absolute(DEFAULT_JOBS if settings.jobs is None else settings.jobs, base)
    return settings.model_copy(update={"elasticsearch": with_secrets, "jobs": jobs})


def connection_data(path: Path | None = None) -> dict[str, Any]:
    """Load what the settings file says of the connection to the cluster; secrets included: never log it."""
    return load_settings(path).elasticsearch.plain()


def with_dask_options(
    settings: Settings, given: Mapping[str, Any], *, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Return the settings with options for Dask in their place; None is no option. Raises ConfigError.

    A way that is given replaces the other one of the file; without any, ``$DASK_SCHEDULER_ADDRESS`` counts.
    """
    ways = ("scheduler", "workers")
    data = settings.dask.model_dump() | ({} if all(given[way] is None for way in ways) else dict(given))
    if all(data[way] is None for way in ways):
        data["scheduler"] = environ.get(DASK_VARIABLE) or None
    dask = _validate(DaskSettings, YamlDocument("the options for Dask", data), None, None)
    return settings.model_copy(update={"dask": dask})


def _settings_file(environ: Mapping[str, str], directory: Path) -> Path | None:
    if named := environ.get(CONFIG_VARIABLE):
        return Path(named).expanduser()
    usual = directory / DEFAULT_FILE
    return usual if usual.exists() else None


def _absolute(patterns: tuple[str, ...], base: Path) -> tuple[str, ...]:
    return tuple(str(base / Path(pattern).expanduser()) for pattern in patterns)


def _with_secrets(cluster: ClusterSettings, document: YamlDocument) -> ClusterSettings:
    """Read the `*_file` secrets, each without a trailing line end. Raises ConfigError with all mistakes."""
    read: dict[str, SecretStr] = {}
    mistakes: list[Mistake] = []
    for name in SECRETS:
        path: Path | None = getattr(cluster, f"{name}_file")
        if path is None:
            continue
        try:
            secret = path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            secret = ""
        mistake = header_mistake(name, secret) if secret else "the file is empty or no text"
        if mistake is None:
            read[name] = SecretStr(secret)
        else:
            mistakes.append(Mistake(("elasticsearch", f"{name}_file"), mistake))
    if mistakes:
        raise refuse(document, mistakes)
    return cluster.model_copy(update=read)


def load_job(path: Path, *, environ: Mapping[str, str] = os.environ) -> Job:
    """Load the job in a file. Raises ConfigError with all mistakes."""
    document = read_document(path)
    if document.data is None and not document.mistakes:
        hint = "a job needs at least job_id and datafeed_config.indices"
        raise ConfigError("is empty", place=document.name, hint=hint)
    return _validate(Job, document, environ, path.absolute().parent)


def check_job(data: Any, *, name: str = "job", environ: Mapping[str, str] | None = None) -> Job:
    """Make a job of plain values (from an import or a test). Raises ConfigError as for a file called ``name``.

    `${VAR}` is expanded only if ``environ`` is given.
    """
    return _validate(Job, YamlDocument(name, data), environ, None)


def with_serve_options(settings: Settings, given: Mapping[str, Any]) -> Settings:
    """Return the settings with options of `ipi-es serve` in their place; None is no option. Raises ConfigError."""
    data = settings.serve.model_dump() | {name: value for name, value in given.items() if value is not None}
    serve = _validate(ServeSettings, YamlDocument("the options", data), None, None)
    return settings.model_copy(update={"serve": serve})


def check_rule(data: Any, *, name: str = "rule") -> AllowRule:
    """Make an allow rule of plain values. Raises ConfigError with all mistakes, as for a file called ``name``."""
    return _validate(AllowRule, YamlDocument(name, data), None, None)


def _validate(
    root: type[AnySection], document: YamlDocument, environ: Mapping[str, str] | None, base: Path | None
) -> AnySection:
    if document.data is None:
        raise refuse(document, document.mistakes)
    data, unset = (document.data, []) if environ is None else expand(document.data, environ)
    mistakes = [*document.mistakes, *unset]
    known = {mistake.path for mistake in mistakes}
    try:
        section = root.model_validate(data, context={"base": base})
    except ValidationError as error:
        # for a value with a missing variable, only the variable is reported
        found = of_validation(error, root, document, OTHER_KIND.get(root))
        mistakes += [mistake for mistake in found if mistake.path not in known]
    else:
        if not mistakes:
            return section
    raise refuse(document, mistakes)


def job_files(settings: Settings) -> list[Path]:
    """List the job files that the settings name, sorted. Raises ConfigError if a named one is missing or a folder."""
    found, missing = _job_files(settings)
    if missing:
        raise missing[0].error
    return found


@dataclass(frozen=True, slots=True)
class BadFile:
    """A job file that can't be used, and why."""

    path: Path
    error: ConfigError


def read_jobs(settings: Settings, *, environ: Mapping[str, str] = os.environ) -> tuple[list[Job], list[BadFile]]:
    """Read the jobs that the settings name; return them by job_id, and the files that can't be used, by path."""
    files, missing = _job_files(settings)
    read, bad = read_files(files, environ=environ)
    return [job for job, _ in read], sorted([*missing, *bad], key=lambda each: each.path)


def read_files(
    files: Iterable[Path], *, environ: Mapping[str, str] = os.environ
) -> tuple[list[tuple[Job, Path]], list[BadFile]]:
    """Read the jobs in files; return them with their files, by job_id, and the files that can't be used.

    If several files have the same job_id, none of them is used: it isn't known which is meant.
    """
    bad: list[BadFile] = []
    read: dict[str, list[tuple[Job, Path]]] = {}
    for path in files:
        try:
            job = load_job(path, environ=environ)
        except ConfigError as error:
            bad.append(BadFile(path, error))
        else:
            read.setdefault(job.job_id, []).append((job, path))
    for job_id, found in read.items():
        for _, path in found if len(found) > 1 else ():
            others = " and ".join(str(other) for _, other in found if other != path)
            hint = "a job_id is used once: change one, or take one file away"
            bad.append(BadFile(path, ConfigError(f"{others} has the job_id {job_id} too", place=str(path), hint=hint)))
    return [found[0] for _, found in sorted(read.items()) if len(found) == 1], bad


def load_jobs(settings: Settings, *, environ: Mapping[str, str] = os.environ) -> list[Job]:
    """Load all jobs that the settings name, by job_id. Raises ConfigError with all mistakes of all unusable files."""
    jobs, bad = read_jobs(settings, environ=environ)
    if bad:
        raise all_of(bad)
    return jobs


def all_of(bad: Sequence[BadFile]) -> ConfigError:
    """Make one error for all files that can't be used."""
    if len(bad) == 1:
        return bad[0].error
    texts = [each.error.message for each in bad]
    hints = dict.fromkeys(each.error.hint for each in bad if each.error.hint)
    return ConfigError("\n".join([f"{len(bad)} job files can't be used", *texts]), hint="; ".join(hints) or None)


def _job_files(settings: Settings) -> tuple[list[Path], list[BadFile]]:
    found: set[Path] = set()
    missing = []
    for pattern in settings.jobs or DEFAULT_JOBS:
        matches = glob.glob(pattern, recursive=True)  # noqa: PTH207  (Path.glob takes no absolute patterns)
        if not matches and not glob.has_magic(pattern):
            error = ConfigError(f"jobs: there is no file {pattern}", hint="correct `jobs` in ipi-es.yml")
            missing.append(BadFile(Path(pattern), error))
        elif Path(pattern).is_dir():
            error = ConfigError(
                f"jobs: {pattern} is a folder", hint=f"name the files in it in ipi-es.yml: `jobs: {pattern}/*.yml`"
            )
            missing.append(BadFile(Path(pattern), error))
        found.update(path for path in map(Path, matches) if not path.is_dir())
    return sorted(found), missing


def find_job(name: str, settings: Settings, *, environ: Mapping[str, str] = os.environ) -> Job:
    """Load the job that a command names by a file (`x.yml`, `x.yaml`, `x.json`, or with a slash), else by job_id.

    Raises UsageError for an unknown job_id. Raises ConfigError for mistakes in the job's file; also for an unknown
    job_id where files can't be used, since one of them may hold the job.
    """
    if Path(name).suffix in (".yml", ".yaml", ".json") or os.sep in name:
        return load_job(Path(name), environ=environ)
    read, bad = read_jobs(settings, environ=environ)
    jobs = {job.job_id: job for job in read}
    if name in jobs:
        return jobs[name]
    near = nearest(name, jobs)
    if bad:  # it may be in one of them
        error = all_of(bad)
        guess = f"did you mean “{near}”? Else the job may be in what can't be used" if near else "mend the file"
        raise ConfigError(
            f"there is no job “{name}” in the files that can be used\n{error.message}",
            hint="; ".join(filter(None, (guess, error.hint))),
        )
    if near:
        raise UsageError(f"there is no job “{name}”", hint=f"did you mean “{near}”?")
    known = f"there are {', '.join(jobs)}" if jobs else "write a job file into jobs/, or name the file itself"
    raise UsageError(f"there is no job “{name}”", hint=known)
