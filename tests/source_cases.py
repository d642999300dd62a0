"""Every variant of every source, and which lines of its sample in tests/samples/sources are one sign-in.

A sample is what a source writes for Alice Meyer, who signs in from 203.0.113.24 at 2026-11-02T08:15:00Z.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

MAIL, NAME, UUID = "alice.meyer@example.com", "alice.meyer", "00000000-0000-4000-8000-0000000000a1"


class Mapping(Enum):
    """What makes the mapping of the indices."""

    INTEGRATION = "integration"
    """Elastic's integrations: strings are keywords, fields named ip are addresses, some objects are flattened."""
    DYNAMIC = "dynamic"
    """The server by itself: a string is a text, with a field `.keyword` below it."""
    KEYWORD = "keyword"
    """A template that maps all strings as keywords, also addresses, as Wazuh's does."""


class Twins(Enum):
    """How the log spells two accounts of one name in two domains."""

    MAIL = "mail"
    """alice@example.com and alice@example.org, in one field."""
    QUALIFIED = "qualified"
    """alice and OTHER\\alice, in one field."""
    APART = "apart"
    """alice twice; the domain is in another field."""
    NONE = "none"
    """There are no domains, or accounts have ids."""


@dataclass(frozen=True, slots=True)
class SourceCase:
    """One variant of a source."""

    source: str
    variant: str
    sample: str
    sign_in: tuple[int, ...]
    """Lines of the sample, from 1: the documents of one sign-in that the job's query selects, and that succeeded."""
    account: str = MAIL
    """The entity, as the sample spells it."""
    mapping: Mapping = Mapping.INTEGRATION
    twins: Twins = Twins.MAIL
    two_cases: bool = True
    """Whether the log spells one account in capitals and in small letters, as it was typed."""
    index: str = ""
    """Given to `job create`; empty: the one that it looks for by itself."""
    named: bool = False
    """Whether `job create` needs `--variant`: the indices of an earlier variant map the same fields."""
    properties: dict[str, Any] = field(default_factory=dict)
    """Types of fields that the mapping doesn't have by itself: dotted name → type."""

    @property
    def key(self) -> str:
        return f"{self.source}, {self.variant}"


DYNAMIC, APART, NONE = Mapping.DYNAMIC, Twins.APART, Twins.NONE
PRINCIPAL = "5f0c0000-0000-4000-8000-000000000005"

