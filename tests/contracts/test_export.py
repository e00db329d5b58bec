"""The export has everything held about a person, and no store can be forgotten."""

import json

import pytest
import sqlalchemy as sa

from accounts.database import Statement, metadata
from accounts.people import natural_persons
from idp.migrations import load_tables
from idp.rights import disputes, export
from idp.rights.exported_tables import EXPORTED, NOT_EXPORTED
from tests.architecture.tracked import text_of
from tests.fixtures.site import Site
from tests.fixtures.whole_person import whole_person

load_tables()
NAMES_PERSONS = {"person_id", "subject"}  # columns that hold a person's key without a foreign key
LEADS_ON = {"grant_id", "session_id", "request_id"}  # and those that name something of a person


def of_persons():
    """Every table that names a person, directly or through another table."""
    found = {natural_persons.name}
    while True:
        more = {
            table.name
            for table in metadata.tables.values()
            if table.name not in found
            and any(
                column.name in NAMES_PERSONS | LEADS_ON
                or any(key.column.table.name in found for key in column.foreign_keys)
                for column in table.columns
            )
        }
        if not more:
            return found
        found |= more


def test_every_table_with_a_persons_key_is_exported_or_left_out_for_a_reason():
    """A new table that names persons is in the export, or in the list of what is not, with a reason."""
    decided = {each.name for each in EXPORTED} | NOT_EXPORTED.keys()
    assert of_persons() - decided == set()
    assert decided <= set(metadata.tables)
    assert {each.name for each in EXPORTED} & NOT_EXPORTED.keys() == set()
    assert all(NOT_EXPORTED.values())


@pytest.mark.parametrize("each", EXPORTED, ids=[each.name for each in EXPORTED])
def test_every_column_is_copied_or_left_out_for_a_reason(each):
    """Each column of an exported table is copied, opened or left out; bytes are never copied as they are."""
    columns = each.table.c
    assert each.left_out.keys() | each.opened.keys() <= set(columns.keys())
    plain = set(columns.keys()) - each.left_out.keys() - each.opened.keys()
    assert [name for name in plain if isinstance(columns[name].type, sa.LargeBinary)] == []


def test_the_schema_is_documented():
    """docs/reference/export.md is what the code says."""
    assert text_of("docs/reference/export.md") == export.reference()


@pytest.fixture
def site(database_url, clock):
    made = Site(database_url, clock)
    yield made
    made.database.close()


@pytest.fixture
def full(site):
    return whole_person(site)


def copied(site, person):
    with site.database.transaction() as c:
        found = export.export(c, site.services.vault, person.id, issuer=site.issuer, now=site.clock())
    return json.loads(export.as_json(found))


def test_the_copy_has_every_row_of_the_person_and_no_other(site, full):
    """For each exported table the copy has as many rows as the database; a stranger's rows are in none."""
    stranger = site.register_person(2)
    data = copied(site, full)["data"]
    c = site.database.connection()
    for each in EXPORTED:
        mine = [row for row in c.rows(Statement(sa.select(each.table))) if stranger.id not in map(str, row)]
        if each.name in ("throttle_counters", "session_clients", "natural_persons"):
            continue  # they hold networks and sessions; found by other columns, and checked below
        assert len(data[each.name]) == len(mine), each.name
    assert [row["id"] for row in data["natural_persons"]] == [full.id]
    assert {row["subject"] for row in data["throttle_counters"]} <= {full.id}
    assert len(data["session_clients"]) == 1
    assert stranger.id not in json.dumps(data)


def test_no_store_names_the_person_without_being_known(site, full):
    """A database full of one person has their key in no table but those that are exported or left out by name."""
    decided = {each.name for each in EXPORTED} | NOT_EXPORTED.keys()
    c = site.database.connection()
    holding = {
        table.name
        for table in metadata.tables.values()
        if any(full.id in str(row) for row in c.rows(Statement(sa.select(table))))
    }
    assert holding - decided == set()
    assert len(holding) >= 14


def test_numbers_are_whole_only_here_and_secrets_nowhere(site, full):
    """The person's own number and phone are in the file, and no password hash, handle or digest is."""
    document = copied(site, full)
    text = json.dumps(document["data"], ensure_ascii=False)
    assert [row["number"] for row in document["data"]["person_identifiers"]] == [full.number]
    assert [row["number"] for row in document["data"]["person_phones"]] == ["+86139" + "00000012"]
    assert document["data"]["natural_persons"][0]["attributes"]["name"] == "欧阳娜娜"
    assert document["data"]["linked_accounts"][0]["login_name"] == "nana"
    assert document["data"]["corrections"][0]["text"] == "娜字写错了"
    assert [word for word in ("argon2", 'blind_index":', 'digest":', "yt_rt_") if word in text.replace(" ", "")] == []
    assert document["left_out"]["password_credentials.sealed"]


def test_accounts_merged_into_mine_are_in_my_copy(site, full):
    """Rows about an absorbed account are in the copy of the one who absorbed it."""
    other = site.register_person(3)
    merge = sa.update(natural_persons).where(natural_persons.c.id == sa.bindparam("other"))
    into = merge.values(status="merged", merged_into=sa.bindparam("into"))
    site.database.connection().execute(Statement(into), other=other.id, into=full.id)
    data = copied(site, full)["data"]
    assert {row["id"] for row in data["natural_persons"]} == {full.id, other.id}
    assert other.number in {row["number"] for row in data["person_identifiers"]}


def test_colleagues_are_not_named(site, full):
    """Who acted for the city is in the copy as a kind, never as that colleague's account."""
    with site.database.transaction() as c:
        (dispute,) = disputes.undecided(c)
        disputes.decide(
            c,
            dispute.id,
            separated=False,
            on_persons_changed=lambda *_: None,
            actor="operator:lao-wang",
            now=site.clock(),
        )
    text = json.dumps(copied(site, full))
    assert "lao-wang" not in text
    assert '"operator"' in text
