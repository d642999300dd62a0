"""Files of events: their two forms, and what is wrong with some."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from ipi_es.errors import DataError, NoEvents, UsageError
from ipi_es.evaluation.evaluation_events import NO_GROUP, NORMAL, prepared
from ipi_es.evaluation.event_columns import EventColumns
from ipi_es.evaluation.reading import read_attackers, read_events

CSV = "timestamp,entity,ip\n1970-01-02T00:00:05Z,ann,192.0.2.1\n1970-01-02 02:00:00+02:00,bob,2001:db8::1\n"


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "events"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_csv_is_read_in_its_order_with_times_in_utc(tmp_path: Path) -> None:
    events = read_events(written(tmp_path, CSV))
    assert events.time.tolist() == [86_405, 86_400]
    assert [events.entities[code] for code in events.entity] == ["ann", "bob"]
    assert events.addresses[events.ip[0]].tobytes()[-4:] == bytes([192, 0, 2, 1])
    assert events.group.tolist() == [NO_GROUP, NO_GROUP]
    assert not events.labelled


@pytest.mark.parametrize("form", [str.encode, lambda text: gzip.compress(text.encode())], ids=["plain", "gzip"])
def test_gzip_is_known_by_its_content(tmp_path: Path, form: object) -> None:
    assert len(read_events(written(tmp_path, form(CSV)))) == 2  # type: ignore[operator]


def test_json_lines_give_the_same_events_as_csv(tmp_path: Path) -> None:
    lines = '{"@timestamp": 86405, "entity": "ann", "ip": "192.0.2.1"}\n\n'
    lines += '{"timestamp": "19700102T000000Z", "entity": "bob", "ip": "2001:db8::1"}\n'
    events = read_events(written(tmp_path, lines))
    assert events.time.tolist() == [86_405, 86_400]
    assert events.entities == ["ann", "bob"]


def test_a_large_number_is_epoch_milliseconds(tmp_path: Path) -> None:
    text = "timestamp,entity,ip\n1750000000,a,192.0.2.1\n1750000000123,a,192.0.2.1\n1750000000.9,a,192.0.2.1\n"
    assert read_events(written(tmp_path, text)).time.tolist() == [1_750_000_000] * 3


@pytest.mark.parametrize("digits", ["", "000", "000000", "000000000"])
def test_epoch_times_may_have_any_unit(tmp_path: Path, digits: str) -> None:
    text = f"timestamp,entity,ip\n1777622400{digits},a,192.0.2.1\n"
    assert read_events(written(tmp_path, text)).time.tolist() == [1_777_622_400]


@pytest.mark.parametrize("time", ["2026-05-01T08:00:00z", "2026-05-01 08:00:00 UTC", "2026-05-01T10:00:00.123+02:00"])
def test_times_name_their_zone_in_many_ways(tmp_path: Path, time: str) -> None:
    assert read_events(written(tmp_path, f"timestamp,entity,ip\n{time},a,192.0.2.1\n")).time.tolist() == [1777622400]


def test_a_stray_quotation_mark_costs_no_other_row(tmp_path: Path) -> None:
    rows = "".join(f"{number},a,192.0.2.1\n" for number in range(100))
    events = read_events(written(tmp_path, 'timestamp,entity,ip\n1,"a,192.0.2.1\n' + rows))
    assert len(events) == 100
    assert events.malformed == {"missing entity or ip": 1}


def test_space_around_a_name_is_no_part_of_it(tmp_path: Path) -> None:
    assert read_events(written(tmp_path, "timestamp, entity, ip\n1, a, 192.0.2.1\n2,a,192.0.2.1\n")).entities == ["a"]


def test_a_timestamp_goes_before_elastics_own(tmp_path: Path) -> None:
    both = "@timestamp,timestamp,entity,ip\n5,6,a,192.0.2.1\n"
    assert read_events(written(tmp_path, both)).time.tolist() == [6]
    assert read_events(written(tmp_path, both.replace(",timestamp", ",seen"))).time.tolist() == [5]


def test_several_names_or_addresses_in_one_row_are_malformed(tmp_path: Path) -> None:
    rows = ['"a", "ip": "192.0.2.1"', '["a"], "ip": "192.0.2.1"', '"a", "ip": ["192.0.2.1"]']
    text = "".join(f'{{"timestamp": 1, "entity": {row}}}\n' for row in rows)
    events = read_events(written(tmp_path, text))
    assert events.entities == ["a"]
    assert events.malformed == {"missing entity or ip": 2}


def test_columns_may_come_in_any_order_with_others_among_them(tmp_path: Path) -> None:
    events = read_events(written(tmp_path, '\ufeffip,x,label,entity,timestamp,group\n192.0.2.1,"a,b",0,ann,7,g\n'))
    assert (events.time.tolist(), events.entities, events.group.tolist()) == ([7], ["ann"], [0])


def test_a_mapped_address_is_the_ipv4_address(tmp_path: Path) -> None:
    events = read_events(written(tmp_path, "timestamp,entity,ip\n1,a,192.0.2.1\n2,a,::ffff:192.0.2.1\n"))
    assert len(events.addresses) == 1


def test_labels_are_normal_plain_attacks_or_kinds(tmp_path: Path) -> None:
    words = ["benign", "0", "", "Normal", "1", "attack", "true", "Spray"]
    text = "timestamp,entity,ip,label\n" + "".join(f"1,a,192.0.2.1,{word}\n" for word in words)
    events = read_events(written(tmp_path, text))
    assert events.labels == ("attack", "spray")
    assert events.label.tolist() == [NORMAL] * 4 + [1, 1, 1, 2]
    assert events.labelled


@pytest.mark.parametrize("word", ["NaN", "nan", "<NA>", "N/A", "null", "None"])
def test_an_empty_cell_of_a_program_is_no_attack(tmp_path: Path, word: str) -> None:
    events = read_events(written(tmp_path, f"timestamp,entity,ip,label\n1,a,192.0.2.1,{word}\n"))
    assert (events.labels, events.labelled) == ((), True)


def named(**given: str) -> EventColumns:
    return EventColumns.named(given)


def test_columns_of_other_names_are_read_and_those_of_ours_are_then_others(tmp_path: Path) -> None:
    text = (
        "ts,user,ip,entity,asn,cc,n\n7,ann,192.0.2.1,x,AS64500,de,3\n8,bob,192.0.2.2,x,,,2\n9,bob,192.0.2.1,x,,FR,0\n"
    )
    columns = named(time="ts", entity="user", operator="asn", country="cc", count="n")
    events = read_events(written(tmp_path, text), columns)
    assert events.entities == ["ann", "bob"]
    assert events.time.tolist() == [7, 8]
    assert events.count is not None
    assert events.count.tolist() == [3, 2]
    assert events.context is not None
    assert events.context.operator.tolist() == [64_500, 0]
    assert events.context.country.tolist() == [ord("D") << 8 | ord("E"), 0]
    assert events.malformed == {"count that is no whole number from 1": 1}


def test_json_documents_may_be_nested(tmp_path: Path) -> None:
    lines = '{"@timestamp": 5, "user": {"name": "ann"}, "source": {"ip": "192.0.2.1", "as": {"number": 64500}}}\n'
    lines += '{"@timestamp": 6, "user.name": "bob", "source": {"ip": "192.0.2.1"}}\n'
    columns = named(entity="user.name", ip="source.ip", operator="source.as.number", country="source.geo.x")
    events = read_events(written(tmp_path, lines), columns)
    assert events.entities == ["ann", "bob"]
    assert events.context is not None
    assert events.context.operator.tolist() == [64_500]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"entity": "user"}, "lacks user; it has timestamp, entity, ip"),
        ({"count": "n", "country": "cc"}, "lacks cc and n"),
        ({"label": "malicious"}, "lacks malicious"),
    ],
)
def test_a_column_that_is_named_and_missing_is_an_error(tmp_path: Path, columns: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_events(written(tmp_path, CSV), named(**columns))


def test_a_column_has_one_meaning() -> None:
    with pytest.raises(UsageError, match="“user” is given for more than one column"):
        named(entity="user", group="user")


def test_counts_of_rows_that_become_one_are_added_up(tmp_path: Path) -> None:
    text = "timestamp,entity,ip,n\n9,a,192.0.2.1,3\n5,a,::ffff:192.0.2.1,2\n90000,a,192.0.2.1,7\n"
    events = prepared(read_events(written(tmp_path, text), named(count="n")))
    assert events.time.tolist() == [5, 90_000]
    assert events.count is not None
    assert events.count.tolist() == [5, 7]


def test_malformed_addresses_are_counted_and_left_out(tmp_path: Path) -> None:
    events = read_events(written(tmp_path, "timestamp,entity,ip\n1,a,192.0.2.1\n2,a,none\n3,a,\n4,a\n"))
    assert len(events) == 1
    assert events.malformed == {"malformed ip": 2, "missing entity or ip": 1}


def test_odd_names_are_names_and_an_empty_one_is_none(tmp_path: Path) -> None:
    text = b"timestamp,entity,ip\n1,,192.0.2.1\n2,\xff\xfe,192.0.2.1\n3," + b"x" * 10_000 + b",192.0.2.1\n"
    events = read_events(written(tmp_path, text))
    assert len(events.entities) == 2
    assert events.malformed == {"missing entity or ip": 1}


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("time,entity,ip\n1,a,192.0.2.1\n", UsageError, "lacks timestamp; it has time, entity, ip"),
        ('{"timestamp": 1, "user": "a"}\n', UsageError, "lacks entity and ip"),
        ("", UsageError, "it has nothing"),
        ("timestamp,entity,ip\n1,a,192.0.2.1\nyesterday,a,192.0.2.1\n", DataError, "line 3: “yesterday” is no time"),
        ("timestamp,entity,ip,ip\n1,a,192.0.2.1,192.0.2.2\n", UsageError, "more than one column ip"),
        ("timestamp,entity,ip\n1e300,a,192.0.2.1\n", DataError, "“1e300” is no time"),
        ("timestamp,entity,ip\n2026-13-01,a,192.0.2.1\n", DataError, "line 2"),
        ("timestamp,entity,ip\nnan,a,192.0.2.1\n", DataError, "“nan” is no time"),
        ('{"timestamp": 1, "entity": "a", "ip": "192.0.2.1"}\n[1]\n', DataError, "line 2: no JSON object"),
        ('{"timestamp": 1, "entity": "a", "ip": "192.0.2.1"}\n{"t\n', DataError, "line 2: no JSON"),
        ("timestamp,entity,ip\n1,a,none\n", NoEvents, "no usable row"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_what_to_do(
    tmp_path: Path, text: str, kind: type[UsageError], message: str
) -> None:
    with pytest.raises(kind) as error:
        read_events(written(tmp_path, text))
    assert message in error.value.message
    assert error.value.hint


def test_a_cut_gzip_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is damaged"):
        read_events(written(tmp_path, gzip.compress(CSV.encode())[:-10]))


def test_a_damaged_gzip_file_is_an_error(tmp_path: Path) -> None:
    blob = bytearray(gzip.compress(CSV.encode() * 20))
    blob[12:16] = b"\xff" * 4
    with pytest.raises(DataError, match="is damaged"):
        read_events(written(tmp_path, bytes(blob)))


def test_attackers_are_one_address_a_line(tmp_path: Path) -> None:
    found = read_attackers(written(tmp_path, "# seen\n192.0.2.1 scanner\n\n2001:db8::1,x\nnothing\n"))
    assert found.shape == (2, 16)
    assert found.dtype == np.uint8
    with pytest.raises(UsageError, match="no IP address"):
        read_attackers(written(tmp_path, "nothing\n"))
