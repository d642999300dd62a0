"""A terminal that shows progress bars, log lines and notes at once: nothing is cut, doubled or lost."""

from __future__ import annotations

import io
import os
import re
import subprocess
from pathlib import Path

import pytest
from rich.console import Console
from terminal_screen import Screen, python, written_to_terminal

from ipi_es.cli.shared.terminal import LinesAboveBars

LINES = 30

NOISE = f"""
import logging, sys, threading, time
import click
from ipi_es.cli.shared.shell import progress_bar
from ipi_es.cli.shared.logs import set_up

set_up("info", LOG_FORMAT)
log = logging.getLogger("ipi_es.noise")

def chatter(name):
    for number in range({LINES}):
        log.info("%s line %02d %s end", name, number, "x" * 90)
        time.sleep(0.002)

with progress_bar() as bars:
    tasks = [bars.add_task(what, total={LINES}, note="loss 2.6381") for what in ("Reading", "Training the network")]
    threads = [threading.Thread(target=chatter, args=(name,)) for name in ("one", "two")]
    for each in threads:
        each.start()
    for number in range({LINES}):
        for task in tasks:
            bars.advance(task)
        click.secho(f"note: {{number:02d}} of the command", fg="yellow", err=True)
        sys.stderr.write(f"half of {{number:02d}}, ")
        sys.stderr.flush()
        time.sleep(0.004)
        sys.stderr.write("and the other half\\n")
    for each in threads:
        each.join()
    sys.stderr.write("an end without a line's end")
click.echo("done")
"""


@pytest.mark.parametrize("log_format", ["text", "ecs"])
@pytest.mark.parametrize("columns", [40, 80, 200])
def test_log_lines_notes_and_bars_do_not_cut_each_other(columns: int, log_format: str) -> None:
    code, written = written_to_terminal(python(NOISE.replace("LOG_FORMAT", repr(log_format))), columns)
    assert code == 0
    lines = Screen(columns, written).lines()
    begin, end = ('"message":"', '"') if log_format == "ecs" else (" INFO    ", "")
    wanted = [f"{begin}{name} line {n:02d} {'x' * 90} end{end}" for name in ("one", "two") for n in range(LINES)]
    for text in wanted:
        assert [text in line for line in lines].count(True) == 1, (text, lines)
    # the two threads share the text of half a line's write with nobody: each line is whole
    for number in range(LINES):
        assert lines.count(f"note: {number:02d} of the command") == 1
    assert lines[-2:] == ["an end without a line's end", "done"]
    assert not any("━" in line for line in lines), "a bar stays on the screen"
    assert not any("…" in line for line in lines)


BARS = """
import time
from ipi_es.cli.shared.shell import progress_bar
with progress_bar() as bars:
    task = bars.add_task("Training the combiner", total=1000, note="loss 2.6381")
    bars.update(task, completed=123)
    bars.refresh()
    raise SystemExit
"""


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_a_bar_has_room_on_every_terminal(columns: int) -> None:
    _, written = written_to_terminal(python(BARS), columns)
    found = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", written).replace("\r", "\n")
    assert "…" not in found
    assert "Training the combiner" in found
    assert "123/1000" in found
    assert ("loss 2.6381" in found) == (columns >= 72)
    assert max(map(len, found.splitlines())) <= columns


def test_results_go_to_a_file_while_bars_go_to_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "out.txt"
    code = f"import sys; sys.stdout = open({str(file)!r}, 'w')\n" + BARS.replace("raise SystemExit", "print('result')")
    _, written = written_to_terminal(python(code), 80)
    assert file.read_text() == "result\n"
    assert "result" not in written


@pytest.mark.parametrize("terminal", [{"TERM": "dumb"}, {"FORCE_COLOR": "1"}])
def test_where_a_cursor_can_not_be_moved_no_bar_is_drawn(terminal: dict[str, str]) -> None:
    code = BARS.replace("raise SystemExit", "print(bars.drawn)")
    if "TERM" in terminal:
        written = written_to_terminal(python(code), 80, environment=terminal)[1]
    else:  # a pipe, whatever colours somebody wants there
        done = subprocess.run(python(code), capture_output=True, text=True, check=True, env={**os.environ, **terminal})
        written = done.stdout + done.stderr
    assert written.strip() == "False"


def test_what_is_written_in_pieces_is_printed_in_lines() -> None:
    stream = io.StringIO()
    above = LinesAboveBars(Console(file=stream, width=20, force_terminal=False), stream)
    above.write("a" * 30)
    assert stream.getvalue() == ""
    above.write("b\nc")
    assert stream.getvalue() == "a" * 30 + "b\n"
    above.finish()
    assert stream.getvalue().endswith("b\nc\n")
    with pytest.raises(TypeError):
        above.write(b"")  # type: ignore[arg-type]


def test_log_lines_carry_the_offset_of_their_time() -> None:
    code = (
        "import logging, os, time\n"
        "from ipi_es.cli.shared.logs import set_up\n"
        "set_up('info', 'text')\n"
        "for zone in ('Asia/Kolkata', 'UTC'):\n"
        "    os.environ['TZ'] = zone; time.tzset(); logging.getLogger('ipi_es').info('said')\n"
    )
    done = subprocess.run(python(code), capture_output=True, text=True, check=True)
    indian, utc = done.stderr.splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+05:30 INFO    said", indian)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO    said", utc)


@pytest.mark.parametrize("columns", [40, 80])
def test_an_indented_text_keeps_its_words_and_its_indent(columns: int) -> None:
    code, written = written_to_terminal(
        python("from ipi_es.cli.shared.output import say_indented; say_indented('word ' * 30, '- ')"), columns
    )
    assert code == 0
    rows = written.replace("\r", "").splitlines()
    assert rows[0].startswith("  - word")
    assert all(row.startswith("    word") for row in rows[1:])
    assert max(map(len, rows)) <= columns
    assert " ".join(written.split()).count("word") == 30
