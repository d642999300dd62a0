"""Addresses of the explorer's pages. Names in them are quoted; a name that no URL can hold has no page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlencode

from ipi_es.times import iso

LONGEST_NAME = 2_000
"""Bytes of a quoted name in a URL: servers and proxies refuse request lines of more than 8 KB."""

Parameters = Mapping[str, object]
"""Query parameters; None and "" are left out, a list is repeated."""


class Links:
    """The addresses below ``root``: the path under which a proxy shows the server, usually empty."""

    def __init__(self, root: str = "") -> None:
        self._root = root.rstrip("/")

    def jobs(self) -> str:
        """Return the address of the list of jobs."""
        return f"{self._root}/"

    def job(self, job_id: str, **parameters: object) -> str:
        """Return the address of a job's page."""
        return self._address(("jobs", job_id), parameters)

    def results(self, job_id: str, **parameters: object) -> str:
        """Return the address of a job's list of results."""
        return self._address(("jobs", job_id, "results"), parameters)

    def incident(self, job_id: str, incident_id: str, **parameters: object) -> str:
        """Return the address of an incident."""
        return self._address(("jobs", job_id, "incidents", incident_id), parameters)

    def answer(self, job_id: str, incident_id: str, what: str) -> str:
        """Return the address that takes an answer: ``verdict``, ``revoke``, ``allow``, ``undo``."""
        return self._address(("jobs", job_id, "incidents", incident_id, what), {})

    def entity(self, job_id: str, name: str, **parameters: object) -> str | None:
        """Return the address of an entity's page; None where no URL can hold its name."""
        return self._address(("jobs", job_id, "entities", name), parameters) if fits(name) else None

    def address(self, job_id: str, ip: str, **parameters: object) -> str | None:
        """Return the address of an IP address's page."""
        return self._address(("jobs", job_id, "addresses", ip), parameters) if fits(ip) else None

    def network(self, job_id: str, network: str, **parameters: object) -> str | None:
        """Return the address of the page of a network or an operator."""
        return self._address(("jobs", job_id, "networks", network), parameters) if fits(network) else None

    def live(self, job_id: str, **parameters: object) -> str:
        """Return the address that counts the findings since a time."""
        return self._address(("jobs", job_id, "live"), parameters)

    def static(self, name: str, version: str) -> str:
        """Return the address of a file of this package, with its version: a new one is loaded at once."""
        return self._address(("static", name), {"v": version})

    def login(self, then: str | None = None) -> str:
        """Return the address of the login; ``then``: the path to go on with."""
        return self._address(("login",), {"then": then})

    def logout(self) -> str:
        """Return the address that ends a session."""
        return self._address(("logout",), {})

    def _address(self, parts: Iterable[str], parameters: Parameters) -> str:
        path = "/".join([self._root, *(quote(part, safe="", errors="replace") for part in parts)])
        query = with_parameters(parameters)
        return f"{path}?{query}" if query else path


def with_parameters(parameters: Parameters) -> str:
    """Return the query string; what is None or empty is left out."""
    given = {name: value for name, value in parameters.items() if value not in (None, "", [], ())}
    return urlencode(given, doseq=True, errors="replace")


def fits(name: str) -> bool:
    """Return whether a URL can hold a name: browsers take parts of a path that are dots for other folders."""
    quoted = quote(name, safe="", errors="replace")
    return 0 < len(quoted) <= LONGEST_NAME and not {".", ".."} & set(name.replace("\\", "/").split("/"))


def span(start: int, end: int) -> dict[str, str]:
    """Return the parameters of a range of epoch seconds."""
    return {"start": iso(start), "end": iso(end)}
