"""Advice on thresholds in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from ipi_es.alerts.advice.advice import Advice, LevelAdvice
from ipi_es.results.documents.phrases import plural
from ipi_es.times import SECONDS, iso

MERGED = "An alarm is one message of the worker: the findings of a bucket that have an entity or an address in common."
SINGLE = (
    "An alarm is one alert of a console: of a bucket, of a bucket and an entity or an address (influencers), or of a "
    "bucket and an entity (records)."
)


def sentences(advice: Advice, newest: int | None) -> Iterator[str]:
    """Yield what was counted, what was not, the proposals and how to set them.

    ``newest``: the end of the job's newest final bucket, epoch seconds; None: it has none.
    """
    asked, time, job = advice.asked, advice.time, advice.job
    period = f"from {iso(asked.start)} to {iso(asked.end)}"
    if time.seconds:
        yield MERGED if asked.merged else SINGLE
        yield f"Counted: {_days(time.seconds)} of results {period}."
    else:
        scored = "nothing was scored yet" if newest is None else f"everything up to {iso(newest)} is scored"
        what = "no results that count" if time.left_out else "no results"
        yield f"Job {job.job_id} has {what} {period}; {scored}."
    left_out = [f"{_days(seconds)} {reason}" for reason, seconds in time.left_out.items()]
    if time.missing_buckets:
        left_out.append(f"{plural(time.missing_buckets, 'bucket')} that {_are(time.missing_buckets)} missing")
    if left_out:
        yield f"Not counted: {'; '.join(left_out)}."
    if advice.enough:
        yield f"For at most {asked.at_most:g} a day: {', '.join(_proposal(advice, each) for each in advice.levels)}."
        yield from _how_to_set(advice)
    else:
        yield (
            f"That is not enough to propose a threshold: {asked.needed_days:.3g} days of results are needed. Wait for "
            "more, or name an earlier --start if there are some."
        )


def _how_to_set(advice: Advice) -> Iterator[str]:
    own, job_id = advice.own_level, advice.job.job_id
    if own is None or own.proposed is None:
        return
    setting = f"{{on: [{', '.join(own.level)}], threshold: {own.proposed.threshold:g}}}"
    use = (
        "`ipi-es run` reads it when it starts. Consoles merge nothing: --consoles counts their alerts"
        if advice.asked.merged
        else f"`ipi-es alerts install {job_id} --stack …`, run again, puts it into the definitions"
    )
    yield f"To set it: `alerts: {setting}` in the job's file. {use}."


def _proposal(advice: Advice, level: LevelAdvice) -> str:
    if level.proposed is not None:
        # the highest threshold keeps every limit where no score reaches it
        none = "" if level.proposed.total.alarms else " (no alarm at all)"
        return f"{level.name} from {level.proposed.threshold:g} on{none}"
    highest = level.counts[-1]
    return f"no threshold for {level.name} ({highest.threshold:g} gives {highest.total.alarms / advice.time.days:.2f})"


def _days(seconds: int) -> str:
    """Format a length of time in days or, below a tenth of a day, hours; with at most one decimal, rounded down."""
    unit, name = (SECONDS["d"], "day") if seconds * 10 >= SECONDS["d"] else (SECONDS["h"], "hour")
    text = f"{seconds * 10 // unit / 10:.1f}".removesuffix(".0")
    return f"{text} {name}{'' if text == '1' else 's'}"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
