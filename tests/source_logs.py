"""Sign-in logs of known sources, made from samples in their form: a small company, and one foreign sign-in."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from source_cases import MAIL, NAME, Mapping, SourceCase, Twins

from ipi_es.times import iso

SAMPLES = Path(__file__).parent / "samples" / "sources"
PEOPLE, DAYS, SCORED_DAYS = 60, 20, 1
DAY, HOUR = 86_400, 3_600
START = 1_777_593_600
"""2026-05-01T00:00:00Z, epoch seconds."""
END = START + DAYS * DAY
PLANTED_AT = END - 5 * HOUR
OFFICE, PLANTED_IP = "198.51.100.4", "192.0.2.66"
"""An address that all use, and one in a network that nobody uses."""
OTHERS_IP = "203.0.114."
"""The beginning of the addresses that only documents have that are no successful sign-ins."""
SAMPLE_IP, SAMPLE_AT = "203.0.113.24", 1_793_607_300
"""The address and the time (2026-11-02T08:15:00Z) of the sign-in in all samples."""
TIME = re.compile(r"2026-11-02T\d\d:\d\d:\d\d")
SAME_NAME, TWO_CASES, FOREIGN = 1, 3, 7
"""People: one with the name of person 0 in another domain, one who is spelled in two ways, one who is attacked."""


def sample(name: str) -> list[str]:
    """The documents of a file in tests/samples/sources, as JSON."""
    return [line for line in (SAMPLES / f"{name}.ndjson").read_text(encoding="utf-8").splitlines() if line.strip()]


@dataclass(frozen=True, slots=True)
class SignIn:
    person: int
    address: str
    at: int
    """Epoch seconds."""
    capitals: bool = False


@cache
def company() -> tuple[SignIn, ...]:
    """The sign-ins of a company: from home or from the office, once or twice a day; one is foreign."""
    rng = random.Random(1)
    found = [
        SignIn(person, f"101.{person}.7.9" if rng.random() < 0.6 else OFFICE, START + day * DAY + at, capitals)
        for person in range(PEOPLE)
        for day in range(DAYS)
        for at in rng.sample(range(7 * HOUR, 19 * HOUR), rng.choice([1, 2]))
        for capitals in [rng.random() < 0.5]
        if day * DAY + at < DAYS * DAY
    ]
    return (*found, SignIn(FOREIGN, PLANTED_IP, PLANTED_AT))


@dataclass(frozen=True, slots=True)
class SourceLog:
    """A log in the form of one variant of a source."""

    case: SourceCase

    def mapping(self) -> dict[str, Any]:
        """The mapping that the source's integration, or the server by itself, makes."""
        properties: dict[str, Any] = {}
        for name, kind in self.case.properties.items():
            _put(properties, name, kind)
        if self.case.mapping is Mapping.DYNAMIC:
            return {"mappings": {"properties": properties}}
        templates: list[dict[str, Any]] = [_template("keyword", {})]
        if self.case.mapping is Mapping.INTEGRATION:
            with_words = {"fields": {"text": {"type": "match_only_text"}}}
            templates = [
                *[_template("ip", {"match": name}) for name in ("ip", "*_ip", "sourceIPs")],
                *[_template("keyword", {"path_match": f"*{name}"}, with_words) for name in ("user.name", "full_name")],
                *templates,
            ]
            for name in ("okta.debug_context.debug_data.flattened", "aws.cloudtrail.flattened.response_elements"):
                _put(properties, name, "flat_object")
        return {"mappings": {"dynamic_templates": templates, "properties": properties}}

    def documents(self) -> Iterator[str]:
        """Yield the sign-ins of the company, in no order, then every other document of the sample, as JSON."""
        lines = sample(self.case.sample)
        of_sign_in = [lines[number - 1] for number in self.case.sign_in]
        for sign_in in company():
            for line in of_sign_in:
                yield self._made(line, sign_in)
        for number, line in enumerate(lines, 1):
            if number not in self.case.sign_in:
                for day in (2, DAYS - 1):  # once to learn from, once to score
                    at = START + day * DAY + 10 * HOUR
                    yield self._made(line, SignIn(number, f"{OTHERS_IP}{number}", at))

    def spelled(self, person: int, *, capitals: bool = False) -> str:
        """How the log spells a person's account, or a host's address."""
        case = self.case
        name = f"person{person:02d}"
        if person == SAME_NAME and case.twins is not Twins.NONE:
            name = "OTHER\\person00" if case.twins is Twins.QUALIFIED else "person00"
        if case.account == MAIL:
            name += "@example.org" if person == SAME_NAME else "@example.com"
        elif case.account.count(".") == 3:
            name = f"10.20.0.{person}"
        elif case.account.count("-") == 4:
            name = f"{case.account[:-2]}{person:02x}"
        return name.upper() if capitals and case.two_cases and person == TWO_CASES else name

    def _made(self, line: str, sign_in: SignIn) -> str:
        name = self.spelled(sign_in.person, capitals=sign_in.capitals)
        later = sign_in.at - SAMPLE_AT
        made = line.replace(self.case.account, json.dumps(name)[1:-1])
        if self.case.account == MAIL:
            made = made.replace(NAME, name.partition("@")[0])
        if sign_in.person == SAME_NAME and self.case.twins is Twins.APART:
            made = made.replace("EXAMPLE", "OTHER")
        if sign_in.address == PLANTED_IP:
            made = made.replace("64500", "64999").replace('"DE"', '"SG"')
        made = made.replace(SAMPLE_IP, sign_in.address).replace(str(SAMPLE_AT), str(sign_in.at))
        return TIME.sub(lambda found: iso(_seconds(found[0]) + later)[:-1], made)


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp())


def _template(kind: str, rule: dict[str, str], more: dict[str, Any] | None = None) -> dict[str, Any]:
    name = f"{kind} {' '.join(rule.values())}".strip()
    return {name: {"match_mapping_type": "string", **rule, "mapping": {"type": kind, **(more or {})}}}


def _put(properties: dict[str, Any], name: str, kind: str) -> None:
    *above, last = name.split(".")
    for part in above:
        properties = properties.setdefault(part, {}).setdefault("properties", {})
    properties[last] = {"type": kind}
