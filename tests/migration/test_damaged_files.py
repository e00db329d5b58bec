"""Damage in an export: undamaged rows are read as before or refused by line, or the whole file is refused."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migration_tools import readers
from migration_tools.errors import SourceRefused
from migration_tools.mapping import load
from migration_tools.readers import FORMATS
from migration_tools.readers.legacy_account import LegacyAccount
from tests.migration.bench import HEADER, MAPPING
from tests.migration.formats import SAMPLES, csv_of

PEOPLE = 4
REMARK = MAPPING[: MAPPING.index("[password]")]  # hash and salt are not mapped, so no reader uses them


KINDS = {
    **SAMPLES,
    "csv with texts that nobody reads": replace(SAMPLES["csv"], mapping=REMARK),
}
OF_CSV = [kind for kind in KINDS if kind.startswith("csv")]


@pytest.fixture
def check(write):
    """Reads the export with these (place, inserted character, or empty for a lost one) and checks the rule."""

    def checked(kind, edits):
        sample = KINDS[kind]
        whole, untouched, start = sample.head, set(), len(sample.head)
        for i in range(PEOPLE):
            whole += sample.row(i)
            if not any(start <= place <= len(whole) for place, _ in edits):  # damage at a border counts for both sides
                untouched.add(str(i))
            start = len(whole)
        text = whole
        for place, sign in sorted(edits, reverse=True):
            text = text[:place] + sign + text[place + (not sign) :]
        described = load(write("m.toml", sample.mapping), FORMATS)
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
    """One inserted or lost character at any place loses no row and mixes no two people in one account."""
    sample = KINDS[kind]
    head, length = (
        len(sample.head),
        sum(len(sample.row(i)) for i in range(2)),
    )  # two people's rows are damaged, the two others could be affected
    for place in range(head, head + length):
        for sign in ("", *sample.signs):
            check(kind, [(place, sign)])


@pytest.mark.parametrize("kind", OF_CSV)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.tuples(*[st.integers(0, 4 * len(csv_of(0)) - 1)] * 2))
def test_no_pair_of_quotes_swallows_anybody(check, kind, places):
    """Two stray quotes lose no person between them."""
    check(kind, [(len(HEADER) + 1 + place, '"') for place in places])


@pytest.mark.parametrize("kind", OF_CSV)
def test_no_quoted_field_swallows_anybody(check, kind):
    """Two quotes at borders of fields, which a reader accepts as quoting, lose nobody either."""
    head = len(HEADER) + 1
    text = "".join(map(csv_of, range(PEOPLE)))
    borders = [place for place, sign in enumerate(text) if sign in ",\n"]
    for first in [0, *(place + 1 for place in borders)]:
        for last in borders:
            if first < last:
                check(kind, [(head + first, '"'), (head + last, '"')])
