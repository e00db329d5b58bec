from datetime import UTC, date, datetime

import pytest

from migration_tools.planning.normalise import (
    is_personal,
    read_date,
    read_moment,
    read_name,
    read_number,
    read_sex,
    shown_name,
)
from tests.migration.bench import number

FULL = number(123)


@pytest.mark.parametrize(
    ("text", "problem", "was_old"),
    [
        (FULL, None, False),
        (f" {FULL[:6]} {FULL[6:]} ", None, False),
        ("".join(chr(ord(c) + 0xFEE0) for c in FULL), None, False),
        (FULL[:6] + FULL[8:17], None, True),
        ("", "no_number", False),
        ("无", "no_number", False),
        ("111111111111111111", "no_number", False),
        ("12345678901234567X", "no_number", False),
        (FULL[:17] + ("0" if FULL[17] != "0" else "1"), "citizen_id_check", False),
        (FULL[:16], "citizen_id_length", False),
        ("519999195113450012", "citizen_id_date", False),
        ("519999510203997", "citizen_id_century", False),
    ],
)
def test_a_number_is_read_or_its_fault_named(text, problem, was_old):
    """Full width and spaces are accepted; a wrong check character is a fault; nothing is guessed."""
    read = read_number(text)
    assert (read.problem, read.was_old) == (problem, was_old)
    assert (read.number is None) == (problem is not None)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("李 明", "李明"),
        ("　李明 ", "李明"),
        ("买买提•阿不都", "买买提·阿不都"),
        ("SMITH John", "smithjohn"),
        ("李*", None),
        ("测试", None),
        ("", None),
        ("123", None),
    ],
)
def test_a_name_has_one_spelling_or_is_none(text, name):
    """Spaces, width and dots are normalised; masks and placeholders are no names."""
    assert read_name(text) == name


def test_dates_sexes_and_moments_are_read_in_their_usual_notations():
    """An unreadable value counts as absent, not as a match."""
    assert {read_date(t) for t in ("1951-02-03", "1951/2/3", "1951年2月3日", "19510203")} == {date(1951, 2, 3)}
    assert [read_date(t) for t in ("", "1951", "1951-13-01", "abc")] == [None] * 4
    assert [read_sex(t) for t in ("男", "2", "F", "?", "")] == ["male", "female", "female", None, None]
    assert read_moment("2019-03-04 08:00:00") == datetime(2019, 3, 4, 0, 0, tzinfo=UTC)
    assert read_moment("20190304000000Z") == datetime(2019, 3, 4, 0, 0, tzinfo=UTC)
    assert read_moment("gestern") is None


def test_a_key_that_is_a_persons_number_is_recognised():
    """A citizen ID number or a phone used as a system's key must not leak into links and claims."""
    assert is_personal(FULL)
    assert is_personal("13900000123")
    assert not is_personal("20001")
    assert not is_personal("wu.xiuying.1893")


@pytest.mark.parametrize("text", ["王\u202e秀英", "王秀英\u200b", "\ufeff王秀英", " 王秀英\t"])
def test_a_recorded_name_holds_nothing_invisible(text):
    """An export may hold what a counter would refuse; an officer must be able to read the recorded name."""
    assert shown_name(text) == "王秀英"
