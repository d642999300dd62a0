"""Child processes, data directories and the detached server's state, without a JVM."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ipi_es.errors import NodeError
from ipi_es.node import cache, detached, process
from ipi_es.node.child import Spec
from ipi_es.node.data import LOCK_FILE, open_data_dir
from ipi_es.node.detached import STATE_FILE, NodeStatus, process_birth, status, stop_detached, write_state
from ipi_es.node.process import LAST_FAILURE, ServerProcess

SERVER = """
import http.server, sys
from pathlib import Path
from ipi_es.node import child

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

def start(spec):
    import threading
    server = http.server.HTTPServer(("127.0.0.1", spec.http_port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return child.Running(server.server_port, server.shutdown)

child.run(Path(sys.argv[1]), start)
"""
"""A child with a small web server in the place of the JVM."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def spawn(code: str = SERVER, *, keep: bool = False) -> tuple[ServerProcess, Path]:
    data = open_data_dir(keep=keep)
    return ServerProcess.spawn(["-c", code], Spec(data_dir=str(data.path), jars=[], keep=keep), data), data.path


def until(condition: object, seconds: float = 10.0) -> bool:
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.02)
    return False


def a_state(pid: int, birth: str) -> NodeStatus:
    return NodeStatus(pid=pid, birth=birth, url="http://127.0.0.1:1", data_dir="/d", log="/d/l", keep=False)


def test_child_that_answers_is_ready_and_its_data_goes_with_it() -> None:
    server, path = spawn()
    url = server.wait_ready()
    assert url.startswith("http://127.0.0.1:")
    assert path.exists()
    server.stop()
    assert not server.alive()
    assert not path.exists()


def test_stop_twice_does_nothing() -> None:
    server, _ = spawn()
    server.wait_ready()
    server.stop()
    server.stop()


def test_kept_data_stays() -> None:
    server, path = spawn(keep=True)
    server.wait_ready()
    server.stop()
    assert path.exists()


def test_child_that_dies_is_explained_by_its_last_lines(own_cache: Path) -> None:
    server, path = spawn("print('starting INFO'); raise SystemExit('cannot find the frobnicator')")
    with pytest.raises(NodeError, match=r"(?s)exit code 1.*cannot find the frobnicator") as caught:
        server.wait_ready()
    saved = own_cache / "node" / "runs" / LAST_FAILURE
    assert str(saved) in (caught.value.hint or "")
    assert "frobnicator" in saved.read_text()
    assert not path.exists()


def test_child_that_never_answers_is_given_up_and_killed() -> None:
    server, path = spawn("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)")
    with pytest.raises(NodeError, match="did not answer in time"):
        server.wait_ready(patience=0.5)
    assert not server.alive()
    assert not path.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_child_and_removes_its_data(number: signal.Signals) -> None:
    server, path = spawn()
    server.wait_ready()
    os.kill(server.pid, number)
    assert until(lambda: not server.alive())
    assert not path.exists()
    server.stop()


def test_child_ends_when_its_parent_is_killed() -> None:
    code = f"""
import time
from ipi_es.node.child import Spec
from ipi_es.node.data import open_data_dir
from ipi_es.node.process import ServerProcess
data = open_data_dir()
server = ServerProcess.spawn(["-c", {SERVER!r}], Spec(data_dir=str(data.path), jars=[]), data)
server.wait_ready()
print(server.pid, data.path, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid, path = parent.stdout.readline().split()
        assert process_birth(int(pid)) is not None
        parent.kill()
    assert until(lambda: process_birth(int(pid)) is None)
    assert until(lambda: not Path(path).exists())


def test_child_that_was_let_go_outlives_its_parent() -> None:
    code = f"""
from ipi_es.node.child import Spec
from ipi_es.node.data import open_data_dir
from ipi_es.node.process import ServerProcess
data = open_data_dir()
server = ServerProcess.spawn(["-c", {SERVER!r}], Spec(data_dir=str(data.path), jars=[]), data)
server.wait_ready()
server.detach()
print(server.pid)
"""
    pid = int(subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout)
    try:
        time.sleep(1.5)
        assert process_birth(pid) is not None
    finally:
        os.kill(pid, signal.SIGTERM)
    assert until(lambda: process_birth(pid) is None)


def test_data_directory_in_use_is_refused(tmp_path: Path) -> None:
    held = open_data_dir(tmp_path / "mine")
    with pytest.raises(NodeError, match="Another local server uses"):
        open_data_dir(tmp_path / "mine")
    held.release()
    open_data_dir(tmp_path / "mine").release()


def test_directory_of_the_users_own_is_never_removed(tmp_path: Path) -> None:
    data = open_data_dir(tmp_path / "mine", keep=False)
    data.release()
    data.remove()
    assert (tmp_path / "mine").exists()


def test_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NodeError, match="can't be used"):
        open_data_dir(tmp_path / "file" / "data")


def test_data_of_killed_servers_is_swept_but_not_of_living_ones(own_cache: Path) -> None:
    living = open_data_dir()
    dead = living.path.parent / "run-dead"
    dead.mkdir()
    (dead / LOCK_FILE).touch()
    other = open_data_dir()
    assert living.path.exists()
    assert not dead.exists()
    living.release()
    other.release()


def test_no_state_is_no_server() -> None:
    assert status() is None
    assert stop_detached() is False


def test_state_of_a_living_process_is_found() -> None:
    state = a_state(os.getpid(), process_birth(os.getpid()) or "")
    write_state(state)
    assert status() == state


def test_stale_state_is_removed(own_cache: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    write_state(a_state(ended.pid, "1"))
    assert status() is None
    assert not (own_cache / "node" / STATE_FILE).exists()


def test_process_id_used_again_is_not_taken_for_the_server() -> None:
    write_state(a_state(os.getpid(), "1"))
    assert status() is None


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"pid": 1})])
def test_damaged_state_is_no_server(own_cache: Path, text: str) -> None:
    (cache.node_dir() / STATE_FILE).write_text(text)
    assert status() is None


def test_zombie_is_not_alive() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    assert until(lambda: process_birth(ended.pid) is None)
    ended.wait()


def test_stop_ends_the_detached_process(own_cache: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as running:
        write_state(a_state(running.pid, process_birth(running.pid) or ""))
        assert stop_detached() is True
    assert running.returncode == -signal.SIGTERM
    assert status() is None


def test_process_that_ignores_the_request_is_killed() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('x', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as running:
        assert running.stdout
        running.stdout.readline()
        write_state(a_state(running.pid, process_birth(running.pid) or ""))
        assert stop_detached(patience=0.3) is True


def test_second_detached_start_is_refused() -> None:
    write_state(a_state(os.getpid(), process_birth(os.getpid()) or ""))
    with pytest.raises(NodeError, match=r"runs already: http://127\.0\.0\.1:1") as caught:
        detached.start_detached()
    assert "ipi-es node stop" in (caught.value.hint or "")


def test_unhealthy_server_is_not_ready() -> None:
    assert process.is_healthy(1) is False
