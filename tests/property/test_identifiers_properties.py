import time
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.errors import InvalidIdentifier
from accounts.identifiers import KINDS, CitizenId, Uscc, checks, normalise

dates = st.dates(date(1900, 1, 1), date(1999, 12, 31))
sequences = st.integers(0, 995).map("{:03}".format)
uscc_characters = st.sampled_from(checks.USCC_ALPHABET)


@st.composite
def citizen_numbers(draw):
    body = f"519999{draw(dates):%Y%m%d}{draw(sequences)}"
    return body + checks.mod_11_2(body)


@st.composite
def social_credit_codes(draw):
    organisation = "".join(draw(st.lists(uscc_characters, min_size=8, max_size=8)))
    head = draw(st.sampled_from("123456789ANY")) + draw(uscc_characters) + "510502"
    body = head + organisation + checks.organisation_code(organisation)
    return body + checks.uscc(body)


def _refused(kind, text):
    with pytest.raises(InvalidIdentifier):
        kind.parse(text)


def _damaged(text, alphabet):
    for place, right in enumerate(text):
        yield from (text[:place] + wrong + text[place + 1 :] for wrong in alphabet if wrong != right)
        if place + 1 < len(text) and right != text[place + 1]:
            yield text[:place] + text[place + 1] + right + text[place + 2 :]


@given(citizen_numbers())
def test_every_single_error_and_swap_in_a_citizen_number_is_found(number):
    """One slip of the finger never names another person."""
    assert CitizenId.parse(number).canonical == number
    for damaged in _damaged(number, "0123456789X"):
        _refused(CitizenId, damaged)


@given(social_credit_codes())
def test_every_single_error_and_swap_in_a_social_credit_code_is_found(code):
    """One slip of the finger never names another company."""
    assert Uscc.parse(code).canonical == code
    for damaged in _damaged(code, checks.USCC_ALPHABET):
        _refused(Uscc, damaged)


@given(citizen_numbers())
def test_upgrading_a_number_cut_to_fifteen_gives_it_back(number):
    """The old form and the new one name the same person."""
    assert CitizenId.upgrade_15(number[:6] + number[8:17]).canonical == number


@given(st.text(max_size=80))
def test_normalising_twice_changes_nothing(text):
    """A canonical form is final."""
    try:
        once = normalise(text)
    except InvalidIdentifier:
        return
    assert normalise(once) == once


@given(st.sampled_from(KINDS), st.one_of(st.text(), st.from_regex(r"[0-9A-Z:+ -]{0,20}", fullmatch=True)))
def test_any_text_is_read_or_refused(kind, text):
    """No text brings a traceback; what is read reads again to itself."""
    try:
        read = kind.parse(text)
    except InvalidIdentifier:
        return
    assert kind.parse(read.canonical) == read
    assert read.canonical not in repr(read)


@pytest.mark.parametrize("kind", KINDS)
def test_a_megabyte_is_refused_at_once(kind):
    """Nobody keeps a worker busy with a long number."""
    started = time.perf_counter()
    for filler in ("1", " ", "X", "ｘ", "("):
        _refused(kind, filler * 1_000_000)
    assert time.perf_counter() - started < 0.5
