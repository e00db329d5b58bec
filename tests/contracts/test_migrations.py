"""Migrations on both databases build exactly the tables in code, remove them again, and are all or nothing."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from psycopg import sql
from sqlalchemy.engine import make_url

from accounts import audit
from accounts.audit import audit_events
from accounts.database import Database, Statement, metadata
from accounts.errors import DatabaseUnavailable
from idp import migrations
from idp.cli import main
from tests.fixtures.postgres import server

_CHECKS_OF_POSTGRES = sa.text(
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace"
)
_INDEXES_OF_POSTGRES = sa.text("SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")
_INDEXES_OF_SQLITE = sa.text("SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")


@pytest.fixture(params=["sqlite", "postgresql"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table."""
    if request.param == "sqlite":
        yield Database(f"sqlite:///{tmp_path / 'bare.db'}")
        return
    with server() as maintenance, psycopg.connect(maintenance, autocommit=True) as connection:
        name = sql.Identifier(f"yitong_bare_{secrets.token_hex(6)}")
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        url = make_url(maintenance).set(database=name.as_string().strip('"'))
        yield Database(url.render_as_string(hide_password=False))
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def _schema(database: Database) -> set[tuple[object, ...]]:
    """Columns, constraints and indexes, as the database describes them."""
    engine = database.engine()
    with engine.connect() as connection:
        seen = _columns(connection) | _constraints(connection, database.dialect)
    engine.dispose()
    return {row for row in seen if row[0] != "alembic_version"}


def _columns(connection: sa.Connection) -> set[tuple[object, ...]]:
    inspector = sa.inspect(connection)
    return {
        (table, column["name"], str(column["type"]), column["nullable"])
        for table in inspector.get_table_names()
        for column in inspector.get_columns(table)
    }


def _constraints(connection: sa.Connection, dialect: str) -> set[tuple[object, ...]]:
    if dialect == "postgresql":
        queries = (_CHECKS_OF_POSTGRES, _INDEXES_OF_POSTGRES)
        return {tuple(row) for query in queries for row in connection.execute(query)}
    inspector = sa.inspect(connection)
    found: set[tuple[object, ...]] = {tuple(row) for row in connection.execute(_INDEXES_OF_SQLITE)}
    for table in inspector.get_table_names():
        found |= {(table, c["name"], "".join(c["sqltext"].split())) for c in inspector.get_check_constraints(table)}
        found |= {(table, c["name"], *c["column_names"]) for c in inspector.get_unique_constraints(table)}
        found |= {(table, c["name"], c["referred_table"]) for c in inspector.get_foreign_keys(table)}
        found.add((table, *inspector.get_pk_constraint(table)["constrained_columns"]))
    return found


def test_migrated_is_what_the_code_describes(bare):
    """A migrated database and one made from the tables in code have the same columns, constraints and indexes."""
    migrations.upgrade(bare)
    assert migrations.differences(bare) == []
    assert migrations.current(bare) == migrations.newest() is not None
    migrated = _schema(bare)
    migrations.downgrade(bare, "base")
    engine = bare.engine()
    metadata.create_all(engine)
    engine.dispose()
    assert _schema(bare) == migrated


def test_upgrading_twice_changes_nothing(bare):
    """A second upgrade is fast and changes nothing."""
    migrations.upgrade(bare)
    before = _schema(bare)
    migrations.upgrade(bare)
    assert _schema(bare) == before


def test_downgrade_takes_everything_away(bare):
    """At the base revision none of our tables is left, and a new upgrade works."""
    migrations.upgrade(bare)
    migrations.downgrade(bare, "base")
    assert _schema(bare) == set()
    migrations.upgrade(bare)
    assert len({row[0] for row in _schema(bare)} & set(metadata.tables)) == len(metadata.tables)


def test_an_upgrade_that_breaks_off_changes_nothing(bare):
    """When a revision fails half-way, the database is unchanged, and the next upgrade succeeds."""
    last = max(metadata.tables)
    _run(bare, f"CREATE TABLE {last} (in_the_way INTEGER)")
    with pytest.raises((sa.exc.DatabaseError, DatabaseUnavailable)):
        migrations.upgrade(bare)
    assert {row[0] for row in _schema(bare)} == {last}
    _run(bare, f"DROP TABLE {last}")
    migrations.upgrade(bare)


_REQUEST = (
    "INSERT INTO authorization_requests (id, kind, state, client_id, scopes, claims, released, response_mode,"
    " acr_values, prompt, ui_locales, amr, created_at, expires_at)"
    " VALUES ('{0}', 'browser', 'open', 'fund', '[]', '{{}}', '[]', 'query', '[]', '[]', '[]', '[]', 1, 2)"
)
_REFRESH = (
    "INSERT INTO refresh_tokens (digest, family, request_id, client_id, person_id, sub, scopes, claims, amr, offline,"
    " issued_at, expires_at, ends_at, revoked_at)"
    " VALUES ('{0}', '{0}', '{0}', 'fund', 'p', 's', '[]', '[]', '[]', true, 1, 2, 3, {1})"
)


