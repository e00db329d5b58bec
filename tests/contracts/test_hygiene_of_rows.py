"""The scan of tests/fixtures/hygiene.py also reads databases."""

from datetime import UTC, datetime

import sqlalchemy as sa

from accounts.audit import append, audit_events
from accounts.database import Statement
from tests.fixtures.hygiene import Hygiene


def test_a_number_in_a_row_is_found(database):
    """The scan reads a database row by row."""
    with database.transaction() as c:
        append(
            c, "person:session:open", now=datetime(2026, 3, 2, tzinfo=UTC), detail={"note": "519999" + "199001010017"}
        )
    seen = Hygiene()
    seen.look_at_database("here", database)
    assert seen.hits
    with database.transaction() as c:
        c.execute(Statement(sa.delete(audit_events)))