CASES = (
    SourceCase("1password", "integration", "1password.signin_attempts", (1,), two_cases=False),
    SourceCase("1password", "raw", "1password.raw", (1,), mapping=DYNAMIC, two_cases=False),
    SourceCase("anyconnect", "integration", "cisco_asa.log", (1,), NAME, twins=Twins.QUALIFIED),
    SourceCase("auth0", "integration", "auth0.logs", (1,), two_cases=False),
    SourceCase("auth0", "raw", "auth0.raw", (1,), mapping=DYNAMIC, two_cases=False),
    SourceCase("aws-console", "integration", "aws.cloudtrail", (1,)),
    SourceCase("aws-console", "raw", "aws.cloudtrail.raw", (1,), mapping=DYNAMIC),
    SourceCase("aws-roles", "integration", "aws.cloudtrail", (4,), "ci-runner", twins=NONE, two_cases=False),
    SourceCase("aws-roles", "raw", "aws.cloudtrail.raw", (3,), "ci-runner", DYNAMIC, NONE, two_cases=False),
    SourceCase("cloudflare-access", "integration", "cloudflare_logpush.access_request", (1,)),
    SourceCase("cloudflare-access", "raw", "cloudflare.raw", (1,), mapping=DYNAMIC),
    SourceCase("duo", "integration", "cisco_duo.auth", (1,), NAME, twins=Twins.QUALIFIED),
    SourceCase("duo", "raw", "duo.raw", (1,), NAME, DYNAMIC, Twins.QUALIFIED),
    SourceCase("ecs", "ecs", "system.auth", (1,), "alicem", twins=NONE, two_cases=False, index="logs-ecs-source"),
    SourceCase(
        "ecs", "dynamic", "system.auth", (1,), "alicem", DYNAMIC, NONE, two_cases=False, index="logs-ecs-source"
    ),
    SourceCase("elasticsearch-audit", "integration", "elasticsearch.audit", (1,), NAME, twins=NONE, two_cases=False),
    SourceCase("entra", "integration", "azure.signinlogs", (1,)),
    SourceCase("entra", "raw", "azure.raw", (1,), mapping=DYNAMIC),
    SourceCase("entra", "raw-graph", "azure.graph", (1,), mapping=DYNAMIC),
    SourceCase("entra-apps", "integration", "azure.signinlogs", (4,), PRINCIPAL, twins=NONE, two_cases=False),
    SourceCase("entra-apps", "raw", "azure.raw", (5,), PRINCIPAL, DYNAMIC, NONE, two_cases=False),
    SourceCase("fortigate-vpn", "integration", "fortinet_fortigate.log", (1,), NAME, twins=Twins.QUALIFIED),
    SourceCase(
        "fortigate-vpn",
        "integration-1.25",
        "fortinet_fortigate.log-1.25",
        (1,),
        NAME,
        twins=Twins.QUALIFIED,
        named=True,
    ),
    SourceCase("github", "integration", "github.audit", (1,), "alice-meyer", twins=NONE, two_cases=False),
    SourceCase(
        "github", "raw", "github.raw", (1,), "alice-meyer", DYNAMIC, NONE, False, properties={"@timestamp": "date"}
    ),
    SourceCase("globalprotect", "integration", "panw.panos", (2, 3), NAME, twins=APART),
    SourceCase("google", "integration", "google_workspace.login", (1,), two_cases=False),
    SourceCase("google", "raw", "google_workspace.raw", (1,), mapping=DYNAMIC, two_cases=False),
    SourceCase("jumpcloud", "integration", "jumpcloud.events", (1,), NAME, twins=NONE),
    SourceCase("keycloak", "integration", "keycloak.log", (1,), UUID, twins=NONE, two_cases=False),
    SourceCase("kubernetes", "integration", "kubernetes.audit_logs-source-ip", (1,), two_cases=False),
    SourceCase("kubernetes", "integration-source-ips", "kubernetes.audit_logs", (1,), two_cases=False),
    SourceCase("kubernetes", "raw", "kubernetes.raw", (1,), mapping=DYNAMIC, two_cases=False),
    SourceCase("m365", "integration", "o365.audit", (1,)),
    SourceCase("m365", "raw", "o365.raw", (1,), mapping=DYNAMIC),
    SourceCase("nextcloud", "raw", "nextcloud", (1,), NAME, DYNAMIC, NONE),
    SourceCase("nginx", "integration", "nginx.access", (1,), NAME, twins=NONE),
    SourceCase("okta", "integration", "okta.system", (1, 2, 7)),
    SourceCase("okta", "raw", "okta.raw", (1, 2, 7), mapping=DYNAMIC),
    SourceCase("opensearch-audit", "dynamic", "opensearch-security-auditlog", (1,), NAME, DYNAMIC, NONE, False),
    SourceCase(
        "salesforce",
        "integration",
        "salesforce.login",
        (1,),
        two_cases=False,
        properties={"salesforce.login.client.ip": "keyword"},
    ),
    SourceCase("slack", "integration", "slack.audit", (1,), two_cases=False),
    SourceCase("sshd", "integration", "system.auth", (1,), "alicem", twins=NONE, two_cases=False),
    SourceCase("wazuh-sshd", "wazuh-4", "wazuh-alerts", (1,), NAME, Mapping.KEYWORD, NONE, False),
    SourceCase("wazuh-windows", "wazuh-4", "wazuh-alerts", (5,), NAME, Mapping.KEYWORD, APART),
    SourceCase("windows", "integration", "system.security", (3, 14), NAME, twins=APART),
    SourceCase(
        "windows",
        "winlogbeat-7",
        "winlogbeat-7",
        (3, 14),
        NAME,
        twins=APART,
        named=True,
        properties={"event.outcome": "keyword"},
    ),
    SourceCase("windows", "raw", "winlogbeat-raw", (3, 14), NAME, DYNAMIC, APART),
    SourceCase("zeek-ssh", "integration", "zeek.ssh", (1,), "192.0.2.10", twins=NONE, two_cases=False),
)
