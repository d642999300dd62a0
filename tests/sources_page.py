"""The page docs/sources-checked.md: a row for each variant of a source as it was measured, and for each refused one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from source_cases import CASES, SourceCase, Twins
from source_logs import DAYS, OTHERS_IP, PEOPLE, PLANTED_AT, PLANTED_IP, SourceLog, sample

from ipi_es.config.presets.preset import load_preset, preset_names

PAGE = Path(__file__).parents[1] / "docs" / "sources-checked.md"
HEAD = f"""# Sources that were checked

Each variant of each source of `ipi-es job create NAME --from SOURCE` is run by the tests on a real OpenSearch 3.8. Its
log has the form of the [source's](sources.md) own documents, in indices with the mapping that its integration gives, or
with a dynamic mapping for documents as the vendor writes them. In it are {PEOPLE} people who sign in from home or from
the office on {DAYS} days, one sign-in from an address and an operator that nobody uses, and two of each document that
is no successful sign-in (failures, log-offs, tokens, prompts, accounts of machines), from addresses of their own.
`job create`, `check`, `train` and `backfill` ran as they are; only the network was a small one (`architecture:
ip_insights`, two epochs), so that the run ends in minutes.

- **create**: the documents that the job's query matches, of all in the log.
- **check**: what it warns of; it never found a problem.
- **score, rank**: the initial score of the planted sign-in's record, in tens, and its place among the records.
- **accounts**: entities that the job learned, of {PEOPLE}. “2 spellings”: one account is written in capitals and in
  small letters, and is one entity. “2 domains”: two accounts have one name in two domains, and are two.
- **left out**: kinds of other documents in the log. None of them was learned or is in the results.
- **documents a sign-in**: what the query matches of one sign-in. They give one record and one influencer for the
  address.

The test writes this page: `IPI_ES_WRITE_SOURCES=1 .venv/bin/pytest tests/integration/test_sources.py`. Each run of the
tests compares it with what was measured.

| source | variant | create | check | score, rank | accounts | left out | documents a sign-in |
|---|---|---|---|---|---|---|---|
"""
REFUSED = """
## Refused
`ipi-es job create` says why:

| source | reason |
|---|---|
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the commands said of one case."""

    case: SourceCase
    matched: int
    """Documents that the query matches."""
    planted: int
    """Those of the planted sign-in."""
    problems: list[str]
    warnings: list[str]
    entities: int
    addresses: int
    records: list[dict[str, Any]]
    """The worst first."""
    influencers: list[dict[str, Any]]

    @property
    def found(self) -> list[dict[str, Any]]:
        """The records of the planted sign-in."""
        hour = (PLANTED_AT - PLANTED_AT % 3_600) * 1_000
        return [each for each in self.records if each["by_field_value"] == PLANTED_IP and each["timestamp"] == hour]

    @property
    def score(self) -> float:
        return max((float(each["initial_record_score"]) for each in self.found), default=0.0)

    @property
    def rank(self) -> int:
        """Its place among the records, 1 for the highest score; 0 if it has none."""
        if not self.found:
            return 0
        return 1 + sum(float(each["initial_record_score"]) > self.score for each in self.records)

    @property
    def others(self) -> int:
        """Records of documents that are no successful sign-ins."""
        return sum(str(each["by_field_value"]).startswith(OTHERS_IP) for each in self.records)

    @property
    def pairs(self) -> int:
        """Influencers of the planted sign-in: its account, and its address."""
        return sum(
            each["influencer_field_value"] == PLANTED_IP and each["timestamp"] == self.found[0]["timestamp"]
            for each in self.influencers
        )

    def row(self) -> str:
        """Return the row of the page."""
        case = self.case
        everything = sum(1 for _ in SourceLog(case).documents())
        tens = f"{int(self.score // 10) * 10}+"
        cells = [
            f"`{case.source}`",
            case.variant,
            f"{self.matched:,} of {everything:,}",
            ", ".join([*(f"**{each}**" for each in self.problems), *self.warnings]) or "ok",
            f"{tens}, {self.rank}",
            self._accounts(),
            str(len(sample(case.sample)) - len(case.sign_in)),
            str(self.planted),
        ]
        return f"| {' | '.join(cells)} |"

    def _accounts(self) -> str:
        case = self.case
        said = [str(self.entities)]
        if case.two_cases:
            said.append("2 spellings")
        if case.twins is Twins.APART:
            said.append("one name in 2 domains is merged: the domain is in another field")
        elif case.twins is not Twins.NONE:
            said.append("2 domains")
        return ", ".join(said)


def measured_rows() -> dict[str, str]:
    """The rows of the page, by the case's key."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return {case.key: line for case in CASES for line in lines if line.startswith(_start(case))}


def write_rows(measured: Mapping[str, Measured]) -> None:
    """Write the page, with these rows in the place of older ones."""
    rows = measured_rows() if PAGE.exists() else {}
    rows |= {key: each.row() for key, each in measured.items()}
    PAGE.write_text(page(rows), encoding="utf-8")


def page(rows: Mapping[str, str]) -> str:
    """Return the page with these rows, and with the reasons of the sources that are refused."""
    refused = [(name, load_preset(name).refused) for name in preset_names()]
    reasons = "".join(f"| `{name}` | {reason} |\n" for name, reason in refused if reason is not None)
    return HEAD + "".join(f"{rows[case.key]}\n" for case in CASES if case.key in rows) + REFUSED + reasons


def _start(case: SourceCase) -> str:
    return f"| `{case.source}` | {case.variant} |"
