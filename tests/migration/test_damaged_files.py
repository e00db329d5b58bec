"""Damage anywhere in an export: whom it did not touch is read as before, or refused by line, or the file is refused."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migration_tools import readers
from migration_tools.errors import SourceRefused
from migration_tools.mapping import load
from migration_tools.readers.legacy_account import LegacyAccount
from tests.migration.bench import HEADER, MAPPING, number
from tests.migration.faulty import LDIF

PEOPLE = 4
REMARK = MAPPING[: MAPPING.index("[password]")]  # hash and salt are not mapped: texts that nobody reads


def csv_of(i):
    return f"{i},user{i},王{'明芳华国'[i]},{number(100 + i)},1951-02-03,,a word,{i}\n"


def ldif_of(i):
    return f"dn: uid={i},dc=x\nuid: {i}\ncn: name {i}\nemployeeNumber: {number(100 + i)}\nmobile: 1390000000{i}\n\n"


KINDS = {  # the mapping, what stands before the first row, a row, and what damages one
    "csv": (MAPPING, f"{HEADER}\n", csv_of, '",x\n\r '),
    "csv with texts that nobody reads": (REMARK, f"{HEADER}\n", csv_of, '",x\n\r '),
    "ldif": (LDIF, "", ldif_of, '":x\n #'),
}


@pytest.fixture
def check(write):
    """Reads the export with these (place, character inserted, or empty for one lost) and holds it to the rule."""

    def checked(kind, edits):
        mapping, head, entry, _ = KINDS[kind]
        whole, untouched, start = head, set(), len(head)
        for i in range(PEOPLE):
            whole += entry(i)
            if not any(start <= place <= len(whole) for place, _ in edits):  # at a border, both sides are touched
                untouched.add(str(i))
            start = len(whole)
        text = whole
        for place, sign in sorted(edits, reverse=True):
            text = text[:place] + sign + text[place + (not sign) :]
        described = load(write("m.toml", mapping))
        sound = {each.uid: fields(each) for each in readers.read(write("sound", whole), described)}
        try:
            found = list(readers.read(write("damaged", text), described))
        except SourceRefused:
            return
        accounts = [each for each in found if isinstance(each, LegacyAccount)]
        assert len(found) >= PEOPLE, edits
        assert len(untouched - {account.uid for account in accounts}) <= len(found) - len(accounts), edits
        for account in accounts:
            assert account.uid not in untouched or fields(account) == sound[account.uid], edits
            assert not {i for i in untouched - {account.uid} if sound[i][1] == account.number}, edits

    return checked


def fields(account):
    return (account.uid, account.number, account.login_name, account.name, account.phone, account.birth, account.salt)


@pytest.mark.parametrize("kind", KINDS)
def test_no_single_damage_loses_or_mixes_anybody(check, kind):
    """At every place, every sign more and the one less: as many rows as people, and no account is of two of them."""
    _, head, entry, signs = KINDS[kind]
    length = sum(len(entry(i)) for i in range(2))  # two people are damaged, two are there to be hurt by it
    for place in range(len(head), len(head) + length):
        for sign in ("", *signs):
            check(kind, [(place, sign)])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("csv")])
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.tuples(*[st.integers(0, 4 * len(csv_of(0)) - 1)] * 2))
def test_no_pair_of_quotes_swallows_anybody(check, kind, places):
    """Quotes come in pairs: whatever stands between two stray ones, nobody disappears in it."""
    check(kind, [(len(HEADER) + 1 + place, '"') for place in places])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("csv")])
def test_no_quoted_field_swallows_anybody(check, kind):
    """The same for quotes that stand right before and behind fields, where a reader takes them for its own."""
    head = len(HEADER) + 1
    text = "".join(map(csv_of, range(PEOPLE)))
    borders = [place for place, sign in enumerate(text) if sign in ",\n"]
    for first in [0, *(place + 1 for place in borders)]:
        for last in borders:
            if first < last:
                check(kind, [(head + first, '"'), (head + last, '"')])
