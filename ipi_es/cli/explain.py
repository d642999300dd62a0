"""`ipi-es explain`: explain in sentences why a pair is usual or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ipi_es.cli.shared.output import SEVERITY_COLOURS, STYLE, Column, Toned, emit, format_option, print_table, say
from ipi_es.cli.shared.shell import shell
from ipi_es.cli.shared.zones import time_zone_option
from ipi_es.errors import UnknownEntity
from ipi_es.networks.network_types import TYPES_FIELD
from ipi_es.pages.text import TimeShown, counted, one_in, score_text
from ipi_es.results.documents.phrases import of_groups, of_types
from ipi_es.results.documents.visible import visible
from ipi_es.scoring.probability import severity
from ipi_es.times import SECONDS, from_ms, iso
from ipi_es.worker.typed_names import named_address, named_entity, require_key

if TYPE_CHECKING:
    from ipi_es.cli.shared.pair_facts import PairFacts
    from ipi_es.cluster.port import Cluster
    from ipi_es.config.job_config import Job
    from ipi_es.ipinsights.pair_explanation import PairExplanation

HELD_BACK = "  it is held back there: as calibrated it would be {:.2g}, but too little is known to be so sure"
"""Line for a probability that warm-up raised."""

BAR = 20
"""Width of a share's bar, characters."""


@click.command()
@click.argument("job_name", metavar="JOB")
@click.argument("entity")
@click.argument("ip")
@time_zone_option
@format_option
@click.pass_context
def explain(ctx: click.Context, job_name: str, entity: str, ip: str, shown: TimeShown, output_format: str) -> None:
    """Say how usual an address is for an entity by what the job has learned, why, and what was recorded of the pair.

    An entity that the job has never seen is judged as a new one; the exit code is then 1, as it may be misspelled.

    As JSON it is one object (in an array, as everywhere) with all of that, and with the pair's latest records as
    `ipi-es results` has them. Its keys are always there: null is what isn't known. score_cap is the most that the pair
    could score if it were seen now.

    Example: ipi-es explain jobs/logins.yml alice 198.51.100.7
    """
    from ipi_es.cli.shared.pair_facts import facts_of
    from ipi_es.worker.changed_settings import changed, kept
    from ipi_es.worker.job_resources import JobResources

    here = shell(ctx)
    job = here.job(job_name)
    address = named_address(ip, job)
    with here.cluster() as cluster:
        require_key(cluster, job, entity)
        work = JobResources(cluster, job, snapshots=here.settings.snapshots.directory)
        facts = facts_of(work, named_entity(work.folded_job(), entity), address)
        unknown = _unknown(cluster, facts, work.folded_job(), job_name)
        for change in changed(job, kept(work.stores.states.read(job.job_id))):
            click.secho(f"note: {change}; this is of what was learned before", fg="yellow", err=True)
    if output_format == "table":
        say(_about(facts, shown))
        _recorded(facts, shown)
    else:
        emit([facts.to_dict()], (), output_format, empty="")
    if unknown is not None:
        raise unknown


def _unknown(cluster: Cluster, facts: PairFacts, job: Job, job_name: str) -> UnknownEntity | None:
    """Return the error for a name that neither the history nor a record has (usually a typo); None for a known name."""
    from ipi_es.results.reading.listing import is_recorded, nearest_entity
    from ipi_es.results.reading.queries import ResultFilter

    entity, job_id = facts.seen.entity, job.job_id
    if facts.seen.entity_seen or is_recorded(cluster, job_id, ResultFilter(entity=entity)):
        return None
    guess = nearest_entity(cluster, job, entity)
    known = f"did you mean “{visible(guess)}”?" if guess else f"`ipi-es results records {job_name}` shows known names."
    return UnknownEntity(
        f"job {job_id} knows no entity “{visible(entity)}”: no event up to {iso(facts.as_of)} and no record is of it",
        hint=f"{known} What is said above is as of a new one",
    )


