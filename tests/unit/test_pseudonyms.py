"""Pseudonyms: one for each name under a key, back to the name with that key alone, in letters that nothing changes."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipi_es.config.entity_names import STEPS, normalize_entity
from ipi_es.config.files.entity_groups import EntityGroups
from ipi_es.datafeed.normalize import Normalizer
from ipi_es.datafeed.searches.pages import Rows
from ipi_es.errors import UsageError
from ipi_es.pseudonyms import PREFIX, Pseudonyms, is_pseudonym, of_key_file

KEYS = ("0123456789abcdef" * 8, "fedcba9876543210" * 8)
ANY_TEXT = st.text(st.characters(codec=None), max_size=40)
"""Lone surrogates too: events may have them."""


def keyed(folder: Path, key: str = KEYS[0]) -> Pseudonyms:
    (folder / "key").write_text(f"{key}\n")
    (folder / "key").chmod(0o600)
    return Pseudonyms(folder / "key")


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Pseudonyms:
    return keyed(tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Pseudonyms:
    return keyed(tmp_path_factory.mktemp("other"), KEYS[1])


@given(ANY_TEXT)
def test_the_key_gives_the_name_back_and_no_other_key_does(one: Pseudonyms, other: Pseudonyms, name: str) -> None:
    (pseudonym,) = one.of([name])
    assert one.name(pseudonym) == name
    assert other.name(pseudonym) is None
    assert other.names([pseudonym]) == [pseudonym]
    assert one.stored(name) == one.stored(pseudonym) == pseudonym
    assert other.of([name]) != [pseudonym]


@given(ANY_TEXT)
def test_no_index_shell_url_or_normalization_changes_it(one: Pseudonyms, name: str) -> None:
    (pseudonym,) = one.of([name])
    assert is_pseudonym(pseudonym)
    assert pseudonym == pseudonym.lower() == quote(pseudonym, safe="")
    assert normalize_entity(pseudonym, STEPS) == pseudonym


def test_it_is_the_same_in_every_process(one: Pseudonyms) -> None:
    """Stored results have it: another value of this test would orphan them."""
    assert one.of(["alice"]) == ["pseudo-yza6sa5pr6bsxxa42iv4beruginqxpvwkibwnkksefbgv3ltgfnq"]
    assert one.check == "aa284f8fdb79"


def test_names_of_up_to_fifteen_bytes_have_pseudonyms_of_one_length(one: Pseudonyms) -> None:
    lengths = [len(each) for each in one.of("x" * n for n in range(64))]
    assert lengths[:16] == [len(PREFIX) + 52] * 16
    assert lengths == sorted(lengths)
    assert len(set(lengths)) == 4


@pytest.mark.parametrize("text", ["alice", PREFIX, f"{PREFIX}random", f"{PREFIX}{'a' * 51}", f"{PREFIX}{'A' * 52}"])
def test_a_name_may_begin_like_a_pseudonym(one: Pseudonyms, text: str) -> None:
    assert not is_pseudonym(text)
    assert one.name(text) is None
    assert one.name(one.stored(text)) == text


def test_an_account_with_a_pseudonym_as_its_name_is_another_entity(one: Pseudonyms) -> None:
    """Whoever chooses an account's name may copy one: events are always encrypted."""
    (alice,) = one.of(["alice"])
    (copied,) = one.of([alice])
    assert copied != alice
    assert one.name(copied) == alice


def test_a_changed_pseudonym_is_none(one: Pseudonyms) -> None:
    (pseudonym,) = one.of(["alice"])
    last = pseudonym[-1]
    for changed in (pseudonym[:-1] + "abcdefgh"["abcdefgh".find(last) - 1], pseudonym[:-3] + "abc", pseudonym[:-1]):
        assert changed == pseudonym or one.name(changed) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "too short: 0 hexadecimal digits, not 128"),
        ("ab" * 32, "too short: 64 hexadecimal digits"),
        ("ab" * 65, "too long: 130 hexadecimal digits"),
        ("a secret that people can remember", "other characters than hexadecimal"),
        ("ä" * 128, "other characters than hexadecimal"),
        ("ab" * 63 + "a", "too short: 127 hexadecimal digits"),
        (None, "can't be read: No such file or directory"),
    ],
)
def test_what_is_no_key_is_an_error_that_does_not_quote_it(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "key").write_text(text)
    bad = Pseudonyms(tmp_path / "key")
    assert not bad.has_key
    for use in (lambda: bad.of(["alice"]), lambda: bad.check, lambda: bad.name("alice"), lambda: bad.stored("alice")):
        with pytest.raises(UsageError, match=message) as raised:
            use()
        assert not text or text not in str(raised.value)
        assert "openssl rand -hex 64" in str(raised.value)
        assert str(tmp_path) not in str(raised.value)


def test_without_a_key_a_pseudonym_stays(one: Pseudonyms, tmp_path: Path) -> None:
    (pseudonym,) = one.of(["alice"])
    assert Pseudonyms(tmp_path / "none").stored(pseudonym) == pseudonym


def test_who_may_read_the_key_is_known(tmp_path: Path) -> None:
    made = keyed(tmp_path)
    assert not made.readable_by_all
    (tmp_path / "key").chmod(0o644)
    assert made.readable_by_all


def test_a_process_keeps_the_key_that_it_read(tmp_path: Path) -> None:
    """Buckets of one run would else have two pseudonyms of one entity."""
    (tmp_path / "key").write_text(KEYS[0])
    before = of_key_file(tmp_path / "key").of(["alice"])
    (tmp_path / "key").write_text(KEYS[1])
    assert of_key_file(tmp_path / "key").of(["alice", "bob"])[0] == before[0]
    assert KEYS[0] not in repr(vars(of_key_file(tmp_path / "key")))


def test_event_buckets_have_pseudonyms_and_groups_find_their_names(one: Pseudonyms) -> None:
    """Spelling and exclusion are by names; two spellings of one account are one entity."""
    counts = np.ones(4, dtype=np.int64)
    rows = Rows(["CORP\\Ann", "ann", "bob", "svc-mail"], ["192.0.2.1"] * 4, None, counts)
    named = Rows(["Ann", "bob", "svc-mail"], ["admins", "staff", "services"], None, counts[:3])
    how = {"exclude_entities": ("svc-*",), "pseudonyms": one}
    bucket = Normalizer(("lowercase", "strip_domain"), **how).bucket(0, 60, rows, groups=named)
    ann, bob = bucket.entities
    assert one.names([ann, bob]) == ["ann", "bob"]
    assert bucket.dropped.excluded_entity == 1
    assert bucket.count.tolist() == [2, 1]
    assert bucket.entity_groups == {ann: ("admins",), bob: ("staff",)}
    groups = EntityGroups({"ann": {"berlin"}}, {"short": ("a*",)}, pseudonyms=one).with_named(bucket.entity_groups)
    assert groups.of(ann) == ("admins", "berlin", "short")
    assert groups.of(bob) == ("staff",)
    assert groups.members("short", bucket.entities).tolist() == [True, False]
    assert groups.members("staff", bucket.entities).tolist() == [False, True]
