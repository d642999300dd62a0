"""Guesses at passwords are limited by user name and group of addresses, and lock out as few as they can."""

from __future__ import annotations

import base64
import ipaddress
import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.requests import Request

from ipi_es.errors import AuthenticationFailed, ClusterUnreachable, RequestInvalid
from ipi_es.serve.callers.callers import LIFE, Callers
from ipi_es.serve.callers.login_throttle import (
    IPV4_GROUPS,
    IPV6_GROUPS,
    KNOWN_FOR,
    MANY_IN_GROUP,
    MOST_GUESSED,
    MOST_TRIED,
    MOST_TRIED_AMONG_MANY,
    VERIFIED_FOR,
    LoginThrottle,
    address_groups,
    claimed_name,
)
from ipi_es.serve.callers.wrong_credentials import WITHIN, WrongCredentials
from ipi_es.testing.memory_cluster import MemoryCluster

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.7"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def request(authorization: str, address: str = HERE) -> Request:
    headers = [(b"host", b"127.0.0.1:9275"), (b"authorization", authorization.encode())]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers, "scheme": "http", "query_string": b""}
    return Request(scope | {"server": ("127.0.0.1", 9275), "client": (address, 40_000)})


class Guarded:
    """Callers of a cluster in which every password is “right”, and what reached that cluster."""

    def __init__(self) -> None:
        self.now, self.asked, self.guesses = 1_000_000, list[str](), itertools.count()
        self.away, self.answers = False, threading.Event()
        self.answers.set()
        self.callers = Callers(self.bind, lambda: self.now, local=False)

    def bind(self, authorization: str | None) -> MemoryCluster:
        def user_name() -> str:
            self.asked.append(str(authorization))
            self.answers.wait(10)
            if self.away:
                raise ClusterUnreachable("nothing listens")
            user, _, password = base64.b64decode(str(authorization).split()[1]).decode().partition(":")
            if password != "right":
                raise AuthenticationFailed("the cluster refused the credentials", status=401)
            return user

        made = MemoryCluster()
        made.user_name = user_name  # type: ignore[method-assign]
        return made

    def ask(self, user: str, password: str, address: str = HERE) -> int:
        """The status that the credentials get."""
        try:
            self.callers.of(request(basic(user, password), address))
        except AuthenticationFailed:
            return 401
        except RequestInvalid as error:
            return error.status
        except ClusterUnreachable:
            return 503
        return 200

    def guess(self, user: str, times: int, address: str = HERE) -> list[int]:
        return [self.ask(user, f"guess {next(self.guesses)}", address) for _ in range(times)]


@pytest.fixture
def guarded() -> Iterator[Guarded]:
    made = Guarded()
    yield made
    made.answers.set()


def test_guesses_by_the_header_are_refused_unseen(guarded: Guarded) -> None:
    assert guarded.guess("ann", 20) == [401] * MOST_TRIED + [429] * (20 - MOST_TRIED)
    assert len(guarded.asked) == MOST_TRIED
    assert guarded.ask("ann", "right") == 429
    with pytest.raises(RequestInvalid) as error:
        guarded.callers.of(request(basic("ann", "right")))
    assert (error.value.kind, error.value.headers) == ("security_exception", {"retry-after": str(WITHIN)})
    guarded.now += WITHIN
    assert guarded.ask("ann", "right") == 200


def test_others_behind_the_same_address_and_the_user_elsewhere_are_served(guarded: Guarded) -> None:
    guarded.guess("ann", MOST_TRIED + 1)
    assert guarded.ask("bob", "right") == 200
    assert guarded.ask("ann", "right", ELSEWHERE) == 200
    assert guarded.ask("ann", "right") == 429, "what was verified elsewhere is a guess here"


def test_parallel_guesses_pass_no_limit(guarded: Guarded) -> None:
    guarded.answers.clear()
    with ThreadPoolExecutor(40) as pool:
        under_way = [pool.submit(guarded.ask, "ann", f"guess {number}") for number in range(40)]
        refused = [each for each in under_way if _done_soon(each.result)]
        guarded.answers.set()
        statuses = sorted(each.result() for each in under_way)
    assert len(refused) == 40 - MOST_TRIED, "refused while the others were under way"
    assert statuses == [401] * MOST_TRIED + [429] * (40 - MOST_TRIED)
    assert len(guarded.asked) == MOST_TRIED


