r"""The simulated sign-ins as ECS documents, among the noise that real logs hold.

All are for one plain index, ``INDEX``. They include what a job must cope with:

- documents of other categories (process, network, and iam and session with user *and* address): the query drops them;
- authentications without an address (at a console) or without a user, and some with ``event.outcome: unknown``;
- one person under several spellings (``CORP\anna.berg``, ``anna.berg@corp.example``, ``Anna.Berg``);
- IPv4-mapped IPv6 addresses, and sometimes a second value in ``source.ip`` (a proxy's);
- documents shipped twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from ipi_es.demo.names import MAIL, SSO
from ipi_es.demo.providers import plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ipi_es.demo.company import Simulation

INDEX = "logs-auth-demo"
"""The one index of all events. Its name matches Elastic's built-in ``logs-*-*`` template, which makes data streams
and has priority 100: put ``index_template()`` first, or the documents go into a data stream that refuses updates."""

TEMPLATE_PRIORITY = 500

OTHER_SHARE = 0.12  # documents of other categories, for each sign-in
NO_ADDRESS_SHARE, NO_USER_SHARE, UNKNOWN_SHARE = 0.006, 0.002, 0.002  # the same, for incomplete authentications
DUPLICATE_SHARE = 0.001  # of sign-ins that are shipped twice
MAPPED_SHARE = 0.004  # of IPv4 sign-ins that are written as ::ffff:a.b.c.d
SECOND_VALUE_SHARE = 0.0004  # of sign-ins with a second source.ip, that of the company's VPN
DOMAIN_SHARE = 0.3  # of sign-ins that carry user.domain

_DATASETS = ("identity.auth", "identity.auth", "mail.auth", "vpn.auth", "gateway.auth", "system.auth")  # per host


def index_template() -> dict[str, Any]:
    """Return the body of ``PUT _index_template/…`` for the events: ECS types; other fields are not indexed."""
    keyword: dict[str, Any] = {"type": "keyword", "ignore_above": 1024}
    fields = {
        "@timestamp": {"type": "date"},
        "message": {"type": "match_only_text"},
        "event": _object(
            category=keyword, type=keyword, kind=keyword, outcome=keyword, action=keyword, dataset=keyword
        ),
        "user": _object(name=keyword, domain=keyword),
        "source": _object(
            ip={"type": "ip"},
            **{"as": _object(number={"type": "long"}, organization=_object(name=keyword))},
            geo=_object(country_iso_code=keyword),
        ),
        "destination": _object(ip={"type": "ip"}, port={"type": "long"}),
        "host": _object(name=keyword),
        "process": _object(name=keyword),
        "user_agent": _object(name=keyword),
    }
    return {
        "index_patterns": [INDEX],
        "priority": TEMPLATE_PRIORITY,
        "template": {
            "settings": {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "30s"},
            "mappings": {"dynamic": False, "properties": fields},
        },
    }


def _object(**properties: Any) -> dict[str, Any]:
    return {"properties": properties}


def documents(simulation: Simulation) -> Iterator[dict[str, Any]]:
    """Yield all documents in the order of time, as dicts."""
    return (orjson.loads(source) for source in sources(simulation))


def sources(simulation: Simulation) -> Iterator[bytes]:
    """Yield all documents in the order of time, as serialized JSON. The noise is drawn from the simulation's seed."""
    rng = np.random.default_rng([simulation.seed, 1])
    times, lines = _sign_ins(rng, simulation)
    other_times, others = _others(rng, simulation)
    order = np.argsort(np.concatenate([times, other_times]), kind="stable")
    split = len(lines)
    return (lines[i] if i < split else others[i - split] for i in order.tolist())


def _iso(time_ms: NDArray[np.int64]) -> list[str]:
    texts: list[str] = np.datetime_as_string(time_ms.astype("datetime64[ms]")).tolist()
    return texts


def _sign_ins(rng: np.random.Generator, sim: Simulation) -> tuple[NDArray[np.int64], list[bytes]]:
    """Return times (int64[n], epoch ms) and documents of the sign-ins, built from parts that are serialized once."""
    rows = np.sort(np.concatenate([np.arange(len(sim)), np.flatnonzero(rng.random(len(sim)) < DUPLICATE_SHARE)]))
    times = sim.time_ms[rows]
    spelling = _spellings(rng, sim)[rows]
    address = _address_forms(rng, sim)[rows]
    users = [_user_parts(name) for name in sim.users]
    addresses = _Addresses(sim)
    heads = [[_head(sim, host, ok) for ok in (False, True)] for host in range(len(sim.hosts))]
    agents = [f',"user_agent":{{"name":"{agent}"}}}}' for agent in sim.agents]
    columns = zip(
        _iso(times), sim.host_code[rows].tolist(), sim.success[rows].tolist(), sim.user_code[rows].tolist(),
        spelling.tolist(), sim.ip_code[rows].tolist(), address.tolist(), sim.agent_code[rows].tolist(), strict=True,
    )  # fmt: skip
    lines = [
        f'{{"@timestamp":"{time}Z"{heads[host][ok]}{users[user][spelt]}{addresses(ip, form)}{agents[agent]}'.encode()
        for time, host, ok, user, spelt, ip, form, agent in columns
    ]
    return times, lines


def _head(sim: Simulation, host: int, ok: bool) -> str:
    word, outcome = ("accepted", "success") if ok else ("failed", "failure")
    event = {
        "kind": "event", "category": ["authentication"], "type": ["start"] if ok else ["info"],
        "action": "user-login", "outcome": outcome, "dataset": _DATASETS[host],
    }  # fmt: skip
    parts = {"event": event, "host": {"name": sim.hosts[host]}, "message": f"Sign-in {word} on {sim.hosts[host]}"}
    return "," + orjson.dumps(parts).decode()[1:-1]


