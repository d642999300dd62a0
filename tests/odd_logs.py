"""Logs of sign-ins whose fields follow no convention: roles, machines, proxies, log-offs, late and odd spellings."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from ipi_es.times import iso, to_ms

START = 1_777_593_600
"""2026-05-01T00:00:00Z, epoch seconds."""
DAY = 86_400
DAYS = 20
END = START + DAYS * DAY
Doc = dict[str, Any]
KEYWORD, IP, DATE = {"type": "keyword"}, {"type": "ip"}, {"type": "date"}


def mapping(**fields: Any) -> Doc:
    """An index's mapping with these fields."""
    return {"properties": fields}


def sign_ins(people: int = 40, a_day: int = 60, seed: int = 3) -> Iterator[tuple[int, int, str, random.Random]]:
    """Yield (epoch seconds, person, address, random numbers): each has a home, and sometimes another address."""
    choice = random.Random(seed)
    for number in range(DAYS * a_day):
        person = choice.randrange(people)
        far = choice.randrange(8) == 0
        ip = f"198.51.{100 + person % 20}.{choice.randrange(250)}" if far else f"203.0.113.{person}"
        yield START + number * DAY // a_day, person, ip, choice


ROLE = mapping(
    ts=DATE,
    role=KEYWORD,
    session_name=KEYWORD,
    session_id=KEYWORD,
    app=KEYWORD,
    client_ip=IP,
    asn={"type": "long"},
    result=KEYWORD,
)


def roles() -> Iterator[Doc]:
    """Assumed roles: four of them, each by ten people, in sessions of a few events."""
    for at, person, ip, choice in sign_ins():
        yield {
            "ts": to_ms(at),
            "role": f"role-{person % 4}",
            "session_name": f"person{person}@corp.example",
            "session_id": f"s{person}-{at // 3_600}",
            "app": f"app{choice.randrange(6)}",
            "client_ip": ip,
            "asn": 64_500 + sum(map(int, ip.split(".")[2:3])),
            "result": "DENIED" if choice.randrange(30) == 0 else "OK",
        }


WINDOWS = mapping(
    TimeCreated=DATE, TargetUser=KEYWORD, SourceAddress=KEYWORD, EventID=KEYWORD, Workstation=KEYWORD, Keywords=KEYWORD
)


def windows() -> Iterator[Doc]:
    """A domain controller's log: machine accounts, SYSTEM, services, log-offs, people with and without a domain."""
    for at, person, _, choice in sign_ins():
        kind = choice.randrange(10)
        user = f"WS{person:02d}$" if kind < 4 else ("SYSTEM" if kind == 4 else f"Person{person}")
        if kind == 5:
            user = f"svc-backup{person % 2}"
        elif kind in {6, 7}:
            user = f"CORP\\person{person}"
        yield {
            "TimeCreated": to_ms(at),
            "TargetUser": user,
            "SourceAddress": "::1" if user == "SYSTEM" else f"10.1.{person}.{choice.randrange(3)}",
            "EventID": "4634" if choice.randrange(5) == 0 else "4624",
            "Workstation": f"WS{person:02d}",
            "Keywords": "Audit Failure" if choice.randrange(40) == 0 else "Audit Success",
        }


PROXY = mapping(when=DATE, member=KEYWORD, remote=IP, forwarded_for=KEYWORD, chain=IP, ok=KEYWORD)


def proxied() -> Iterator[Doc]:
    """An application behind two proxies: the peer is one of these, the client stands in a list."""
    for at, person, ip, choice in sign_ins():
        inner = f"10.0.0.{1 + choice.randrange(2)}"
        yield {
            "when": to_ms(at),
            "member": f"person{person}",
            "remote": inner,
            "forwarded_for": f"{ip}, {inner}",
            "ok": "failed" if choice.randrange(30) == 0 else "succeeded",
        }


def chained() -> Iterator[Doc]:
    """The same with the whole chain as an array."""
    for each in proxied():
        chain = each.pop("forwarded_for").split(", ")
        yield {**each, "chain": chain}


ACTIONS = mapping(at=DATE, login=KEYWORD, address=IP, kind=KEYWORD, outcome=KEYWORD)
KINDS = ["LOGIN"] * 8 + ["LOGOUT"] * 4 + ["REFRESH_TOKEN"] * 6 + ["MFA_CHALLENGE", "CODE_VIEWED"]


def actions() -> Iterator[Doc]:
    """Sign-ins among log-offs, token refreshes, challenges, and something that isn't clear."""
    for at, person, ip, choice in sign_ins():
        yield {
            "at": to_ms(at),
            "login": f"person{person}",
            "address": ip,
            "kind": choice.choice(KINDS),
            "outcome": "FAILED" if choice.randrange(30) == 0 else "SUCCEEDED",
        }


LATE = mapping(ts=DATE, actor=KEYWORD, client_ip=IP, result=KEYWORD, event={"properties": {"ingested": DATE}})


def late() -> Iterator[Doc]:
    """A log in batches: half of the events arrive within minutes, one in twenty after hours."""
    for at, person, ip, choice in sign_ins():
        delay = 14 * 3_600 + choice.randrange(3_600) if choice.randrange(20) == 0 else choice.randrange(400)
        yield {
            "ts": iso(at),
            "actor": f"person{person}",
            "client_ip": ip,
            "result": "DENIED" if choice.randrange(30) == 0 else "OK",
            "event": {"ingested": iso(at + delay)},
        }


LOGS = {
    "roles": (ROLE, roles),
    "dc-security": (WINDOWS, windows),
    "portal": (PROXY, proxied),
    "portal-chain": (PROXY, chained),
    "sso-audit": (ACTIONS, actions),
    "batches": (LATE, late),
}
"""``{index: (mapping, documents)}``."""
