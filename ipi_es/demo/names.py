"""Names in the simulated company: people, service accounts, hosts, programs, and names that attackers guess."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FIRST = _words(
    "adam agnes aisha alan amir amit anita anna anton arjun beata ben bianca boris carla carmen celia claire "
    "daniel deepa diana dmitri edith elena emil erik esther eva farah felix fiona frank gita greta hanna hugo ines "
    "ivan jack jana jonas julia karim kasia katja kiran lars laura leo lina lucas magda maria marek meera mia nadia "
    "neha nina olga oscar owen paula peter pia priya rahul rosa ruth sam sara simon sofia stefan tara tom uma vera "
    "victor wanda yusuf zoe"
)
_LAST = _words(
    "abbott arnold bauer becker bennett berg bianchi blum brandt brown castro chopra clarke cohen cooper costa "
    "dietz dubois evans fischer foster gomez gupta haas hall hansen hill hoffman iyer jansen jones kaplan keller "
    "klein kowalski krause kumar lang lewis lopez martin mehta meyer miller moreau moreno morris nair nowak ortiz "
    "patel perez price rao reed richter rossi roth ryan schmidt sharma silva singh stone taylor vogel wagner walker "
    "weber white winter wolf wood young zielinski"
)

_SERVICES = _words(
    "svc-backup svc-billing svc-build svc-catalog svc-ci svc-crm-sync svc-dashboards svc-deploy svc-dns svc-erp "
    "svc-etl svc-exports svc-feeds svc-gateway svc-geo svc-hr-sync svc-images svc-invoices svc-jobs svc-ldap-sync "
    "svc-ledger svc-mailer svc-metrics svc-monitor svc-orders svc-payments svc-pdf svc-print svc-probe svc-queue "
    "svc-replica svc-reports svc-scan svc-search svc-sms svc-stock svc-tax svc-tickets svc-translate svc-wiki"
)

GUESSES = _words(
    "root admin test user guest ubuntu oracle postgres administrator support ftp git jenkins deploy mysql pi backup "
    "info www sales hadoop tomcat nagios zabbix minecraft steam teamspeak ansible vagrant debian centos ec2-user "
    "demo dev student operator service scanner office web webmaster data db2 sysadmin manager alex john david mike "
    "paul kevin chris sam1 marketing finance reception hr it1 helpdesk nobody"
)
"""User names that are tried on every exposed host; none of them exists in the company."""

HOSTS = ("sso-1", "sso-2", "mail-1", "vpn-gw-1", "api-gw-1", "bastion-1")
SSO, MAIL, VPN_GATEWAY, API, BASTION = 0, 2, 3, 4, 5
"""Indices into HOSTS. sso-1 and sso-2 share the load; attackers guess names at bastion-1."""

AGENTS = ("Chrome", "Edge", "Firefox", "Safari", "Mobile Safari", "Chrome Mobile", "OpenSSH", "python-requests", "curl")
DESKTOP_AGENTS, PHONE_AGENTS, SSH_AGENT, SERVICE_AGENT = (0, 1, 2, 3), (4, 5), 6, 7


def people(rng: np.random.Generator, count: int) -> list[str]:
    """Draw ``count`` distinct names like ``anna.berg``; when all pairs are used, a number is added."""
    pairs = len(_FIRST) * len(_LAST)
    order = rng.permutation(pairs)
    names = []
    for i in range(count):
        first, last = divmod(int(order[i % pairs]), len(_LAST))
        names.append(f"{_FIRST[first]}.{_LAST[last]}{i // pairs + 1 if i >= pairs else ''}")
    return names


def services(count: int) -> list[str]:
    """Return ``count`` distinct names of service accounts."""
    return [
        _SERVICES[i % len(_SERVICES)] + (f"-{i // len(_SERVICES) + 1}" if i >= len(_SERVICES) else "")
        for i in range(count)
    ]


def mistyped(rng: np.random.Generator, name: str) -> str:
    """Return the name with two adjacent letters swapped or one left out; never the name itself."""
    places = [i for i in range(len(name) - 1) if name[i] != name[i + 1]]
    i = int(rng.choice(places))
    return name[:i] + name[i + 1] + name[i] + name[i + 2 :] if rng.random() < 0.5 else name[:i] + name[i + 1 :]
