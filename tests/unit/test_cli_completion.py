"""`ipi-es completion`: the scripts of the shells, and their installation."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_run import run


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_is_printed(shell: str) -> None:
    done = run("completion", shell)
    assert done.exit_code == 0, done.output
    assert f"_IPI_ES_COMPLETE={shell}_complete" in done.output


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_installed_script_is_read_once_at_the_shells_start(
    shell: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    start = tmp_path / f".{shell}rc"
    start.write_text("alias ll='ls -l'")
    for _ in range(2):
        assert run("completion", shell, "--install").exit_code == 0
    assert start.read_text() == f"alias ll='ls -l'\n. ~/.ipi-es-complete.{shell}\n"
    assert (tmp_path / f".ipi-es-complete.{shell}").read_text() == run("completion", shell).output


def test_fish_reads_its_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run("completion", "fish", "--install").exit_code == 0
    assert (tmp_path / ".config/fish/completions/ipi-es.fish").exists()


def test_another_shell_is_refused() -> None:
    done = run("completion", "tcsh")
    assert done.exit_code == 2
    assert "bash" in done.output
