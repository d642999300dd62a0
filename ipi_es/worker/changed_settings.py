"""Refuse a trained job whose settings changed, or continue with it if that is accepted: one rule for all commands."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any

from ipi_es.config.job_config import Job
from ipi_es.config.setting_rules import KEY, ChangedSetting, changes, key_changed, made_with
from ipi_es.errors import JobChanged
from ipi_es.pseudonyms import is_pseudonym
from ipi_es.state.details import JobDetails
from ipi_es.state.job_state import JobState

log = logging.getLogger(__name__)


class OnChange(Enum):
    """What to do if a trained job's settings have changed."""

    REFUSE = "refuse"
    ACCEPT = "accept"
    """Continue with the trained network, where the rule allows it."""
    IGNORE = "ignore"
    """The work doesn't depend on them: training, cleaning, reverting."""


def kept(state: JobState | None) -> Mapping[str, Any] | None:
    """Return the settings that a state was made with.

    None: the job isn't trained, or was trained by a version that didn't store them.
    """
    return None if state is None or state.snapshot_id is None else state.details.made_with


def changed(job: Job, before: Mapping[str, Any] | None) -> list[ChangedSetting]:
    """Return the changes from ``before`` whose rule isn't "free"; that of the key only for those who can read it."""
    without = () if job.pseudonyms is None or job.pseudonyms.has_key else (KEY,)
    now = made_with(job, without=without)
    return [] if before is None else [each for each in changes(before, now) if each.rule != "free"]


def new_details(job: Job, state: JobState, on_change: OnChange) -> JobDetails | None:
    """Return the details that the state should have from now on; None: they need no change.

    Raises JobChanged if a change of settings is refused, UsageError where the key of its pseudonyms can't be read.
    """
    before = kept(state)
    if on_change is OnChange.IGNORE or before is None:
        return None
    now = made_with(job)
    found = changes(before, now)
    refuse(job, found, on_change)
    for each in found:
        log.warning("job %s: %s; it goes on with what was learned", job.job_id, each)
    return None if before == now else replace(state.details, made_with=now)


def require_unchanged(job: Job, state: JobState | None, on_change: OnChange) -> None:
    """Raise JobChanged where :func:`new_details` would; accepted changes aren't logged."""
    before = kept(state)
    if on_change is not OnChange.IGNORE and before is not None:
        refuse(job, changes(before, made_with(job)), on_change)


def require_same_key(job: Job, state: JobState | None, entity: str = "") -> None:
    """Raise JobChanged where the job's results have other pseudonyms than its key gives, so that none would be found.

    ``entity`` is the one that is asked for, spelled as results of now would be: a pseudonym needs no key to be found.
    """
    before, pseudonyms = kept(state), job.pseudonyms
    if before is None or (is_pseudonym(entity) and (pseudonyms is None or not pseudonyms.has_key)):
        return
    changed_key = key_changed(before, job)
    if changed_key is not None:
        refuse(job, [changed_key], OnChange.ACCEPT)


def refuse(job: Job, found: Sequence[ChangedSetting], on_change: OnChange, *, snapshot: str | None = None) -> None:
    """Raise JobChanged unless every change is free, or may be accepted and is.

    ``snapshot``: the id of the snapshot that the settings belong to; None: the one that the job uses.
    """
    train = [each for each in found if each.rule == "train"]
    accept = [each for each in found if each.rule == "accept"]
    if not train and (not accept or on_change is OnChange.ACCEPT):
        return
    listed = "".join(f"\n  {each}" for each in (*train, *accept))
    what = f"job {job.job_id}" if snapshot is None else f"snapshot {snapshot} of job {job.job_id}"
    anew = f"train the job with the new ones: ipi-es train {job.job_id}"
    also = "" if train else ". Or go on with what was learned: the same command with --accept-change"
    needs = f". Needs a training: {', '.join(each.setting for each in train)}" if train and accept else ""
    raise JobChanged(
        f"{what} was made with other settings than its file has:{listed}",
        hint=f"set them back, or {anew}{also}{needs}",
    )
