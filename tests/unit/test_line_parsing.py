"""Raw lines where they can't be parsed, and the shipped pipeline's form."""

from __future__ import annotations

import re

import pytest

from ipi_es.errors import RequestRejected
from ipi_es.setup.line_parsing import SSHD, plan
from ipi_es.testing.memory_cluster import MemoryCluster

SERVERS_OWN = {"TIME", "HOST", "USER", "IP", "INT", "DATE", "PATH", "DATA", "SPACE", "PROG", "URI"}
"""Patterns of the servers that others are made of: to name one's own like one of them makes a server loop forever."""


def test_a_server_without_pipelines_says_so() -> None:
    with pytest.raises(RequestRejected, match="has no ingest pipelines") as refused:
        plan(MemoryCluster(), SSHD, "filebeat-*")
    assert "let the shipper parse the lines" in str(refused.value.hint)


def test_patterns_have_names_of_their_own() -> None:
    grok = SSHD.body()["processors"][0]["grok"]
    names = set(grok["pattern_definitions"])
    assert not names & SERVERS_OWN
    assert all(name.startswith("SSHD") for name in names)
    used = set(re.findall(r"%\{(SSHD\w*)", " ".join([*grok["patterns"], *grok["pattern_definitions"].values()])))
    assert used == names
