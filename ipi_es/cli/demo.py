"""`ipi-es demo`: run the whole product once on this machine, on simulated sign-ins."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from ipi_es.cli.node import node_progress
from ipi_es.cli.shared.output import Column, print_table
from ipi_es.cli.shared.shell import clock, progress_bar
from ipi_es.times import from_ms, iso

if TYPE_CHECKING:
    from ipi_es.cluster.port import Cluster
    from ipi_es.demo.demo_run import DemoOutcome, Steps


SHOWN = 8
"""Maximum number of results in each of the demo's tables; repeats are left out."""


@click.command()
@click.option("--seed", type=click.IntRange(0), default=205, show_default=True, help="Which company is simulated.")
@click.option("--keep", is_flag=True, help="Leave the server up, to look further.")
@click.option(
    "--report", "report_file", type=click.Path(dir_okay=False), help="The report's file; default: in the user's cache."
)
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
def demo(seed: int, keep: bool, report_file: str | None, as_json: bool) -> None:
    """Simulate a company's sign-ins with hidden incidents on a local server, and find them.

    Starts a local OpenSearch (the first time downloads about 62 MB), simulates 2,000 people for 30 days, learns from
    the first 20 and scores the last 10 with the very code that works in production. Takes about two minutes. Ends with
    what it found, as a table and as a page to open (`ipi-es report`).

    Example: ipi-es demo --keep
    """
    from ipi_es.cluster.connect import connect
    from ipi_es.cluster.connection import Connection
    from ipi_es.demo.demo_run import run
    from ipi_es.extras import DEMO, TRAIN, require
    from ipi_es.node import LocalNode, start_detached

    require("the demo", DEMO, TRAIN)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up messages don't help here
    began = time.perf_counter()
    with node_progress() as progress:
        node = start_detached(keep=True, progress=progress) if keep else LocalNode.start(progress=progress)
    server = time.perf_counter() - began
    try:
        cluster = connect(Connection(hosts=(node.url,)))
        try:
            click.echo(f"{cluster.info.text} runs at {node.url}, for this demo only.", err=True)
            with _DemoProgress() as steps:
                outcome = run(cluster, seed, steps.steps())
            report = write_report(cluster, outcome, None if report_file is None else Path(report_file))
        finally:
            cluster.close()
    finally:
        if isinstance(node, LocalNode):
            node.stop()
    outcome.seconds["server"] = server
    show(outcome)
    click.echo(f"\nAs a page, for light and dark, telephone and paper: {report}")
    further(outcome, node.url if keep else None)
    if as_json:
        sys.stdout.write(orjson.dumps(outcome.summary(node.url)).decode() + "\n")


class _DemoProgress:
    """Progress bars of the demo's steps."""

    def __enter__(self) -> _DemoProgress:
        self._bars = progress_bar()
        self._bars.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bars.stop()

    def steps(self) -> Steps:
        """Return the callbacks that draw the run's progress."""
        from ipi_es.demo.demo_run import Steps
        from ipi_es.worker.training.job_training import TrainingCallbacks

        tasks = {
            name: self._bars.add_task(what, total=total, note="", visible=False)
            for name, what, total in (
                ("index", "Indexing sign-ins", 1),
                ("train", "Learning 20 days", 20 * 24),
                ("backfill", "Scoring 10 days", 10 * 24),
            )
        }

        def begin(step: str) -> None:
            self._bars.update(tasks[step], visible=True)

        return Steps(
            begin=begin,
            indexed=lambda done, total: self._bars.update(tasks["index"], completed=done, total=total),
            training=TrainingCallbacks(read=lambda _: self._bars.advance(tasks["train"])),
            scored=lambda _: self._bars.advance(tasks["backfill"]),
        )


def show(outcome: DemoOutcome) -> None:
    """Print the worst results, and which incidents were found."""
    from ipi_es.pages.text import score_text
    from ipi_es.results.documents.explanation import sentence

    columns = [Column("time", "Time"), Column("score", "Score", score=True), Column("initial", "Initially", right=True)]
    columns += [Column("incident", ""), Column("what", "What", wrap=True)]
    tables = (
        ("bucket", "anomaly_score", "The worst hours", _bucket_line),
        ("influencer", "influencer_score", "The worst entities and addresses", _influencer_line),
        ("record", "record_score", "The worst sign-ins, and why", sentence),
    )
    for kind, score, title, line in tables:
        rows = [
            {
                "time": iso(from_ms(each.source["timestamp"])),
                "score": each.source[score],
                "initial": score_text(each.source[f"initial_{score}"]),
                "incident": outcome.incident_of(each),
                "what": line(each.source),
            }
            for each in outcome.worst[kind]
            if "repeat_of" not in each.source
        ][:SHOWN]
        print_table(rows, columns, title=f"\n{title}")
    click.echo("\nScore: as of now, after renormalization. Initially: when it was written, which alerts go by.")
    _show_incidents(outcome)