def test_what_was_revoked_stays_revoked_in_both_directions(bare):
    """A family's end moves to its request and back, so no upgrade makes a stolen token active again."""
    migrations.upgrade(bare, "7c2d90f4ab13")
    for request_id, revoked_at in (("stolen", "7"), ("good", "NULL")):
        _run(bare, _REQUEST.format(request_id))
        _run(bare, _REFRESH.format(request_id, revoked_at))
    migrations.upgrade(bare)
    assert _read(bare, "SELECT id, revoked_at FROM authorization_requests ORDER BY id") == [
        ("good", None),
        ("stolen", 7),
    ]
    migrations.downgrade(bare, "7c2d90f4ab13")
    kept = _read(bare, "SELECT request_id, family, revoked_at FROM refresh_tokens ORDER BY family")
    assert kept == [("good", "good", None), ("stolen", "stolen", 7)]


_ACCESS = (
    "INSERT INTO access_tokens (digest, request_id, session_id, client_id, person_id, sub, scopes, claims, issued_at,"
    " expires_at) VALUES ('{0}', '{0}', '{1}', 'fund', 'p', 's', '[]', '[]', 1, 2)"
)
_SESSION = (
    "INSERT INTO sessions (id, handle_digest, person_id, channel, amr, ial, auth_time, created_at, seen_at, expires_at,"
    " ended_at) VALUES ('{0}', '{0}', 'p', 'web', '[]', 2, 1, 1, 1, 2, {1})"
)


def test_an_access_token_that_ended_stays_ended_after_a_downgrade(bare):
    """The earlier release reads only the token's row, so the end of its request or session is copied there."""
    migrations.upgrade(bare)
    _run(
        bare,
        "INSERT INTO natural_persons (id, status, attributes, created_at, updated_at)"
        " VALUES ('p', 'active', 'x', 1, 1)",
    )
    for session_id, ended_at in (("over", "8"), ("on", "NULL")):
        _run(bare, _SESSION.format(session_id, ended_at))
    for request_id, session_id in (("stolen", "on"), ("left", "over"), ("good", "on")):
        _run(bare, _REQUEST.format(request_id))
        _run(bare, _ACCESS.format(request_id, session_id))
    _run(bare, "UPDATE authorization_requests SET revoked_at = 7 WHERE id = 'stolen'")
    migrations.downgrade(bare, "7c2d90f4ab13")
    kept = _read(bare, "SELECT request_id, revoked_at FROM access_tokens ORDER BY request_id")
    assert kept == [("good", None), ("left", 8), ("stolen", 7)]


def _read(database: Database, text: str) -> list[tuple[object, ...]]:
    engine = database.engine()
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(sa.text(text))]
    engine.dispose()
    return rows


def _run(database: Database, text: str) -> None:
    engine = database.engine()
    with engine.begin() as connection:
        connection.execute(sa.text(text))
    engine.dispose()


def test_a_change_of_the_schema_is_on_record_with_who_made_it(bare, monkeypatch):
    """An upgrade records once, a repeated one nothing, a downgrade before it drops; all in the change's transaction."""
    monkeypatch.setenv("YITONG_ENVIRONMENT", "test")
    monkeypatch.setenv("YITONG_ENV_FILE", "")
    monkeypatch.setenv("YITONG_DATABASE_URL", bare.url.render_as_string(hide_password=False))
    for _ in range(2):
        assert CliRunner().invoke(main, ["db", "upgrade"]).exit_code == 0
    (record,) = bare.connection().rows(Statement(sa.select(audit_events)))
    assert (record.event, record.actor[:9]) == ("administrator:schema:change", "operator:")
    assert record.detail == {"from": None, "to": migrations.newest()}
    bare.close()
    gone = []
    migrations.downgrade(bare, "base", record=lambda before, after: gone.append((before, after)) or audit_row())
    assert gone == [(migrations.newest(), "base")]


def audit_row():
    return audit.row("administrator:schema:change", now=datetime(2026, 3, 2, tzinfo=UTC))


def test_what_clients_worded_is_not_kept_in_the_clear(bare):
    """Decided requests lose the client's texts, open ones keep what they need; sessions keep browser names."""
    migrations.upgrade(bare)
    migrations.downgrade(bare, "c41e7a905d22")
    for request_id, state in (("r-1", "redeemed"), ("r-2", "denied"), ("r-3", "open")):
        _run(bare, _REQUEST.format(request_id))
        words = "client_state = 'a number', nonce = 'a name', login_hint = 'a phone', claims = '{\"userinfo\":{}}'"
        whose = "person_id = 'p', sub = 's', code_digest = 'd'" if bare.dialect == "sqlite" else _WHOSE
        _run(bare, f"UPDATE authorization_requests SET state = '{state}', {words}, {whose} WHERE id = '{request_id}'")
    migrations.upgrade(bare)
    engine = bare.engine()
    kept = sa.text("SELECT id, client_state, nonce, login_hint, claims FROM authorization_requests ORDER BY id")
    with engine.connect() as c:
        rows = [tuple(row) for row in c.execute(kept)]
    engine.dispose()
    assert rows == [
        ("r-1", None, None, None, "{}"),
        ("r-2", None, None, None, "{}"),
        ("r-3", "a number", "a name", None, '{"userinfo":{}}'),
    ]


_WHOSE = "person_id = 'p', sub = 's', code_digest = 'd'::bytea"
