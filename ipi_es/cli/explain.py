"""`ipi-es explain`: why a pair is usual or not, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ipi_es.addresses import canonical, packed
from ipi_es.cli.context import shell
from ipi_es.cli.output import SEVERITY_COLOURS, STYLE, Column, Toned, print_table, say
from ipi_es.cli.zones import time_zone_option
from ipi_es.errors import UsageError
from ipi_es.report.text import TimeShown
from ipi_es.scoring.probability import severity
from ipi_es.times import SECONDS, iso

if TYPE_CHECKING:
    from ipi_es.ipinsights.explanation import Explanation
    from ipi_es.worker.job_work import JobWork

HELD_BACK = "  it is held back there: as calibrated it would be {:.2g}, but too little is known to be so sure"
"""Said of a probability that warm-up raised."""

BAR = 20
"""Characters of a share's bar."""

RECENT = 5
"""Records of the pair that are shown."""


@click.command()
@click.argument("job_name", metavar="JOB")
@click.argument("entity")
@click.argument("ip")
@time_zone_option
@click.pass_context
def explain(ctx: click.Context, job_name: str, entity: str, ip: str, shown: TimeShown) -> None:
    """Say how usual an address is for an entity as of the job's last bucket, why, and what was recorded of the pair.

    Example: ipi-es explain jobs/logins.yml alice 198.51.100.7
    """
    from ipi_es.config.entity_names import normalize_entity
    from ipi_es.worker.job_work import JobWork

    here = shell(ctx)
    job = here.job(job_name)
    address = packed(ip)
    if address is None:
        raise UsageError(f"“{ip}” is no IP address", hint="write 198.51.100.7 or 2001:db8::7")
    name = normalize_entity(entity, job.datafeed_config.entity_normalize)
    with here.cluster() as cluster:
        work = JobWork(cluster, job, snapshots=here.settings.snapshots.directory)
        say(_about_pair(work, name, address, shown))
        _recorded(work, name, canonical(address), shown)


def _about_pair(work: JobWork, entity: str, address: bytes, shown: TimeShown) -> list[str | Toned]:
    import numpy as np

    from ipi_es.datafeed.context import context_from
    from ipi_es.ipinsights.explanation import explain as explain_pair
    from ipi_es.ipinsights.scorer import Scorer
    from ipi_es.scoring.calibration import CLASS_NAMES
    from ipi_es.scoring.warm_up import YOUNG_DAYS, modest, warms_up
    from ipi_es.worker.history_keeper import HistoryId

    state = work.stores.states.read(work.job.job_id)
    snapshot = work.snapshot(None if state is None else state.snapshot_id)
    history = work.keeper(HistoryId.parse(str(state.history_id if state else ""))).history
    networks = work.feed.networks
    places = np.frombuffer(address, dtype=np.uint8).reshape(1, 16)
    context = None if networks is None else context_from(networks, places)
    seen = explain_pair(Scorer(snapshot.network, history), entity, address, context)
    age = history.day - history.origin
    class_ = snapshot.calibration.classes([seen.prior_events], age)
    calibrated = snapshot.calibration.ln_probability([seen.compatibility], class_).ln_p
    scored = modest(calibrated, class_, age, snapshot.calibration)
    probability = float(np.exp(scored[0]))
    return [
        Toned(f"{entity} from {seen.address}, as of {shown.copyable(history.day * SECONDS['d'])}:", "bold"),
        f"  compatibility {seen.compatibility:.2f} (log-odds, high = usual)"
        + (
            ""
            if seen.typical_compatibility is None
            else f"; {entity}'s usual addresses have about {seen.typical_compatibility:.2f}"
        ),
        f"  probability {probability:.2g}: {_one_in(probability, CLASS_NAMES[int(class_[0])])}",
        _allows(float(scored[0])),
        *([HELD_BACK.format(float(np.exp(calibrated[0])))] if scored[0] > calibrated[0] else []),
        *([f"  the job warms up: its history is {age} days long, of {YOUNG_DAYS} wanted"] if age < YOUNG_DAYS else []),
        *([f"  {entity} warms up: fewer than six events are known"] if bool(warms_up(class_)[0]) else []),
        *_usual(entity, seen),
        *_network(entity, seen),
    ]


def _allows(ln_p: float) -> Toned:
    """The third cap alone: how the others hold the score depends on the bucket that it comes in."""
    import numpy as np

    from ipi_es.scoring.normalizer import probability_cap

    most = float(np.clip(probability_cap(np.array([ln_p]))[0], 0.0, 100.0))
    name = str(severity(most))
    return Toned(f"  seen now it could score up to {most:.0f} ({name})", SEVERITY_COLOURS[name])


def _one_in(probability: float, class_name: str) -> str:
    return f"1 event in {1 / probability:,.0f} of entities with {class_name} is as unusual, when all is normal"


def _usual(entity: str, seen: Explanation) -> list[str]:
    if not seen.entity_seen:
        return [f"  {entity} was never seen before"]
    lines = [f"  {entity} was seen in {seen.prior_events:,.0f} events and usually comes from:"]
    lines += [
        f"    {each.network:<24} {each.share:6.1%} {_bar(each.share)}  last {iso(each.last_day * SECONDS['d'])[:10]}"
        for each in seen.usual
    ]
    return lines


def _network(entity: str, seen: Explanation) -> list[str]:
    lines = []
    if seen.first_occurrence:
        where = "nor its network" if seen.network_first_occurrence else f"but used its network {seen.network}"
        lines.append(f"  {entity} never used this address, {where}")
    else:
        lines.append(f"  {entity} used this address before")
    if seen.network_new_to_everybody:
        lines.append(f"  nobody ever used the network {seen.network}")
    else:
        lines.append(f"  about {seen.entities_on_network:,} entities use the network {seen.network}")
    known = [f"AS{seen.operator}"] if seen.operator else []
    known += [seen.country] if seen.country else []
    new = [seen.operator_first_occurrence, seen.country_first_occurrence]
    if known:
        lines.append(f"  the network is of {', '.join(known)}" + (f", new for {entity}" if True in new else ""))
    if seen.shared_prefix_with is not None:
        lines.append(
            f"  the nearest usual address is {seen.shared_prefix_with}: {seen.shared_prefix_length} bits in common"
        )
    return lines


def _bar(share: float) -> str:
    """A share, 0–1, as a bar of :data:`BAR` characters: the eye compares faster than it reads."""
    return "█" * round(share * BAR) + "·" * (BAR - round(share * BAR))


def _recorded(work: JobWork, entity: str, ip: str, shown: TimeShown) -> None:
    from ipi_es.results.explanation import sentence

    found = work.stores.results.read("record", sort="timestamp", values=[entity, ip], size=RECENT)
    if not found:
        say(["No record of this pair."])
        return
    say(["", Toned("Records of this pair, the latest first:", "bold")])
    rows = [
        {
            "time": shown.copyable(each.source["timestamp"] // 1_000),
            "score": each.source["record_score"],
            "why": sentence(each.source),
            STYLE: "dim" if each.source.get("repeat_of") or each.source.get("suppressed_by") else None,
        }
        for each in found
    ]
    print_table(
        rows,
        [Column("time", "Time"), Column("score", "Score", score=True), Column("why", "Why", wrap=True, sentence=True)],
    )