def _about(facts: PairFacts, shown: TimeShown) -> list[str | Toned]:
    from ipi_es.scoring.history_age import YOUNG_DAYS

    seen, entity, young = facts.seen, facts.seen.entity, set(facts.cold_start)
    typical = ""
    if seen.typical_compatibility is not None:
        typical = f"; {entity}'s usual addresses have about {seen.typical_compatibility:.2f}"
    rarity = (
        f"{one_in(facts.probability)} events of entities with a comparable history ({facts.class_name}) is as unusual"
    )
    lines: list[str | Toned] = [
        Toned(f"{entity} from {seen.address}, as of {shown.copyable(facts.as_of)}:", "bold"),
        f"  compatibility {seen.compatibility:.2f} (log-odds, high = usual){typical}",
        f"  probability {facts.probability:.2g}: {rarity}, when all is normal",
        _allows(facts.score_cap),
        *(f"  {text}" for text in of_groups(entity, facts.groups)),
    ]
    if facts.suppressed_by is not None:
        lines.append(f"  but the allow list allows it ({facts.suppressed_by}): it is recorded, and raises no alarm")
    lines += [
        f"  {each.by} said at {shown.copyable(each.time)}: {each.verdict}{f' ({each.comment})' if each.comment else ''}"
        for each in facts.verdicts
    ]
    near = facts.endangered_by
    if near is not None:
        lines.append(f"  {near.entity} was compromised from {near.text}, which makes the probability smaller")
    if facts.scheduled_events:
        lines.append(f"  now in a scheduled event ({', '.join(facts.scheduled_events)}): nothing is alerted or learned")
    if facts.probability > facts.calibrated_probability:
        lines.append(HELD_BACK.format(facts.calibrated_probability))
    if "young_job" in young:
        lines.append(f"  the job warms up: its history is {facts.history_days} days long, of {YOUNG_DAYS} wanted")
    if young & {"unseen_entity", "little_history"}:
        lines.append(f"  {entity} warms up: fewer than six events are known")
    learned = f"  learned before {iso(facts.as_of)[:10]}, without what is held, allowed or of other outcomes:"
    return [*lines, learned, *_usual(entity, seen), *_network(facts)]


def _allows(cap: float) -> str | Toned:
    if cap <= 0.0:
        return "  seen now it would score 0: nothing unusual"
    name = str(severity(cap))
    return Toned(f"  seen now it could score up to {score_text(cap)} ({name})", SEVERITY_COLOURS[name])


def _usual(entity: str, seen: PairExplanation) -> list[str]:
    if not seen.entity_seen:
        return [f"  no event of {entity}"]
    lines = [f"  {counted(round(seen.prior_events), 'event')} of {entity}, which came from:"]
    lines += [
        f"    {each.network:<24} {each.share:6.1%} {_bar(each.share)}  last {iso(each.last_day * SECONDS['d'])[:10]}"
        for each in seen.usual
    ]
    return lines


def _network(facts: PairFacts) -> list[str | Toned]:
    lines, seen, entity = list[str | Toned](), facts.seen, facts.seen.entity
    if seen.first_occurrence:
        where = "nor of its network" if seen.network_first_occurrence else f"but of its network {seen.network}"
        lines.append(f"  no use of this address by {entity}, {where}")
    else:
        lines.append(f"  at least one use of this address by {entity}")
    if seen.network_new_to_everybody:
        lines.append(f"  the network {seen.network} was not used")
    else:
        users = counted(seen.entities_on_network, "entity").replace("entitys", "entities")
        lines.append(f"  uses of the network {seen.network} by about {users}")
    known = [f"AS{seen.operator}"] if seen.operator else []
    known += [seen.country] if seen.country else []
    new = [seen.operator_first_occurrence, seen.country_first_occurrence]
    if known:
        lines.append(f"  the network is of {', '.join(known)}" + (f", not learned for {entity}" if True in new else ""))
    lines += [f"  {text}" for text in of_types("the address", {TYPES_FIELD: facts.network_types})]
    if seen.shared_prefix_with is not None:
        lines.append(
            f"  the nearest usual address is {seen.shared_prefix_with}: {seen.shared_prefix_length} bits in common"
        )
    return [*lines, *_not_learned(facts)]


def _not_learned(facts: PairFacts) -> list[str | Toned]:
    """Describe the pair's records, which the history doesn't contain."""
    if facts.first_recorded is None:
        return []
    text = f"  {counted(facts.record_count, 'record')} of this pair, the first of {iso(facts.first_recorded)}"
    if facts.held_until is not None:
        text += f"; not learned until {iso(facts.held_until)}"
    return [text]


def _bar(share: float) -> str:
    """Draw a share, 0–1, as a bar of :data:`BAR` characters."""
    return "█" * round(share * BAR) + "·" * (BAR - round(share * BAR))


def _recorded(facts: PairFacts, shown: TimeShown) -> None:
    from ipi_es.results.documents.explanation import sentence
    from ipi_es.results.words import raises_alarm

    if not facts.records:
        say(["No record of this pair."])
        return
    say(["", Toned("Records of this pair, the latest first:", "bold")])
    rows = [
        {
            "time": shown.copyable(from_ms(each["timestamp"])),
            "score": each["record_score"],
            "why": sentence(each),
            STYLE: None if raises_alarm(each) else "dim",
        }
        for each in facts.records
    ]
    print_table(
        rows,
        [Column("time", "Time"), Column("score", "Score", score=True), Column("why", "Why", wrap=True, sentence=True)],
    )
