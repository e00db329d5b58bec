"""accounts.database behaves the same on SQLite and PostgreSQL."""

import gc
import threading
import weakref
from datetime import UTC, datetime, timedelta, timezone

import psycopg
import pytest
import sqlalchemy as sa

from accounts.database import Database, Json, Redemption, Statement, UtcDateTime, insert_unless_present
from accounts.errors import Conflict, DatabaseUnavailable

RACERS = 64
scratch = sa.MetaData()
tickets = sa.Table(
    "scratch_tickets",
    scratch,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime),
    sa.Column("facts", Json),
    sa.Column("flag", sa.Boolean),
    sa.Column("digest", sa.LargeBinary),
)
prizes = sa.Table(
    "scratch_prizes",
    scratch,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("ticket", sa.Text, sa.ForeignKey("scratch_tickets.id"), nullable=False),
    sa.Column("at", UtcDateTime),
)
ADD = Statement(sa.insert(tickets))
ADD_UNLESS_PRESENT = Statement(insert_unless_present(tickets))
FIND = Statement(sa.select(tickets).where(tickets.c.id == sa.bindparam("ticket_id")))
ALL = Statement(sa.select(tickets.c.id).order_by(tickets.c.id))
WON = Statement(sa.select(prizes))
REDEEM = Redemption(
    sa.update(tickets)
    .where(tickets.c.id == sa.bindparam("ticket_id"), tickets.c.state == "open")
    .values(state=sa.literal("redeemed")),
    prizes,
)
NOON = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)


def ticket(key="t1", **values):
    return {"id": key, "state": "open", "at": NOON, "facts": [1, "一"], "flag": True, "digest": b"\x00\xff", **values}


@pytest.fixture
def scratch_database(database):
    engine = database.engine()
    scratch.create_all(engine)
    yield database
    database.close()
    scratch.drop_all(engine)
    engine.dispose()


def test_values_come_back_as_they_went(scratch_database):
    """Times, lists, booleans and bytes are the same on every database."""
    c = scratch_database.connection()
    assert c.execute(ADD, **ticket(at=NOON.astimezone(timezone(timedelta(hours=8))))) == 1
    found = c.one(FIND, ticket_id="t1")
    assert (found.at, found.facts, found.flag, bytes(found.digest)) == (NOON, [1, "一"], True, b"\x00\xff")
    assert found.at.tzinfo is UTC


def test_nothing_found_is_none(scratch_database):
    """An absent row is None, not an error."""
    assert scratch_database.connection().one(FIND, ticket_id="nobody") is None


def test_a_forgotten_parameter_is_an_error(scratch_database):
    """A statement without one of its parameters raises KeyError, so no column stays empty by mistake."""
    row = ticket()
    del row["flag"]
    with pytest.raises(KeyError):
        scratch_database.connection().execute(ADD, **row)


def test_a_naive_time_is_refused(scratch_database):
    """A time without a zone names no moment."""
    with pytest.raises(TypeError):
        scratch_database.connection().execute(ADD, **ticket(at=NOON.replace(tzinfo=None)))


def test_a_text_is_never_cut_at_a_nul(scratch_database):
    """A key with a NUL never matches the shorter known key: C would end the text at the NUL."""
    c = scratch_database.connection()
    c.execute(ADD, **ticket())
    try:
        found = c.one(FIND, ticket_id="t1\0of somebody else")
    except psycopg.DataError:  # PostgreSQL cannot store such a text
        found = None
    assert found is None


def test_a_second_row_with_the_same_key_conflicts(scratch_database):
    """The database, not a check before it, keeps keys unique, for single rows and in bulk."""
    c = scratch_database.connection()
    c.execute(ADD, **ticket())
    with pytest.raises(Conflict):
        c.execute(ADD, **ticket())
    with pytest.raises(Conflict):
        c.execute_many(ADD, [ticket("t2"), ticket("t1")])
    assert [row.id for row in c.rows(ALL)] == ["t1"]
    assert c.execute(ADD_UNLESS_PRESENT, **ticket()) == 0


def test_a_foreign_key_conflicts(scratch_database):
    """The written row must refer to an existing row; otherwise nothing is spent."""
    c = scratch_database.connection()
    c.execute(ADD, **ticket())
    with pytest.raises(Conflict):
        c.redeem(REDEEM, {"ticket_id": "t1"}, {"id": "p1", "ticket": "nobody", "at": NOON})
    assert c.one(FIND, ticket_id="t1").state == "open"


def test_inner_transactions_join_the_outer_one(scratch_database):
    """The outermost block decides, also about the work of a finished inner block."""
    with pytest.raises(ZeroDivisionError), scratch_database.transaction() as c:  # noqa: PT012 - the block is the point
        with scratch_database.transaction() as inner:
            assert inner is c
            inner.execute(ADD, **ticket())
        raise ZeroDivisionError
    assert scratch_database.connection().rows(ALL) == []
    with scratch_database.transaction() as c:
        c.execute(ADD, **ticket())
        c.execute_many(ADD, [ticket("t2"), ticket("t3")])
    assert len(scratch_database.connection().rows(ALL)) == 3


