"""Callers of the server: whose credentials reach the cluster, and who is not served."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest
from serve_parts import client_of, services_of
from starlette.requests import Request

from ipi_es.cluster.port import Cluster
from ipi_es.errors import AuthenticationFailed, PermissionDenied, UsageError
from ipi_es.serve.callers.callers import LIFE, MOST, Callers
from ipi_es.testing.memory_cluster import MemoryCluster


class SecuredCluster(MemoryCluster):
    """A cluster with security, under one Authorization header."""

    def __init__(self, authorization: str | None) -> None:
        super().__init__()
        self.authorization = authorization

    def user_name(self) -> str:  # type: ignore[override]
        if self.authorization not in ("Basic YW5uOng=", "ApiKey abc", "Bearer t"):
            raise AuthenticationFailed("the cluster refused the credentials", status=401)
        return "ann"


def request(authorization: str | None = None, host: str = "127.0.0.1:9275") -> Request:
    headers = [(b"host", host.encode())]
    headers += [] if authorization is None else [(b"authorization", authorization.encode())]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers, "scheme": "http", "query_string": b""}
    return Request(scope | {"server": ("127.0.0.1", 9275)})


@pytest.mark.parametrize("header", ["Basic YW5uOng=", "ApiKey abc", "Bearer t"])
def test_the_cluster_is_asked_with_the_callers_own_header(header: str) -> None:
    callers = Callers(SecuredCluster, lambda: 0, local=False)
    caller = callers.of(request(header))
    assert caller.name == "ann"
    assert isinstance(caller.cluster, SecuredCluster)
    assert caller.cluster.authorization == header


@pytest.mark.parametrize(
    "header", [None, "", "Basic", "Basic ", "Negotiate abc", "Basic bm9ib2R5", "ApiKey a\x7fb", "Bearer " + "a" * 9_000]
)
def test_other_headers_are_refused(header: str | None) -> None:
    callers = Callers(SecuredCluster, lambda: 0, local=True, anonymous=True)
    with pytest.raises(AuthenticationFailed):
        callers.of(request(header))


def test_a_caller_is_kept_for_a_while_and_never_for_another_header() -> None:
    bound: list[str | None] = []
    time = [0]

    def bind(authorization: str | None) -> Cluster:
        bound.append(authorization)
        return SecuredCluster(authorization)

    callers = Callers(bind, lambda: time[0], local=True)
    first = callers.of(request("ApiKey abc"))
    assert callers.of(request("ApiKey abc")) is first
    assert callers.of(request("Bearer t")) is not first
    time[0] = LIFE
    assert callers.of(request("ApiKey abc")) is not first
    assert bound == ["ApiKey abc", "Bearer t", "ApiKey abc"]


def test_the_credentials_of_callers_are_forgotten_after_a_while() -> None:
    time = [0]
    callers = Callers(SecuredCluster, lambda: time[0], local=True)
    credentials = weakref.ref(callers.of(request("ApiKey abc")).cluster)
    time[0] = LIFE
    callers.of(request("Bearer t"))
    gc.collect()
    assert credentials() is None


def test_a_bounded_number_of_callers_is_kept() -> None:
    bound: list[str | None] = []

    def bind(authorization: str | None) -> Cluster:
        bound.append(authorization)
        return MemoryCluster()

    callers = Callers(bind, lambda: 0, local=True)
    for number in range(MOST + 1):
        callers.of(request(f"ApiKey {number}"))
    callers.of(request(f"ApiKey {MOST}"))
    assert len(bound) == MOST + 1
    callers.of(request("ApiKey 0"))
    assert len(bound) == MOST + 2


@pytest.mark.parametrize(
    ("local", "anonymous", "header", "host", "served"),
    [
        (True, False, None, "127.0.0.1:9275", True),
        (True, False, None, "localhost:9275", True),
        (True, False, None, "[::1]:9275", True),
        (True, False, None, "evil.example:9275", False),
        (True, False, "Basic YW5uOng=", "evil.example", False),
        (True, True, None, "soc.example.org", True),
        (False, False, None, "192.0.2.1:9275", False),
        (False, False, "Basic YW5uOng=", "192.0.2.1:9275", False),
        (False, True, None, "192.0.2.1:9275", True),
    ],
)
def test_a_cluster_without_security_is_served_to_this_machine_alone(
    local: bool, anonymous: bool, header: str | None, host: str, served: bool
) -> None:
    callers = Callers(lambda _: MemoryCluster(), lambda: 0, local=local, anonymous=anonymous)
    if served:
        assert callers.of(request(header, host)).name == "anonymous"
    else:
        with pytest.raises(PermissionDenied, match="no security"):
            callers.of(request(header, host))


def test_the_start_refuses_a_cluster_without_security_at_an_open_address() -> None:
    Callers(SecuredCluster, lambda: 0, local=False).check()
    Callers(lambda _: MemoryCluster(), lambda: 0, local=True).check()
    Callers(lambda _: MemoryCluster(), lambda: 0, local=False, anonymous=True).check()
    with pytest.raises(UsageError, match="no security"):
        Callers(lambda _: MemoryCluster(), lambda: 0, local=False).check()


def test_the_servers_own_refused_credentials_are_no_mistake_of_the_caller() -> None:
    def refused(_: str | None) -> Cluster:
        raise AuthenticationFailed("https://es:9200 refused the credentials (401)", status=401)

    answer = client_of(services_of(refused)).get(
        "/_ml/anomaly_detectors/logins/results/records", headers={"authorization": "ApiKey abc"}
    )
    assert answer.status_code == 503
    assert "server's own credentials" in answer.json()["error"]["reason"]


def test_an_answer_without_credentials_says_what_to_send() -> None:
    answer = client_of(services_of(SecuredCluster)).get("/_ml/anomaly_detectors/logins/results/records")
    assert answer.status_code == 401
    assert [each.partition(" ")[0] for each in answer.headers.get_list("www-authenticate")] == [
        "Basic",
        "ApiKey",
        "Bearer",
    ]
    assert "Basic" in answer.json()["error"]["hint"]


class ActingCluster(MemoryCluster):
    """A cluster in which the server's user may act for ann, and for nobody else."""

    def __init__(self, user: str, told: str | None = None) -> None:
        super().__init__()
        self.user, self.told = user, told

    def user_name(self) -> str | None:
        if self.user != "ann":
            raise PermissionDenied("no run_as", status=403)
        return self.told or self.user