def _done_soon(result: Callable[[float], int]) -> bool:
    try:
        result(0.2)
    except TimeoutError:
        return False
    return True


def test_a_program_may_begin_with_many_requests_at_once(guarded: Guarded) -> None:
    with ThreadPoolExecutor(40) as pool:
        assert set(pool.map(lambda _: guarded.ask("ann", "right"), range(40))) == {200}


def test_a_repeated_old_password_is_one_guess(guarded: Guarded) -> None:
    assert [guarded.ask("ann", "old") for _ in range(50)] == [401] * 50
    assert guarded.ask("ann", "right") == 200


def test_verified_credentials_go_on_until_each_guess_could_be_a_hit(guarded: Guarded) -> None:
    assert guarded.ask("ann", "right") == 200
    guarded.guess("ann", MOST_TRIED + MOST_GUESSED - 1)
    assert guarded.ask("ann", "right") == 200
    assert guarded.guess("ann", 1) == [429]
    assert guarded.ask("ann", "right") == 429, "else it could be found by guesses without a limit"
    guarded.now += WITHIN
    assert guarded.ask("ann", "right") == 200


def test_a_caller_that_is_kept_is_no_way_around(guarded: Guarded) -> None:
    assert guarded.ask("ann", "right") == 200
    guarded.guess("ann", MOST_TRIED, ELSEWHERE)
    assert guarded.ask("ann", "right", ELSEWHERE) == 429
    assert guarded.now < 1_000_000 + LIFE


def test_a_changed_password_is_not_verified_any_more() -> None:
    throttle = LoginThrottle(lambda: 0)
    with throttle.attempt(basic("ann", "right"), HERE):
        pass
    for password in ("right", "1", "2", "3", "4"):
        with pytest.raises(AuthenticationFailed), throttle.attempt(basic("ann", password), HERE):
            raise AuthenticationFailed("refused")
    with pytest.raises(RequestInvalid), throttle.attempt(basic("ann", "5"), HERE):
        pass


def test_what_is_verified_is_forgotten_after_a_shift(guarded: Guarded) -> None:
    assert guarded.ask("ann", "right") == 200
    guarded.now += VERIFIED_FOR
    guarded.guess("ann", MOST_TRIED)
    assert guarded.ask("ann", "right") == 429


def test_one_password_tried_on_many_names_gets_fewer_tries_and_locks_nobody_out(guarded: Guarded) -> None:
    for number in range(MANY_IN_GROUP):
        guarded.guess(f"user-{number}", 1)
    assert guarded.guess("zoe", 3) == [401] * MOST_TRIED_AMONG_MANY + [429]
    assert guarded.ask("bob", "right") == 200
    assert guarded.ask("eve", "mistyped") == 401
    assert guarded.ask("eve", "right") == 200


def test_a_cluster_that_does_not_answer_says_nothing_of_the_credentials(guarded: Guarded) -> None:
    guarded.away = True
    assert guarded.guess("ann", 20) == [503] * 20
    guarded.away = False
    assert guarded.ask("ann", "right") == 200


def test_addresses_of_one_customer_are_one_group(guarded: Guarded) -> None:
    assert address_groups("2001:db8::1") == address_groups("2001:db8:0:0:ffff::9%eth0")
    assert address_groups("2001:db8:1:203::1") == {
        "2001:db8:1:203::/64": 1,
        "2001:db8:1:200::/56": 2,
        "2001:db8:1::/48": 4,
        "2001:db8::/32": 12,
    }
    mapped = address_groups("::ffff:192.0.2.1")
    assert mapped == address_groups("192.0.2.1") == {"192.0.2.1/32": 1, "192.0.2.0/24": 4}
    assert address_groups("testclient") == {"testclient": 1}
    statuses = [guarded.ask("ann", f"guess {number}", f"2001:db8::{number:x}") for number in range(20)]
    assert statuses == [401] * MOST_TRIED + [429] * (20 - MOST_TRIED)