PLAIN, WITH_DOMAIN, WINDOWS, MAIL_NAME, CAPITALS = range(5)
"""Spellings of a user: indices into the result of ``_user_parts``."""


def _user_parts(name: str) -> tuple[str, ...]:
    capitals = ".".join(word.capitalize() for word in name.split("."))
    forms = (
        {"name": name}, {"name": name, "domain": "corp"}, {"name": f"CORP\\{name}", "domain": "CORP"},
        {"name": f"{name}@corp.example"}, {"name": capitals},
    )  # fmt: skip
    return tuple(',"user":' + orjson.dumps(form).decode() for form in forms)


def _spellings(rng: np.random.Generator, sim: Simulation) -> NDArray[np.int64]:
    """Draw each sign-in's spelling, int64[n]: people's by the host; services and guessed names have one spelling."""
    roll = rng.random(len(sim))
    by_host = np.where(
        (sim.host_code == MAIL) & (roll < 0.7),
        MAIL_NAME,
        np.where((sim.host_code == SSO) & (roll < 0.25), WINDOWS, PLAIN),
    )
    by_host = np.where((by_host == PLAIN) & (roll > 1 - DOMAIN_SHARE), WITH_DOMAIN, by_host)
    by_host = np.where((by_host == WITH_DOMAIN) & (roll > 0.985), CAPITALS, by_host)
    return np.where(sim.user_code < sim.people, by_host, PLAIN)


USUAL, MAPPED_FORM, TWO_VALUES = range(3)
"""Forms of an address in a document."""


def _address_forms(rng: np.random.Generator, sim: Simulation) -> NDArray[np.int64]:
    v4 = np.array([":" not in ip for ip in sim.ips])[sim.ip_code]
    roll = rng.random(len(sim))
    two = (roll > 1 - SECOND_VALUE_SHARE) & (sim.user_code < sim.people) & sim.success
    return np.where(two, TWO_VALUES, np.where(v4 & (roll < MAPPED_SHARE), MAPPED_FORM, USUAL))


class _Addresses:
    """Returns the ``source`` part of a document for an address code and a form; the usual forms are made once."""

    def __init__(self, sim: Simulation) -> None:
        operators = plan().providers
        tails = [
            f',"as":{{"number":{p.asn},"organization":{{"name":"{p.name}"}}}},'
            f'"geo":{{"country_iso_code":"{p.country}"}}}}'
            for p in operators
        ]
        self._ips = sim.ips
        self._tails = [tails[i] for i in sim.owner.tolist()]
        self._usual = [f',"source":{{"ip":"{ip}"{tail}' for ip, tail in zip(sim.ips, self._tails, strict=True)]
        vpn = sim.ip_code[sim.kind_code == sim.kinds.index("vpn")]
        self._proxy = sim.ips[int(np.bincount(vpn).argmax())] if len(vpn) else sim.ips[0]

    def __call__(self, ip: int, form: int) -> str:
        if form == USUAL:
            return self._usual[ip]
        text = f'"::ffff:{self._ips[ip]}"' if form == MAPPED_FORM else f'["{self._ips[ip]}","{self._proxy}"]'
        return f',"source":{{"ip":{text}{self._tails[ip]}'


@dataclass(frozen=True)
class _Other:
    """A kind of document that isn't a usable sign-in; ``share``: documents per sign-in, ``rest``: the fixed part."""

    share: float
    with_user: bool
    with_address: bool
    rest: dict[str, Any]


def _other(share: float, parts: str, category: str, action: str, outcome: str | None, **rest: Any) -> _Other:
    event = {"kind": "event", "category": [category], "action": action} | ({"outcome": outcome} if outcome else {})
    return _Other(share, "user" in parts, "address" in parts, {"event": event, **rest})


_OTHERS = (
    _other(OTHER_SHARE * 0.45, "user", "process", "process-started", None, process={"name": "sh"}),
    _other(OTHER_SHARE * 0.35, "address", "network", "connection-accepted", "success",
           destination={"ip": "10.20.0.10", "port": 443}),
    _other(OTHER_SHARE * 0.1, "user, address", "iam", "user-password-change", "success"),
    _other(OTHER_SHARE * 0.1, "user, address", "session", "session-end", "success"),
    _other(NO_ADDRESS_SHARE, "user", "authentication", "user-login", "success", host={"name": "desk-14"},
           message="Sign-in accepted at the console"),
    _other(NO_USER_SHARE, "address", "authentication", "user-login", "failure", host={"name": "bastion-1"},
           message="Connection closed before a user was named"),
    _other(UNKNOWN_SHARE, "user, address", "authentication", "user-login", "unknown", host={"name": "sso-2"}),
)  # fmt: skip


def _others(rng: np.random.Generator, sim: Simulation) -> tuple[NDArray[np.int64], list[bytes]]:
    """Return times (int64[n], epoch ms) and documents that aren't usable sign-ins: other categories, missing fields."""
    all_rows, lines = [], []
    for other in _OTHERS:
        rows = np.sort(rng.integers(len(sim), size=round(other.share * len(sim))))
        all_rows.append(rows)
        columns = zip(_iso(sim.time_ms[rows]), sim.user_code[rows].tolist(), sim.ip_code[rows].tolist(), strict=True)
        for time, user, ip in columns:
            document: dict[str, Any] = {"@timestamp": time + "Z", **other.rest}
            if other.with_user:
                document["user"] = {"name": sim.users[user]}
            if other.with_address:
                document["source"] = {"ip": sim.ips[ip]}
            lines.append(orjson.dumps(document))
    return sim.time_ms[np.concatenate(all_rows)], lines
