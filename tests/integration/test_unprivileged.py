"""ipi-es as its image and its pod run it: as user 10001, with nothing writable but /tmp, and no home."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import worker_company as company
from servers.pool import Server

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster
from ipi_es.results.words import ALIAS
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.state.job_state import StateStore
from ipi_es.times import iso

NAME = "unprivileged"
SETTINGS = ("/tmp/.keras/", "/tmp/.cache/")
"""What libraries write for themselves, and do without where they can't."""
ROOT = Path(__file__).resolve().parents[2]
POD = (
    f"mount --make-rprivate / && mount --bind {ROOT} /mnt && mount -o remount,ro,bind / && "
    f"mount -t tmpfs -o size=64m tmpfs /tmp && mkdir -p {ROOT} && mount --bind /mnt {ROOT} && "
    f"mount -o remount,ro,bind {ROOT} && "
    "exec setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs --inh-caps=-all,+dac_read_search "
    '--ambient-caps=-all,+dac_read_search "$@"'
)
"""A root file system that is read-only, an empty /tmp, a user without rights. (The one to read everything is left to
him: the tests' Python may lie in somebody's home; and this checkout stays to be seen where it lies in /tmp itself.)
"""


def in_pod(*command: str, folder: Path) -> tuple[int, str]:
    """Run a command so: (exit code, all that it said)."""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", POD, "sh", *command],
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": "/tmp",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module", autouse=True)
def pods_can_be_made() -> None:
    tools = all(shutil.which(name) for name in ("unshare", "setpriv"))
    if not tools or in_pod("true", folder=Path("/"))[0]:
        pytest.skip("needs root, unshare and setpriv to make a read-only file system")


@pytest.fixture
def opensearch_cluster(opensearch: Server) -> Iterator[Cluster]:
    made = connect(Connection(hosts=(opensearch.url,)))
    company.fill(made, f"test-{NAME}")
    yield made
    for index in [f"test-{NAME}", *made.indices(f"{ALIAS}-{NAME}-*")]:
        made.delete_index(index)
    store = ClusterBlobs(made)
    for info in store.list(NAME):
        store.delete(NAME, info.id)
    StateStore(made).delete(NAME)
    made.close()


@pytest.fixture
def folder(opensearch: Server) -> Iterator[Path]:
    """What the pod mounts: its configuration."""
    made = Path(tempfile.mkdtemp(prefix="ipi-es-pod-", dir="/var/tmp"))
    made.chmod(0o755)
    (made / "jobs").mkdir()
    (made / "ipi-es.yml").write_text(json.dumps({"elasticsearch": {"hosts": [opensearch.url]}}))
    (made / "jobs" / "job.json").write_text(json.dumps(company.job_data(NAME, f"test-{NAME}")))
    yield made
    shutil.rmtree(made)


def test_a_job_is_set_up_trained_and_scored_without_writing_a_file(folder: Path, opensearch_cluster: Cluster) -> None:
    start, end = iso(company.SCORED_FROM), iso(company.SCORED_FROM + company.DAY)
    for command in (
        ["setup"],
        ["check", NAME],
        ["train", NAME, "--end", start],
        ["backfill", NAME, "--start", start, "--end", end],
        ["results", "records", NAME, "--start", start],
        ["status"],
    ):
        # what is left in /tmp at the end is said too
        shell = ["sh", "-c", '"$@"; code=$?; find /tmp -xdev -type f -exec echo LEFT {} \\; ; exit $code', "sh"]
        code, said = in_pod(*shell, sys.executable, "-m", "ipi_es", *command, folder=folder)
        assert code == 0, (command, said)
        assert "Traceback" not in said
        left = re.findall(r"^LEFT (.*)$", said, flags=re.MULTILINE)
        assert [each for each in left if not each.startswith((*SETTINGS, f"{ROOT}/"))] == []
    state = StateStore(opensearch_cluster).read(NAME)
    assert state is not None
    assert state.checkpoint == company.SCORED_FROM + company.DAY


@pytest.mark.parametrize("place", ["/", "/etc", "/usr", "/var", "/var/tmp", "/root", str(ROOT), sys.prefix])
def test_nothing_can_be_written_there(place: str, folder: Path) -> None:
    """What the test above proves rests on this."""
    code, said = in_pod("touch", f"{place}/written-by-a-test", folder=folder)
    assert code == 1
    assert "Read-only" in said or "denied" in said
    assert in_pod("sh", "-c", "touch /tmp/a && test $(id -u) = 10001", folder=folder)[0] == 0