def test_what_is_spent_once_is_bought_once(scratch_database):
    """A second redemption spends and writes nothing."""
    c = scratch_database.connection()
    c.execute(ADD, **ticket())
    assert c.redeem(REDEEM, {"ticket_id": "t1"}, {"id": "p1", "ticket": "t1", "at": NOON})
    assert not c.redeem(REDEEM, {"ticket_id": "t1"}, {"id": "p2", "ticket": "t1", "at": NOON})
    assert [(row.id, row.at) for row in c.rows(WON)] == [("p1", NOON)]


@pytest.mark.race
def test_of_many_racers_one_wins(scratch_database):
    """Of sixty-four threads that redeem one ticket at once one succeeds, and one prize exists."""
    scratch_database.connection().execute(ADD, **ticket())
    patient = Database(
        scratch_database.url.render_as_string(hide_password=False), statement_timeout=timedelta(seconds=60)
    )
    start, won = threading.Barrier(RACERS), []

    def race(number):
        c = patient.connection()
        start.wait()
        if c.redeem(REDEEM, {"ticket_id": "t1"}, {"id": f"p{number}", "ticket": "t1", "at": NOON}):
            won.append(f"p{number}")
        patient.close()

    threads = [threading.Thread(target=race, args=(number,)) for number in range(RACERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert [row.id for row in scratch_database.connection().rows(WON)] == won


def test_each_thread_has_its_own_connection_and_gives_it_back(scratch_database):
    """Two threads never share a socket, and a thread that ends leaves no connection open."""
    theirs = []
    thread = threading.Thread(target=lambda: theirs.append(weakref.ref(scratch_database.connection())))
    mine = scratch_database.connection()
    thread.start()
    thread.join()
    gc.collect()
    assert theirs[0]() is None
    assert scratch_database.connection() is mine


def test_a_dropped_connection_is_replaced_at_the_next_call(scratch_database):
    """A restart of the server costs each thread one failed request, not the process."""
    if scratch_database.dialect == "sqlite":
        scratch_database.close()
    else:
        scratch_database.connection().rows(ALL)
        _drop_every_other_connection(scratch_database)
        with pytest.raises(DatabaseUnavailable):
            scratch_database.connection().rows(ALL)
    assert scratch_database.connection().rows(ALL) == []


def _drop_every_other_connection(database):
    engine = database.engine()
    with engine.connect() as other:
        other.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    engine.dispose()


def test_a_drop_inside_a_transaction_leaves_the_next_one_whole(scratch_database):
    """Half a transaction is never committed, and the thread can start a new one."""
    if scratch_database.dialect == "postgresql":
        with pytest.raises(DatabaseUnavailable), scratch_database.transaction() as c:  # noqa: PT012 - as above
            c.execute(ADD, **ticket())
            _drop_every_other_connection(scratch_database)
            c.execute(ADD, **ticket("t2"))
    with scratch_database.transaction() as c:
        c.execute(ADD, **ticket("t3"))
    assert [row.id for row in scratch_database.connection().rows(ALL)] == ["t3"]


def test_an_unreachable_database_says_so(tmp_path):
    """Without a database server our own error is raised, not the driver's."""
    for url in (f"sqlite:///{tmp_path}/missing/x.db", "postgresql://yitong@127.0.0.1:1/none"):
        with pytest.raises(DatabaseUnavailable):
            Database(url).connection()


def test_a_socket_is_an_address_too(postgres_url):
    """Requests and migrations reach a PostgreSQL on the same machine over its socket."""
    with psycopg.connect(postgres_url) as connection:
        (folder,) = connection.execute("SHOW unix_socket_directories").fetchone()
    url = sa.make_url(postgres_url)
    address = f"postgresql://{url.username}@/{url.database}?host={folder.split(',')[0]}&port={url.port}"
    local, where = Database(address), sa.text("SELECT inet_server_addr()")
    assert local.connection().rows(Statement(sa.select(sa.literal(1).label("one")))) == [(1,)]
    with local.engine().connect() as connection:
        assert connection.execute(where).scalar() is None
    local.close()


def test_statements_are_counted(scratch_database):
    """A test can limit the number of statements of a request."""
    counted = []
    scratch_database.count = lambda: counted.append(1)
    scratch_database.connection().rows(ALL)
    assert counted == [1]


def test_a_connection_is_handed_from_thread_to_thread(database):
    """There are as many connections as are used at once: a thread that needs none returns its own."""
    mine = database.connection()
    database.release()
    theirs = []

    def other():
        theirs.append(database.connection())
        database.release()

    thread = threading.Thread(target=other)
    thread.start()
    thread.join(10)
    assert theirs == [mine]
    with database.transaction() as c:
        database.release()
        assert database.connection() is c is mine
