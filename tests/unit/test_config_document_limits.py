"""Whatever a file holds, reading it ends soon, with its values or with an error that names the file."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from cli_run import run
from hypothesis import given, settings
from hypothesis import strategies as st

from ipi_es.config.files.document_limits import MAX_ALIASED, MAX_BYTES, MAX_DEPTH
from ipi_es.config.files.loading import load_job, load_settings
from ipi_es.config.files.yaml_documents import parse_json, parse_yaml, read_document
from ipi_es.errors import ConfigError, IpiEsError


def bomb(levels: int = 9, width: int = 9) -> str:
    """A YAML text of some 500 bytes whose last list holds ``width ** levels`` values."""
    lines = ['a0: &a0 ["lol"]']
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]" for level in range(1, levels + 1)]
    return "\n".join(lines)


def merge_bomb() -> str:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 9)}]}}" for level in range(1, 10)]
    return "\n".join(lines)


@pytest.mark.parametrize("text", [bomb(), merge_bomb()], ids=["lists", "merge keys"])
@pytest.mark.parametrize("command", [["job", "validate"], ["job", "import"], ["check"], ["run"]])
def test_aliases_of_aliases_are_refused_within_a_second(tmp_path: Path, text: str, command: list[str]) -> None:
    path = tmp_path / "job.yml"
    path.write_text(text)
    assert len(text) < 700
    run(*command, path)  # the modules of a command are imported at its first call
    begun = time.process_time()
    result = run(*command, path)
    assert time.process_time() - begun < 1
    assert result.exit_code == 2
    assert f"{path}: is too large: its aliases" in " ".join(result.output.split())


def test_so_are_they_in_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "ipi-es.yml"
    path.write_text(bomb())
    begun = time.process_time()
    with pytest.raises(ConfigError, match="its aliases"):
        load_settings(path, environ={})
    assert time.process_time() - begun < 1


def test_ordinary_aliases_are_read() -> None:
    assert parse_yaml("a: &a [1, 2]\nb: *a\nc: {<<: {x: *a}}", name="x").data == {
        "a": [1, 2],
        "b": [1, 2],
        "c": {"x": [1, 2]},
    }


def test_aliases_up_to_the_limit_are_read_quickly(tmp_path: Path) -> None:
    path = tmp_path / "job.yml"
    ten = ", ".join(["*b"] * 10)
    path.write_text(
        f"a: &a [{', '.join('x' * 8)}]\nb: &b [{', '.join(['*a'] * 100)}]\ndatafeed_config: {{indices: [{ten}]}}"
    )
    begun = time.process_time()
    with pytest.raises(ConfigError, match="mistakes"):
        load_job(path)
    assert time.process_time() - begun < 2
    assert MAX_ALIASED >= 10_000


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 1_000, 50_000])
@pytest.mark.parametrize("kind", ["yml", "json"])
@pytest.mark.parametrize(("before", "after"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused(tmp_path: Path, depth: int, kind: str, before: str, after: str) -> None:
    path = tmp_path / f"job.{kind}"
    path.write_text(before * depth + "1" + after * depth)
    with pytest.raises(ConfigError, match="nested too deeply"):
        read_document(path)


def test_a_query_as_deep_as_servers_take_is_read(tmp_path: Path) -> None:
    query: dict[str, Any] = {"match_all": {}}
    for _ in range(30):
        query = {"bool": {"filter": query}}
    path = tmp_path / "job.json"
    path.write_text(json.dumps({"job_id": "x", "datafeed_config": {"indices": "a", "query": query}}))
    assert load_job(path, environ={}).datafeed_config.query == query


def test_a_file_of_another_kind_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "events.yml"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ConfigError, match="more than 8 MiB"):
        read_document(path)


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "9" * 5_000,
        "a: !!int word",
        "a: !!float word",
        "a: !!bool word",
        "a: !!binary '*'",
        "a: !!timestamp word",
        "a: !!set {x}",
        "!!int word: 1",
        "a: \x01",
        "\x00",
        "a: !!python/name:os.system x",
        "a: &x {<<: *x}",
        "<<: 1",
    ],
)
def test_odd_values_are_an_error_of_ours(tmp_path: Path, text: str) -> None:
    path = tmp_path / "job.yml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"job\.yml"):
        load_job(path)


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": -Infinity}', '{"a": ' + "9" * 5_000 + "}", "[" * 3 + "]" * 2])
def test_odd_json_is_an_error_of_ours(text: str) -> None:
    with pytest.raises(ConfigError, match="is not valid JSON"):
        parse_json(text, name="x")


def test_a_key_twice_is_found_where_the_lines_are_not() -> None:
    """`\\/` is JSON's, and YAML's reader doesn't know it in older versions; a byte of del it never takes."""
    document = parse_json('{"a": "\x7f", "b": 1, "b": 2}', name="x")
    assert [mistake.text for mistake in document.mistakes] == ["has the key b twice: keep one"]


def test_a_thousand_mistakes_are_cut_to_a_hundred(tmp_path: Path) -> None:
    path = tmp_path / "job.yml"
    path.write_text("job_id: x\n" + "\n".join(f"wrong_{n}: 1" for n in range(1_000)))
    with pytest.raises(ConfigError) as caught:
        load_job(path)
    assert "and 901 mistakes more" in str(caught.value)  # datafeed_config is missing too
    assert len(str(caught.value).splitlines()) < 110


_SIGNS = ("]", "{", "}", "&a ", "*a", "<<: ", "- ", ": ", "\n", "  ", '"', "'", "|", ">", "#", "---", "...", "? ", "\t")
_WORDS = ("a", "0", "job_id: x", "datafeed_config:", "indices: [", "query: ", "allow_list: ", "ip_insights: ", "~")
_ODD = ("!!int ", "!!float ", "!x ", "%YAML 9.9", "${", "${A:b}", "1e999", ".nan", "\ufeff", "\x85", "é", "\x00")
_PIECES = st.sampled_from([*_SIGNS, *_WORDS, *_ODD])


@settings(max_examples=300, deadline=None)
@given(st.lists(_PIECES, max_size=25).map("".join) | st.text(max_size=40), st.sampled_from(["yml", "json"]))
def test_no_text_gives_anything_but_a_job_or_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, text: str, kind: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any.{kind}"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    for read in (load_job, load_settings):
        with contextlib.suppress(IpiEsError):
            read(path, environ={})  # type: ignore[operator]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(["yml", "json"]))
def test_no_bytes_do_either(tmp_path_factory: pytest.TempPathFactory, blob: bytes, kind: str) -> None:
    path = tmp_path_factory.getbasetemp() / f"bytes.{kind}"
    path.write_bytes(blob)
    with pytest.raises(IpiEsError):
        load_job(path, environ={})


_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
_SECTIONS = ("analysis_config", "datafeed_config", "ip_insights", "training", "alerts", "data_description")
_SETTINGS = ("job_id", "allow_list", "groups", "bucket_span", "detectors", "indices", "query", "entity_normalize")
_KEYS = st.sampled_from([*_SECTIONS, *_SETTINGS, "runtime_mappings", "destinations"])
_MAPPINGS = st.recursive(
    _VALUES, lambda inner: st.dictionaries(_KEYS, inner, max_size=5) | st.lists(inner, max_size=3), max_leaves=12
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(_KEYS, _MAPPINGS, max_size=6))
def test_no_values_under_known_keys_do_either(tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]) -> None:
    path = tmp_path_factory.getbasetemp() / "values.json"
    path.write_text(json.dumps(data))
    with contextlib.suppress(IpiEsError):
        load_job(path, environ={})
