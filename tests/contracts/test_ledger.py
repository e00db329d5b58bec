"""The ledger is read from both ends, in bounded steps, by an index."""

from contextlib import closing
from datetime import timedelta

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from accounts import audit
from accounts.database import Statement, microseconds, new_id
from idp.oidc.consent import consent_store
from idp.oidc.models import releases
from idp.rights import closing as closures
from idp.rights import corrections, disputes, export, ledger
from tests.contracts.test_cli_changes import ADD

INSERT = Statement(sa.insert(releases))


def fill(database, clock, number, client="housing", persons=3):
    """Releases a second apart, of these persons in turn; two share each moment."""
    start, people = clock.now, [f"{i:032x}" for i in range(persons)]
    rows = [
        {
            "id": new_id(),
            "at": start + timedelta(seconds=i // 2),
            "person_id": people[i % persons],
            "client_id": client,
            "grant_id": None,
            "request_id": None,
            "claims": ["name"] if i % 2 else ["name", "phone_number"],
            "purpose": "办理业务",
            "legal_basis": "consent",
        }
        for i in range(number)
    ]
    database.connection().execute_many(INSERT, rows)
    return rows


@pytest.mark.parametrize("number", [0, 1, 6, 7, 8, 21])
def test_whoever_was_touched_is_listed_once_for_each_release(database, clock, monkeypatch, number):
    """For any number of rows, also of one moment, the batches leave none out and repeat none."""
    monkeypatch.setattr(ledger, "BATCH", 7)
    rows = fill(database, clock, number)
    fill(database, clock, 5, client="other")
    found = [row.id for row in ledger.touched(database.connection(), "housing")]
    assert (sorted(found), len(found)) == (sorted(row["id"] for row in rows), number)


def test_since_leaves_out_what_came_before(database, clock):
    """A list from a moment on begins with that moment."""
    rows = fill(database, clock, 20)
    since = clock.now + timedelta(seconds=5)
    found = {row.id for row in ledger.touched(database.connection(), "housing", since)}
    assert found == {row["id"] for row in rows if row["at"] >= since}


def test_the_first_line_does_not_wait_for_the_last(database, clock):
    """One statement is enough for the first entry, however many there are."""
    fill(database, clock, ledger.BATCH + 1)
    seen = []
    database.count = lambda: seen.append(1)
    found = ledger.touched(database.connection(), "housing")
    next(found)
    assert len(seen) == 1
    assert sum(1 for _ in found) == ledger.BATCH
    assert len(seen) == 3


def plan(database, table, statement, **params):
    """The query plan, as tests/contracts/test_retention.py reads it."""
    compiled = statement.compiled(database.connection().dialect)
    with closing(database.engine().raw_connection()) as pooled:
        driver = pooled.driver_connection
        if database.dialect == "sqlite":
            rows = driver.execute(f"EXPLAIN QUERY PLAN {compiled.text}", compiled.arguments(params)).fetchall()
            return "\n".join(row[3] for row in rows)
        driver.execute("SET enable_seqscan = off")
        driver.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.Identifier(table)))
        rows = psycopg.RawCursor(driver).execute(f"EXPLAIN {compiled.text}", compiled.arguments(params)).fetchall()
        return "\n".join(row[0] for row in rows)


PERSON = {"person": "p"}
PLACE = {"before_id": "i", "most": 21}
READS = {
    "releases of a person": ("releases", ledger.OF_PERSON, PERSON | PLACE, ("before_at",)),
    "releases to a service": ("releases", ledger.TO_CLIENT, PERSON | PLACE | {"client": "c"}, ("before_at",)),
    "touched by a client": ("releases", ledger.TOUCHED, {"client": "c", "after_id": "", "most": 9}, ("after_at",)),
    "a grant": ("grants", ledger.GRANT, PERSON | {"of_grant": "g"}, ()),
    "grants": ("grants", consent_store.GRANTS_OF_PERSON, {"of_person": "p"}, ()),
    "refusals": ("refusals", consent_store.REFUSALS_OF_PERSON, {"of_person": "p"}, ("now",)),
    "older activity": ("audit_events", audit._BEFORE, PERSON | PLACE, ("before_at",)),
    "activity": ("audit_events", audit._RECENT, PERSON | {"most": 31}, ()),
    "older accounts": ("linked_accounts", disputes._LINKS, PERSON, ()),
    "disputes": ("link_disputes", disputes._UNDECIDED, {"most": 9}, ()),
    "corrections": ("corrections", corrections._OF, PERSON, ()),
    "corrections that wait": ("corrections", corrections._UNDECIDED, {"most": 9}, ()),
    "a closure": ("account_closures", closures._OPEN, PERSON, ()),
    "closures due": ("account_closures", closures._DUE, {"after_id": ""}, ("now", "after_at")),
    "closures of long ago": ("account_closures", closures._REMEMBERED, {}, ("before",)),
} | {f"export of {each.name}": (each.name, each.rows, PERSON, ()) for each in export.EXPORTED}


@pytest.mark.parametrize("name", READS)
def test_no_page_reads_a_whole_table(database, clock, name):
    """Every statement of the account's pages, of the export and of the job follows an index."""
    table, statement, given, moments = READS[name]
    said = plan(database, table, statement, **given, **dict.fromkeys(moments, clock.now))
    assert "Seq Scan" not in said, said
    if database.dialect == "sqlite":
        scanned = [line for line in said.splitlines() if line.startswith("SCAN") and "INDEX" not in line]
        assert [line for line in scanned if not line.startswith(("SCAN absorbed", "SCAN (subquery"))] == [], said


def test_the_command_lists_and_is_on_record(database, yitong, clock):
    """`yitong releases touched` prints time, key and claims; an unknown client is refused; reading is on record."""
    assert yitong("releases", "touched", "--client", "nobody").exit_code == 1
    assert yitong(*ADD).exit_code == 0
    fill(database, clock, 4, client="library")
    listed = yitong("releases", "touched", "--client", "library", "--since", "2026-03-02T09:00:01")
    assert listed.exit_code == 0, listed.output
    lines = [line.split("\t") for line in listed.output.splitlines()]
    assert [line[0] for line in lines] == ["2026-03-02T09:00:01Z"] * 2
    assert {line[2] for line in lines} == {"name", "name phone_number"}
    (record,) = [
        row
        for row in database.connection().rows(Statement(sa.select(audit.audit_events)))
        if row.event == "administrator:releases:read"
    ]
    assert (record.client_id, record.actor[:9]) == ("library", "operator:")
    assert microseconds(record.at)