def _bucket_line(source: dict[str, Any]) -> str:
    return (
        f"{source['event_count']:,} events, {source['record_count']} records; "
        f"{', '.join([*source['top_entities'][:2], *source['top_ips'][:2]]) or 'nothing is unusual'}"
    )


def _influencer_line(source: dict[str, Any]) -> str:
    repeat = " (already reported)" if source.get("repeat_of") else ""
    return f"{source['influencer_field_name']}: {source['influencer_field_value']}{repeat}"


def _show_incidents(outcome: DemoOutcome) -> None:
    from ipi_es.demo.demo_verdict import HARD
    from ipi_es.results.words import CRITICAL

    verdict = outcome.verdict
    rows = []
    for incident in outcome.simulation.incidents:
        found = incident.id in verdict.found
        word = "found" if found else "not found"
        if incident.id == HARD:
            score = verdict.scores[HARD]
            word = "found" if score >= CRITICAL else "seen, not critical" if score > 0 else "not seen"
        rows.append(
            {
                "id": incident.id,
                "when": f"{iso(incident.start)[5:16]}Z – {iso(incident.end)[5:16]}Z",
                "score": verdict.scores[incident.id],
                "word": word,
                "title": incident.title,
            }
        )
    columns = [
        Column("id", ""),
        Column("title", "Hidden incident", wrap=True),
        Column("when", "When"),
        Column("score", "Initial score", score=True),
        Column("word", ""),
    ]
    print_table(rows, columns, title="\nWhat was hidden, and what an alert would have said")
    click.echo(
        f"\n{len(verdict.found)} of {len(verdict.expected)} incidents found. {HARD} is there to be honest: one address "
        "of a network that colleagues use is what a new home line looks like, too."
    )
    others = ", ".join(verdict.other_critical[:6]) + (" …" if len(verdict.other_critical) > 6 else "")
    click.echo(
        f"Besides them {len(verdict.other_critical)} other entities and addresses were critical in the ten days when "
        "they were written"
        + (f": {others}." if others else ".")
        + f" By the scores of now, after renormalization, it is {len(verdict.now_critical)}."
    )


def further(outcome: DemoOutcome, url: str | None) -> None:
    """Print commands that show more. If the server keeps running at ``url``, write the files that they need."""
    seconds = ", ".join(f"{name} {took:.0f} s" for name, took in outcome.seconds.items())
    click.echo(f"\n{outcome.counts['events']:,} events in {outcome.counts['bucket']} buckets ({seconds}).")
    if url is None:
        click.echo(f"The server is gone again. To look further: {program()} demo --keep")
        return
    config = write_files(url)
    command = f"{program()} --config {config}"
    worst = outcome.worst["record"][0].source if outcome.worst["record"] else None
    click.echo("The server stays up. To look further:")
    click.echo(f"  {command} serve       in a browser, at http://127.0.0.1:9275: look at findings, and answer them")
    click.echo(f"  {command} results influencers demo --min-score 50")
    click.echo(f"  {command} results records demo --min-score 50")
    if worst is not None:
        click.echo(f"  {command} explain demo {worst['partition_field_value']} {worst['by_field_value']}")
    click.echo(f"  {program()} node stop       ends it; its data stay for `{program()} node start --keep`")


def program() -> str:
    """Return how `ipi-es` is called here: the virtual environment that run.py makes isn't on PATH."""
    beside = Path(sys.executable).with_name("ipi-es")
    return "ipi-es" if shutil.which("ipi-es") or not beside.exists() else str(beside)


def write_report(cluster: Cluster, outcome: DemoOutcome, path: Path | None) -> Path:
    """Write the report of the ten scored days and return its path; by default it is beside the demo's other files."""
    from ipi_es.cli.report import page_of, write_page
    from ipi_es.worker.job_resources import JobResources

    simulation = outcome.simulation
    made, _ = page_of(JobResources(cluster, outcome.job), simulation.scored_start, simulation.end, now=clock())
    path = path or demo_folder() / "report.html"
    write_page(path, made)
    return path.absolute()


def demo_folder() -> Path:
    """Return the folder of the demo's files, beside that of the local server; it is created if missing."""
    from ipi_es.node.cache import node_dir

    folder = node_dir().parent / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_files(url: str) -> Path:
    """Write an ipi-es.yml and the job's file into the demo's folder; return the path of ipi-es.yml."""
    from ipi_es.config.files.yaml_documents import write_yaml
    from ipi_es.demo.demo_run import JOB

    folder = demo_folder()
    (folder / "jobs").mkdir(exist_ok=True)
    (folder / "jobs" / "demo.yml").write_text(write_yaml(JOB), encoding="utf-8")
    config = folder / "ipi-es.yml"
    config.write_text(write_yaml({"elasticsearch": {"hosts": [url]}}), encoding="utf-8")
    return config
