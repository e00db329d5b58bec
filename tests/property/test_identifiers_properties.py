import time
from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from accounts.errors import InvalidIdentifier
from accounts.identifiers import KINDS, CitizenId, Mobile, Uscc, checks, guess_person_identifier, normalise
from accounts.identifiers.identifier import LONGEST

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


INSIDE = st.text(st.sampled_from(" \u3000-–—.·•\u200b\u202d"), max_size=2)
AROUND = st.text(st.sampled_from("。，、；：,;:!？…“”「」 \t."), max_size=4)
BRACKETS = st.sampled_from(["", "()", "（）", "[]", "【】", "〔〕"])
PHONES = st.integers(0, 99).map("139000000{:02}".format)


@st.composite
def decorated(draw, numbers):
    """A number, and one of the ways in which people write, copy and paste it."""
    number, brackets = draw(numbers), draw(BRACKETS)
    grouped = "".join(character + draw(INSIDE) for character in number)
    full_width = draw(st.booleans())
    spelled = "".join(chr(ord(c) + 0xFEE0) for c in number) if full_width else grouped
    return number, draw(AROUND) + brackets[:1] + spelled + brackets[1:] + draw(AROUND)


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
    """No single typing error gives another person's number."""
    assert CitizenId.parse(number).canonical == number
    for damaged in _damaged(number, "0123456789X"):
        _refused(CitizenId, damaged)


@given(social_credit_codes())
def test_every_single_error_and_swap_in_a_social_credit_code_is_found(code):
    """No single typing error gives another company's code."""
    assert Uscc.parse(code).canonical == code
    for damaged in _damaged(code, checks.USCC_ALPHABET):
        _refused(Uscc, damaged)


@given(citizen_numbers())
def test_upgrading_a_number_cut_to_fifteen_gives_it_back(number):
    """The old form and the new one name the same person."""
    assert CitizenId.upgrade_15(number[:6] + number[8:17]).canonical == number


@given(decorated(citizen_numbers()))
def test_a_decorated_citizen_number_is_that_number(spelling):
    """Blanks, dots, brackets and punctuation that a person typed or pasted change nothing."""
    number, text = spelling
    assume(len(text) <= LONGEST)
    assert CitizenId.parse(text).canonical == number
    assert guess_person_identifier(text) == CitizenId(number)


@given(decorated(PHONES), st.sampled_from(["", "+86", "0086", "（+86）", "(86) "]))
def test_a_decorated_phone_is_that_phone(spelling, country):
    """The same for a phone, with or without the country's code."""
    number, text = spelling
    assume(len(text) <= LONGEST - len(country) and not (country and text[:1] != number[0]))
    assert Mobile.parse(country + text).canonical == f"+86{number}"


@given(decorated(citizen_numbers()), st.data())
def test_a_damaged_number_is_no_other_number_under_its_decoration(spelling, data):
    """Dropping decoration never repairs a lost, doubled or wrong character."""
    number, text = spelling
    place = data.draw(st.sampled_from([i for i, c in enumerate(text) if c.isalnum()]))
    wrong = data.draw(st.sampled_from(["", ".", "()", "。", text[place] * 2, "(" + text[place] + ")"]))
    damaged = text[:place] + wrong + text[place + 1 :]
    read = guess_person_identifier(damaged)
    assert read in (None, CitizenId(number))


@given(st.text(max_size=80))
def test_normalising_twice_changes_nothing(text):
    """A canonical form stays the same."""
    try:
        once = normalise(text)
    except InvalidIdentifier:
        return
    assert normalise(once) == once


@given(st.sampled_from(KINDS), st.one_of(st.text(), st.from_regex(r"[0-9A-Z:+ -]{0,20}", fullmatch=True)))
def test_any_text_is_read_or_refused(kind, text):
    """No text causes a traceback; what is read reads again to itself."""
    try:
        read = kind.parse(text)
    except InvalidIdentifier:
        return
    assert kind.parse(read.canonical) == read
    assert read.canonical not in repr(read)


@pytest.mark.parametrize("kind", KINDS)
def test_a_megabyte_is_refused_at_once(kind):
    """A very long text does not keep a worker busy."""
    started = time.perf_counter()
    for filler in ("1", " ", "X", "ｘ", "("):
        _refused(kind, filler * 1_000_000)
    assert time.perf_counter() - started < 0.5