def spread(bits: int, number: int) -> str:
    """The first address of the ``number``-th /64 in a /56, or of the /56 in a /48, or of the /48 in a /32."""
    step = {56: 1 << 64, 48: 1 << 72, 32: 1 << 80}[bits]
    return str(ipaddress.IPv6Address(int(ipaddress.IPv6Address("2001:db8::1")) + number * step))


def test_many_addresses_of_a_network_of_ipv4_are_no_way_around(guarded: Guarded) -> None:
    statuses = [guarded.guess("ann", 2, f"192.0.2.{number}")[0] for number in range(200)]
    assert statuses.count(401) == len(guarded.asked) // 2
    assert len(guarded.asked) == IPV4_GROUPS[24] * MOST_TRIED
    assert guarded.ask("ann", "right", ELSEWHERE) == 200


@pytest.mark.parametrize("bits", [56, 48, 32])
def test_many_networks_of_ipv6_are_no_way_around(guarded: Guarded, bits: int) -> None:
    statuses = [guarded.guess("ann", 1, spread(bits, number))[0] for number in range(200)]
    most = IPV6_GROUPS[bits] * MOST_TRIED
    assert statuses == [401] * most + [429] * (200 - most)
    assert len(guarded.asked) == most
    assert guarded.ask("bob", "right", spread(bits, 0)) == 200, "another user isn't concerned"
    guarded.now += WITHIN
    assert guarded.ask("ann", "right", spread(bits, 0)) == 200


def test_guesses_from_networks_around_lock_nobody_out_of_a_network_of_theirs(guarded: Guarded) -> None:
    home, neighbour = spread(48, 0), spread(48, 250)
    assert guarded.ask("ann", "right", home) == 200
    guarded.now += VERIFIED_FOR
    for number in range(1, 200):
        guarded.guess("ann", 1, spread(48, number))
    assert guarded.ask("ann", "right", neighbour) == 429, "a network in which she never was"
    assert guarded.ask("ann", "right", HERE) == 200, "a network outside"
    assert guarded.ask("ann", "mistyped", home) == 401
    assert guarded.ask("ann", "right", home) == 200
    guarded.now += KNOWN_FOR
    for number in range(1, 200):
        guarded.guess("ann", 1, spread(48, number))
    assert guarded.ask("ann", "right", home) == 429, "known for a month after the last login"


def test_a_known_network_has_the_limit_of_one_network(guarded: Guarded) -> None:
    assert guarded.ask("ann", "right", spread(56, 0)) == 200
    statuses = guarded.guess("ann", MOST_TRIED + 1, spread(56, 0))
    assert statuses == [401] * MOST_TRIED + [429]


def test_one_password_tried_on_many_names_from_many_networks_gets_fewer_tries(guarded: Guarded) -> None:
    for number in range(IPV6_GROUPS[48] * MANY_IN_GROUP):
        guarded.guess(f"user-{number}", 1, spread(48, number))
    statuses = [guarded.guess("zoe", 1, spread(48, 130 + number))[0] for number in range(20)]
    most = IPV6_GROUPS[48] * MOST_TRIED_AMONG_MANY
    assert statuses == [401] * most + [429] * (20 - most)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Basic YW5uOng=", "ann"),
        ("basic YW5uOng", "ann"),
        ("Basic " + base64.b64encode("ＡＮＮ :x".encode()).decode(), "ann"),
        ("ApiKey " + base64.b64encode(b"KeyId:secret").decode(), "keyid"),
        ("Basic ä", ""),
        ("Basic a", ""),
        ("Bearer token", None),
    ],
)
def test_the_claimed_name_is_read_as_a_directory_may_read_it(header: str, name: str | None) -> None:
    assert claimed_name(header) == name


def test_the_memory_is_bounded_and_the_name_with_the_oldest_guess_is_forgotten() -> None:
    counts = WrongCredentials(most=10)
    for number in range(1_000):
        counts.add((str(number // 4).encode(), HERE), str(number).encode(), number)
        assert len(counts) <= 10
    assert len(counts.times((b"249", HERE), 999)) == 4
    assert len(counts.times((b"247", HERE), 999)) == 0
    counts.add((b"late", HERE), b"x", 1_000 + WITHIN)
    assert counts.times((b"late", HERE), 1_000 + 2 * WITHIN) == {}
