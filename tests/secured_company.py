"""The small company on the secured server: the shipped roles, a user for each key, and a job trained once."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from cli_run import run
from servers.secured import SecuredOpenSearch

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster, Drop
from ipi_es.config.job_config import Job
from ipi_es.results.words import ALIAS
from ipi_es.setup import templates
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.state.job_state import STATE_INDEX, StateStore, state_id
from ipi_es.times import iso

ROLES = Path(__file__).resolve().parents[1] / "templates" / "roles"
API = "/_plugins/_security/api"
WORKER, BUILDER, READER = ("sitter", "Kq-7731-Zxv!"), ("builder", "Kq-7732-Zxv!"), ("onlooker", "Kq-7733-Zxv!")
EVENTS = "secured-signins"
FIRST_DAY = company.SCORED_FROM + company.DAY
LAST_DAY = company.SCORED_FROM + 3 * company.DAY
"""The scored days cross a month, so that an index has to be made on the way."""
HELD_BY = {"ipi-es-reader": [WORKER, READER], "ipi-es-writer": [WORKER], "ipi-es-setup": [BUILDER]}

Roles = dict[str, dict[str, Any]]


def shipped_roles() -> Roles:
    """The roles for OpenSearch as they are shipped, the reader's for the events of the test."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted((ROLES / "opensearch").glob("*.json"))}
    found["ipi-es-reader"]["index_permissions"][0]["index_patterns"] = [EVENTS]
    return found


def rights_of(roles: Roles, *names: str) -> list[tuple[str, str]]:
    """(index patterns with spaces between, or “cluster”; right), each once."""
    found: dict[tuple[str, str], None] = {}
    for name in names:
        found |= {("cluster", right): None for right in roles[name]["cluster_permissions"]}
        for entry in roles[name]["index_permissions"]:
            found |= {(" ".join(entry["index_patterns"]), right): None for right in entry["allowed_actions"]}
    return list(found)


def without(roles: Roles, where: str, right: str) -> Roles:
    """The roles, one right of theirs taken away wherever they have it in that place."""
    left = copy.deepcopy(roles)
    for role in left.values():
        lists = [
            entry["allowed_actions"]
            for entry in role["index_permissions"]
            if " ".join(entry["index_patterns"]) == where
        ]
        if where == "cluster":
            lists = [role["cluster_permissions"]]
        for rights in lists:
            if right in rights:
                rights.remove(right)
    return left


@dataclass
class SecuredBench:
    """The job, an administrator's connection, and the command line as each user."""

    secured: SecuredOpenSearch
    folder: Path
    job: Job
    cluster: Cluster = field(init=False)
    trained: dict[str, Any] = field(default_factory=dict)
    blobs: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        admin = (self.secured.username, self.secured.password)
        self.cluster = connect(self.connection(admin))
        for user in (WORKER, BUILDER, READER):
            self.put(f"internalusers/{user[0]}", {"password": user[1]})
        self.grant(shipped_roles())
        for name, users in HELD_BY.items():
            self.put(f"rolesmapping/{name}", {"users": [user[0] for user in users]})

    def connection(self, user: tuple[str, str]) -> Connection:
        return Connection(
            hosts=(self.secured.url,), username=user[0], password=user[1], ca_certs=self.secured.ca, max_retries=0
        )

    def put(self, path: str, body: dict[str, Any]) -> None:
        """Let the security plugin know a user, a role or a mapping."""
        status, answer = self.secured.call("PUT", f"{API}/{path}", body)
        assert status in {200, 201}, answer

    def grant(self, roles: Roles) -> None:
        """Let the users have these roles."""
        for name, body in roles.items():
            self.put(f"roles/{name}", body)

    def config(self, user: tuple[str, str], **more: Any) -> Path:
        """An ipi-es.yml of this user."""
        file = self.folder / f"{user[0]}.yml"
        section = {"hosts": [self.secured.url], "username": user[0], "password": user[1], "max_retries": 0}
        file.write_text(json.dumps({"elasticsearch": {**section, "ca_certs": str(self.secured.ca), **more}}))
        return file

    def job_file(self) -> Path:
        file = self.folder / "job.json"
        file.write_text(self.job.model_dump_json(exclude_unset=True))
        return file

    def run(self, user: tuple[str, str], *args: object) -> tuple[int, str]:
        """`ipi-es ARGS` as this user: (exit code, all that it said)."""
        result = run("--config", self.config(user), *args)
        return result.exit_code, result.output

    def train(self) -> None:
        company.fill(self.cluster, EVENTS)
        code, said = self.run(WORKER, "train", self.job_file(), "--end", iso(company.SCORED_FROM))
        assert code == 0, said
        self.blobs = {each.id for each in ClusterBlobs(self.cluster).list(self.job.job_id)}
        found = self.cluster.get(STATE_INDEX, state_id(self.job.job_id))
        assert found is not None
        self.trained = found.source

    def backfill(self, end: int = LAST_DAY) -> tuple[int, str]:
        start = iso(company.SCORED_FROM)
        return self.run(WORKER, "backfill", self.job_file(), "--start", start, "--end", iso(end))

    def fresh(self) -> None:
        """As it was after the training."""
        for index in self.cluster.indices(f"{ALIAS}-{self.job.results_index_name}-*"):
            self.cluster.delete_index(index)
        store = ClusterBlobs(self.cluster)
        for info in store.list(self.job.job_id):
            if info.id not in self.blobs:
                store.delete(info.job_id, info.id)
        ids = parts.stored_quantiles(self.cluster, self.job)
        self.cluster.bulk([Drop(STATE_INDEX, f"quantiles:{self.job.job_id}:{each}") for each in ids], refresh=True)
        before = StateStore(self.cluster).read(self.job.job_id)
        # above what was written before: places of deleted documents remember their versions
        epoch = max(self.trained["lease_epoch"], before.lease_epoch if before else 0) + 1
        source = {**self.trained, "lease_epoch": epoch}
        self.cluster.put(STATE_INDEX, state_id(self.job.job_id), source, refresh=True)

    def everything(self) -> dict[str, Any]:
        """All that a run leaves, but for what tells of the run itself."""
        state = StateStore(self.cluster).read(self.job.job_id)
        assert state is not None
        kept = ("checkpoint", "history_id", "quantiles_id", "renormalize_due", "renormalized_to")
        return {
            "results": parts.results(self.cluster, self.job),
            "state": {name: getattr(state, name) for name in kept},
            "blobs": sorted((each.id, each.sha256) for each in ClusterBlobs(self.cluster).list(self.job.job_id)),
        }

    def remove(self) -> None:
        """Leave nothing on the server but the templates."""
        self.grant(shipped_roles())
        for index in [EVENTS, *self.cluster.indices("ipi-es-*")]:
            self.cluster.delete_index(index)
        self.cluster.close()


@contextmanager
def secured_bench(secured: SecuredOpenSearch, folder: Path, job: Job) -> Iterator[SecuredBench]:
    """A bench set up and trained by its users with the shipped roles, by a network that nobody trained."""
    with pytest.MonkeyPatch.context() as patch:
        parts.train_by(patch)
        made = SecuredBench(secured, folder, job)
        for template in templates.load():
            secured.call("DELETE", f"/_index_template/{template.name}")
        code, said = made.run(BUILDER, "setup")
        assert code == 0, said
        made.train()
        yield made
        made.remove()
