"""No half answer gets through."""

from __future__ import annotations

from typing import Any

import pytest

from ipi_es.cluster.answers.answers import check_remotes_known, check_whole, exact_name, field_types, target
from ipi_es.errors import ClusterBusy, ClusterError, ClusterTimeout, NotFound, RequestRejected

WHOLE = {"timed_out": False, "_shards": {"total": 2, "successful": 2, "failed": 0}}


def shard_failures(*kinds: str) -> dict[str, Any]:
    failures = [{"shard": 0, "reason": {"type": kind, "reason": "because"}} for kind in kinds]
    return {"timed_out": False, "_shards": {"total": 5, "failed": len(kinds), "failures": failures}}


def remote(status: str, *kinds: str) -> dict[str, Any]:
    failures = [{"shard": -1, "reason": {"type": kind, "reason": "because"}} for kind in kinds]
    return {**WHOLE, "_clusters": {"total": 1, "details": {"c": {"status": status, "failures": failures}}}}


def test_a_whole_answer_passes() -> None:
    check_whole(WHOLE, "here")
    check_whole({**WHOLE, "_clusters": {"total": 2, "successful": 2, "skipped": 0}}, "here")
    check_whole(remote("successful"), "here")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({**WHOLE, "timed_out": True}, ClusterTimeout),
        (shard_failures("node_disconnected_exception"), ClusterBusy),
        (shard_failures("something_new"), ClusterBusy),
        (shard_failures("illegal_argument_exception"), RequestRejected),
        (shard_failures("illegal_argument_exception", "circuit_breaking_exception"), ClusterBusy),
        ({**WHOLE, "_clusters": {"total": 2, "successful": 1, "skipped": 1}}, ClusterBusy),
        (remote("skipped", "connect_transport_exception"), ClusterBusy),
        (remote("partial", "index_not_found_exception", "other_exception"), ClusterBusy),
    ],
)
def test_a_part_of_an_answer_raises(answer: dict[str, Any], kind: type[ClusterError]) -> None:
    with pytest.raises(kind) as caught:
        check_whole(answer, "here")
    assert type(caught.value) is kind


def test_a_remote_cluster_without_the_index_is_no_loss() -> None:
    check_whole(remote("skipped", "index_not_found_exception"), "here")


def test_a_remote_pattern_needs_a_remote_cluster() -> None:
    check_remotes_known(["logs-*", "more"], WHOLE, "here")
    check_remotes_known(["logs-auth-default::data", "logs-*::failures"], WHOLE, "here")
    check_remotes_known("c:logs-*", {**WHOLE, "_clusters": {"total": 1, "successful": 1}}, "here")
    for index in ("c:logs-*", "logs-*,c:logs-*", ["logs-*", "c:logs-*"]):
        with pytest.raises(NotFound, match="remote cluster c"):
            check_remotes_known(index, WHOLE, "here")


def test_patterns_stay_readable_in_a_path() -> None:
    assert target(["c:logs-*", "-logs-old", "a/b"]) == "c:logs-*,-logs-old,a%2Fb"


@pytest.mark.parametrize("name", ["", "_all", "*", "a*", "a,b", "-a", "c:a", "a b", "a/b", "a?"])
def test_what_could_mean_several_indices_is_no_exact_name(name: str) -> None:
    with pytest.raises(RequestRejected):
        exact_name(name)


def test_indices_are_named_even_where_the_server_does_not() -> None:
    answer = {
        "indices": ["b", "a"],
        "fields": {
            "same": {"ip": {"type": "ip"}},
            "split": {"ip": {"indices": ["a"]}, "unmapped": {"indices": ["b"]}},
            "none": {"unmapped": {"indices": ["a", "b"]}},
        },
    }
    assert field_types(answer) == {"same": {"ip": ["a", "b"]}, "split": {"ip": ["a"]}}
