import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.errors import InvalidName
from accounts.identifiers import CURES, ENGLISH
from accounts.identifiers.names import person_name
from migration_tools.planning.normalise import read_name

SPELLINGS = (
    ("王秀英", "王秀英"),
    ("\u3000王秀英\t", "王秀英"),
    ("王　英", "王英"),
    ("欧阳 娜娜", "欧阳娜娜"),
    ("⼀⼆", "一二"),  # radicals, as a PDF gives them
    ("买买提•吐尔逊", "买买提·吐尔逊"),
    ("买买提．吐尔逊", "买买提·吐尔逊"),
    ("买买提 ・ 吐尔逊", "买买提·吐尔逊"),
    ("ＳＭＩＴＨ  ＪＯＨＮ", "SMITH JOHN"),
    ("J. O'NEIL-SMITH", "J. O'NEIL-SMITH"),
    ("Rene\u0301", "René"),
)
REFUSED = (
    ("", "name_empty"),
    (" \u3000", "name_empty"),
    ("王\u202e秀英", "name_invisible"),
    ("王\t秀英", "name_invisible"),
    ("王\u200b秀英", "name_invisible"),
    ("王\x00", "name_invisible"),
    ("王\u2028秀英", "name_invisible"),
    ("\ue000王", "name_invisible"),
    ("???", "name_characters"),
    ("王*英", "name_characters"),
    ("a@b.example", "name_characters"),
    ("13900000001", "name_characters"),
    ("王" * 101, "name_too_long"),
    ("王" * 100_000, "name_too_long"),
)


@pytest.mark.parametrize(("text", "name"), SPELLINGS)
def test_a_name_has_one_recorded_spelling(text, name):
    """A name is recorded the same, whether typed, copied or read from a card."""
    assert person_name(text) == name


@pytest.mark.parametrize(("text", "code"), REFUSED)
def test_what_is_no_name_is_refused_with_a_cure(text, code):
    """Characters that an officer cannot see are not recorded, and no message repeats the name."""
    with pytest.raises(InvalidName) as refused:
        person_name(text)
    assert (refused.value.code, refused.value.cure) == (code, ENGLISH[code])
    assert code in CURES
    assert not text.strip() or text not in str(refused.value)


@given(st.text(max_size=40))
def test_a_name_that_is_read_reads_again_to_itself_and_stays_the_same_for_merging(text):
    """Recording a name does not change its comparison with an older system's."""
    try:
        name = person_name(text)
    except InvalidName:
        return
    assert person_name(name) == name
    assert read_name(name) == read_name(text)