def signed_in(user: str | None) -> Request:
    found = request()
    found.state.proxy_user = user
    return found


def acting(act_as: Callable[[str], Cluster] = ActingCluster) -> Callers:
    return Callers(SecuredCluster, lambda: 0, local=False, act_as=act_as)


def test_a_user_whom_a_proxy_signed_in_is_the_clusters_user_of_that_name() -> None:
    callers = acting()
    caller = callers.of(signed_in("ann"))
    assert (caller.name, type(caller.cluster)) == ("ann", ActingCluster)
    assert callers.of(signed_in("ann")) is caller
    with pytest.raises(AuthenticationFailed):
        callers.of(signed_in(None))  # without a name it is a request as any other


def test_the_cluster_decides_for_whom_the_server_acts() -> None:
    with pytest.raises(PermissionDenied, match="act for bob"):
        acting().of(signed_in("bob"))
    with pytest.raises(PermissionDenied, match="for one of admin, not of ann"):
        acting(lambda user: ActingCluster(user, "admin")).of(signed_in("ann"))


@pytest.mark.parametrize("name", ["", " ", "a\nb", "änn", "a" * 257])
def test_a_name_that_no_header_can_hold_is_refused(name: str) -> None:
    with pytest.raises(AuthenticationFailed, match="gave no name"):
        acting().of(signed_in(name))
