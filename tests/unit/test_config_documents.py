from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipi_es.config.files.yaml_documents import expand, parse_json, parse_yaml, read_document, write_yaml
from ipi_es.errors import ConfigError

TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\x85\ufeff\ufffe\uffff", exclude_categories=("Cs", "Cc", "Cn")),
    max_size=12,
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def yaml_error(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, name="job.yml")
    return str(caught.value)


@settings(max_examples=150)
@given(VALUES)
def test_what_is_written_is_read_again(data: Any) -> None:
    document = parse_yaml(write_yaml(data), name="x")
    values, mistakes = expand(document.data, {})
    assert (values, mistakes, document.mistakes) == (data, [], ())


@pytest.mark.parametrize(
    "text", ["1e-5", "1.5", "007", "on", "yes", "12:30", "2026-05-01", "null", "~", "<<", "${X}", "="]
)
def test_text_that_looks_like_something_else_survives(text: str) -> None:
    values, _ = expand(parse_yaml(write_yaml({"a": text, text: 1}), name="x").data, {})
    assert values == {"a": text, text: 1}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),  # YAML 1.1 takes it for text
        ("010", 10),  # and this for 8
        ("12:30", "12:30"),  # and this for 750
        ("2026-05-01", "2026-05-01"),  # and this for a date, which no query can hold
        ("no", "no"),
        ("-3", -3),
        ("0x1F", 31),
        ("2.", 2.0),
        ("true", True),
        ("~", None),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    data = parse_yaml(f"a: {text}", name="x").data["a"]
    assert data == value
    assert type(data) is type(value)


def test_every_place_has_its_line() -> None:
    document = parse_yaml("a:\n  b:\n    - c: 1\n    - c: 2\n\nd: 3\n", name="x")
    assert [document.line(path) for path in [("a",), ("a", "b"), ("a", "b", 1, "c"), ("d",)]] == [1, 2, 4, 6]


def test_a_missing_place_has_the_line_of_what_is_around_it() -> None:
    document = parse_yaml("a:\n  b: 1\n", name="x")
    assert document.line(("a", "nothing", 3)) == 1
    assert document.line(("nothing",)) is None


def test_wrong_syntax_is_named_by_line_and_column() -> None:
    message = yaml_error("a: [1\nb: 2")
    assert message.startswith("job.yml:2:2: is not valid YAML: expected ',' or ']'")


def test_a_tab_for_indentation_is_named() -> None:
    assert "job.yml:2:1: is not valid YAML: found character '\\t'" in yaml_error("a:\n\tb: 1")


@pytest.mark.parametrize("text", ["password: *hunter2", "password: !hunter2 x", "password: [hunter2", "a: {hunter2: 1"])
def test_a_syntax_error_never_quotes_the_file(text: str) -> None:
    assert "hunter2" not in yaml_error(f"elasticsearch:\n  {text}")


def test_a_key_twice_is_a_mistake_with_both_lines() -> None:
    document = parse_yaml("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n", name="x")
    assert [(mistake.path, mistake.text) for mistake in document.mistakes] == [
        (("b", "c"), "is there twice, on lines 3 and 4: keep one"),
        (("a",), "is there twice, on lines 1 and 5: keep one"),
    ]


def test_merge_keys_are_no_duplicates() -> None:
    document = parse_yaml("x: &x {a: 1}\ny:\n  <<: *x\n  a: 2\n", name="x")
    assert document.mistakes == ()
    assert document.data["y"] == {"a": 2}


@pytest.mark.parametrize("text", ["? [a]\n: 1", "a: &x [*x]", "? {a: 1}\n: 1"])
def test_what_cannot_be_walked_through_is_a_mistake(text: str) -> None:
    document = parse_yaml(text, name="x")
    assert document.data is None
    assert len(document.mistakes) == 1


def test_two_documents_in_one_file_are_refused() -> None:
    assert "expected a single document" in yaml_error("a: 1\n---\nb: 2\n")


def test_python_objects_are_refused() -> None:
    assert "is not valid YAML" in yaml_error("a: !!python/object/apply:os.getcwd []")


def test_json_keeps_its_lines_and_finds_keys_twice() -> None:
    document = parse_json('{\n\t"a": 1,\n\t"b": {"c": 1,\n\t"c": 2}\n}', name="x")
    assert document.line(("b",)) == 3
    assert [mistake.path for mistake in document.mistakes] == [("b", "c")]


def test_json_surrogate_pairs_are_one_character() -> None:
    assert parse_json('{"a": "\\ud83d\\ude00"}', name="x").data == {"a": "😀"}


def test_wrong_json_is_named_by_line_and_column() -> None:
    with pytest.raises(ConfigError, match=r"^x:2:1: is not valid JSON"):
        parse_json('{"a": 1,\n]', name="x")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        read_document(tmp_path / "nothing.yml")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        read_document(tmp_path)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_bytes("a: é".encode("latin-1"))
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        read_document(path)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_bytes(b"\xef\xbb\xbfa: 1")
    assert read_document(path).data == {"a": 1}


def test_variables_are_replaced_anywhere_in_a_string() -> None:
    values, mistakes = expand({"a": ["x${ONE}y${TWO:2}", "$${ONE}", 3]}, {"ONE": "1"})
    assert values == {"a": ["x1y2", "${ONE}", 3]}
    assert mistakes == []


def test_an_empty_default_is_a_default() -> None:
    assert expand("${NOTHING:}", {}) == ("", [])


def test_a_value_that_has_dollars_is_not_expanded_again() -> None:
    assert expand("${A}", {"A": "${B}", "B": "x"}) == ("${B}", [])


def test_a_missing_variable_is_a_mistake_with_its_place_and_a_near_name() -> None:
    _, mistakes = expand({"a": {"b": ["${ES_PASWORD}"]}}, {"ES_PASSWORD": "hunter2"})
    assert [mistake.path for mistake in mistakes] == [("a", "b", 0)]
    assert "the environment has no ES_PASWORD (there is ES_PASSWORD)" in mistakes[0].text
    assert "hunter2" not in mistakes[0].text


def test_a_dollar_brace_that_begins_no_variable_is_a_mistake() -> None:
    _, mistakes = expand({"a": "${not a name}"}, {})
    assert "write $${ for the characters" in mistakes[0].text
