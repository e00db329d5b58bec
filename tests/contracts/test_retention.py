"""Retention on both databases: expired rows are deleted, needed ones stay, and no statement is long."""

import os
import subprocess
import sys
import threading
from contextlib import closing
from datetime import timedelta

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from accounts import audit
from accounts.credentials import totp
from accounts.credentials.passkeys import challenges
from accounts.credentials.passkeys.challenges import Binding, Purpose
from accounts.credentials.throttle import Throttle, throttle_counters
from accounts.database import Database, Statement, metadata, new_id
from accounts.identifiers import CitizenId, Mobile
from accounts.people import NewPerson, People
from accounts.ports import ShortMessage, StaffMember
from idp.adapters.systems.sandbox import SandboxSms, sandbox_messages
from idp.cli.clients import invite
from idp.delivery import outbox
from idp.jobs import retention
from idp.jobs.retention import RETENTION_RULES
from idp.jobs.retention_rule import BATCH, LOWEST
from idp.login import session_store, sessions
from idp.login.sessions import SessionLifetimes
from idp.migrations import load_tables
from idp.oidc.assurance import Authentication
from idp.oidc.models import (
    access_tokens,
    authorization_requests,
    initial_access_tokens,
    refresh_tokens,
    signing_keys,
    spent_assertions,
)
from idp.staff import members, second_factor
from idp.staff import sessions as staff_sessions
from tests.contracts.conftest import SMALL
from tests.fixtures.authenticator_app import shown
from tests.fixtures.city import City
from tests.fixtures.site import citizen_number

load_tables()
BY_NAME = {each.name: each for each in RETENTION_RULES}
PHONE = Mobile.parse("13900000041")
HELLO = ShortMessage("phone_added", "zh-CN", (), "您好")
OFFLINE = ("openid", "offline_access")
PERSON, STAND_IN = "a" * 32, "b" * 64  # a person's key, and the digest of a name that nobody has
HOME = "192.0.2.7"
GO_ON = threading.Event()


@pytest.fixture
def city(database, vault, clock) -> City:
    return City(database, vault, clock)


def tidied(database, name, now):
    return retention.purge(database, BY_NAME[name], now, GO_ON)


def count(database, table):
    return database.connection().one(Statement(sa.select(sa.func.count().label("n")).select_from(table))).n


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch):
    monkeypatch.setattr(retention, "PAUSE", 0)


def test_an_access_token_goes_an_hour_after_its_end(city):
    """An unexpired token stays, also a revoked one, as it may be introspected; it goes an hour after expiry."""
    client = city.register_client()
    old = city.issue_tokens(client, ("openid",))["access_token"]
    city.clock.advance(hours=1, minutes=9)
    new = city.issue_tokens(client, ("openid",))["access_token"]
    city.post_as(client, "/revoke", token=new)
    assert tidied(city.database, "access_tokens", city.clock()) == 0
    city.clock.advance(minutes=2)
    assert tidied(city.database, "access_tokens", city.clock()) == 1
    assert city.introspect(client, old).json == {"active": False}
    assert count(city.database, access_tokens) == 1


def test_a_redeemed_code_is_known_while_what_it_bought_lives(city):
    """Half a year after the login a replay of the code still revokes its refresh token."""
    client = city.register_client()
    code = city.issue_code(client, OFFLINE)
    token = city.exchange(client, code).json["refresh_token"]
    for _ in range(6):
        city.clock.advance(days=29)
        assert city.refresh(client, token).status == 200
        assert tidied(city.database, "authorization_requests", city.clock()) == 0
    assert city.exchange(client, code).error == "invalid_grant"
    assert city.refresh(client, token).error == "invalid_grant"
    assert "client:token:replay" in city.audit_events()
    assert tidied(city.database, "authorization_requests", city.clock()) == 1


def test_a_request_nobody_can_use_goes_after_a_quarter_of_an_hour(city):
    """Open, denied or unredeemed: a quarter of an hour after its end. Redeemed: a day, to detect replays."""
    client = city.register_client()
    city.issue_code(client)
    city.issue_tokens(client, ("openid",))
    assert tidied(city.database, "authorization_requests", city.clock.advance(minutes=15)) == 0
    assert tidied(city.database, "authorization_requests", city.clock.advance(minutes=2)) == 1
    assert tidied(city.database, "authorization_requests", city.clock.advance(hours=23)) == 0
    assert tidied(city.database, "authorization_requests", city.clock.advance(hours=1)) == 1


def test_an_authenticator_without_a_first_code_goes(database, vault, clock):
    """A secret that was begun and never confirmed is deleted an hour later; a confirmed one stays."""
    people = People(vault)
    with database.transaction() as c:
        for serial in (1, 2):
            new = NewPerson("张三丰", (CitizenId.parse(citizen_number(serial)),))
            person = people.register(c, new, now=clock.now).id
            totp.begin(c, vault, person, session="s", now=clock.now)
        code = shown(totp.pending(c, vault, person, session="s", now=clock.now).secret, clock.now)
        added = audit.row("person:credential:add", now=clock.now, person=person)
        assert totp.confirm(c, vault, person, code, session="s", now=clock.now, record=added)
    assert tidied(database, "totp_credentials", clock.advance(minutes=59)) == 0
    assert tidied(database, "totp_credentials", clock.advance(minutes=2)) == 1
    assert totp.of(database.connection(), person)


def test_what_staff_leave_goes(database, vault, clock):
    """A secret that was never confirmed goes in an hour, a code the day after its end, a session ninety days after."""
    with database.transaction() as c:
        member = members.remember(c, vault, StaffMember("S0001", "演示窗口", "510502"), now=clock.now)
        staff_sessions.open_session(c, member, user_agent=None, source="192.0.2.1", now=clock.now)
        code = second_factor.issue_code(c, vault, member.id, now=clock.now)
        used = staff_sessions.row("staff:credential:enrol", member.id, source=None, now=clock.now)
        assert second_factor.begin(c, vault, member.id, code, session="s", now=clock.now, record=used)
    assert tidied(database, "staff_authenticators", clock.advance(minutes=59)) == 0
    assert tidied(database, "staff_authenticators", clock.advance(minutes=2)) == 1
    assert tidied(database, "staff_enrolments", clock.advance(hours=46)) == 0
    assert tidied(database, "staff_enrolments", clock.advance(hours=2)) == 1
    assert tidied(database, "staff_sessions", clock.advance(days=87)) == 0
    assert tidied(database, "staff_sessions", clock.advance(days=2)) == 1
    assert members.find(database.connection(), vault, "S0001") == member.id


def test_a_look_goes_on_where_the_last_one_ended(database, clock):
    """Every ten minutes only newly expired rows are read; rows that were kept are read again once a day."""
    throttle, c = Throttle(), database.connection()
    throttle.succeeded(c, throttle.check(c, person=PERSON, source=HOME, now=clock.now))
    rounds = retention._PurgeSchedule(BY_NAME["throttle_counters"])
    rounds.look(database, clock.advance(hours=2), GO_ON)
    assert count(database, throttle_counters) == 1
    clock.advance(days=180)
    asked = []
    database.count = lambda: asked.append(1)
    rounds._last, rounds._whole_due = clock(), clock.advance(days=1)
    rounds.look(database, clock.advance(hours=-1), GO_ON)
    assert len(asked) == 1
    assert count(database, throttle_counters) == 1
    rounds.look(database, clock.advance(hours=1), GO_ON)
    assert count(database, throttle_counters) == 0


def test_an_idle_refresh_token_lets_its_request_go(city):
    """A refresh token unused for thirty days is deleted, and so is the request kept for it."""
    city.issue_tokens(city.register_client(), OFFLINE)
    city.clock.advance(days=32)
    assert tidied(city.database, "refresh_tokens", city.clock()) == 1
    assert tidied(city.database, "authorization_requests", city.clock()) == 1


def test_a_spent_refresh_token_is_known_until_its_family_ends(city):
    """A late replay still ends the family; once the family has expired all its rows are deleted."""
    client = city.register_client(method="none")
    first = token = city.issue_tokens(client, OFFLINE)["refresh_token"]
    for _ in range(3):
        city.clock.advance(days=9)
        token = city.refresh(client, token).json["refresh_token"]
        assert tidied(city.database, "refresh_tokens", city.clock()) == 0
    city.refresh(client, first)
    assert city.refresh(client, token).error == "invalid_grant"
    city.clock.advance(days=1, minutes=1)
    assert tidied(city.database, "refresh_tokens", city.clock()) == 4


def test_a_family_that_ran_its_time_goes(city):
    """After the family's end its spent and unspent tokens are deleted alike."""
    client = city.register_client(method="none")
    city.refresh(client, city.issue_tokens(client, OFFLINE)["refresh_token"])
    assert tidied(city.database, "refresh_tokens", city.clock.advance(days=180, hours=23)) == 1
    assert tidied(city.database, "refresh_tokens", city.clock.advance(hours=2)) == 1
    assert count(city.database, refresh_tokens) == 0


def test_sessions_go_with_their_clients_a_day_after_their_end(city):
    """The source of a sign-in is not kept longer than needed; an active session stays."""
    city.register_client()
    now = city.clock()
    for hours in (1, 1000):
        lifetimes = SessionLifetimes(timedelta(hours=1), timedelta(hours=hours))
        proven = Authentication(("pwd",), now, 2, 1)
        prepared = sessions.prepare(
            city.person.id, proven, lifetimes, channel="web", user_agent="x", source=HOME, now=now
        )
        with city.database.transaction() as c:
            made = sessions.open_session(c, prepared)
            sessions.join_client(c, made.session.id, "fund", f"sub-{hours}", now)
    assert tidied(city.database, "sessions", city.clock.advance(hours=25)) == 0
    assert tidied(city.database, "sessions", city.clock.advance(minutes=1)) == 1
    (left,) = city.database.connection().rows(Statement(sa.select(session_store.session_clients)))
    assert left.sub == "sub-1000"


def test_counters_go_but_not_where_a_person_is_known(database, clock):
    """Old counters are deleted; the record of a success stays until it is too old itself."""
    throttle, c = Throttle(), database.connection()
    throttle.succeeded(c, throttle.check(c, person=PERSON, source=HOME, now=clock.now))
    throttle.check(c, person=PERSON, source="198.51.100.7", now=clock.now)
    throttle.check(c, person=STAND_IN, source="198.51.100.7", now=clock.now)
    assert tidied(database, "throttle_counters", clock.advance(minutes=16)) == 5
    assert tidied(database, "throttle_counters", clock.advance(hours=23)) == 0
    assert tidied(database, "throttle_counters", clock.advance(hours=1)) == 1
    assert tidied(database, "throttle_counters", clock.advance(days=180)) == 1


def test_a_network_that_guessed_is_remembered_for_a_day(database, clock):
    """Until then it is not a newcomer, so the newcomer's allowance does not return with every window."""
    throttle, c = Throttle(), database.connection()
    throttle.check(c, person=PERSON, source=HOME, now=clock.now)
    tidied(database, "throttle_counters", clock.advance(minutes=16))
    kinds = Statement(sa.select(throttle_counters.c.counter).where(throttle_counters.c.attempts > 0))
    throttle.check(c, person=PERSON, source=HOME, now=clock.now)
    assert "stranger" in {row.counter for row in c.rows(kinds)}


def test_an_assertion_is_known_until_it_could_not_be_used(city):
    """A client assertion is kept as long as it could be sent again."""
    client = city.register_client(method="private_key_jwt")
    assertion = city.client_assertion(client)
    form = city.client_proof(client).form | {"client_assertion": assertion, "grant_type": "client_credentials"}
    assert city.post("/token", form).status == 200
    city.clock.advance(seconds=59)
    tidied(city.database, "spent_assertions", city.clock())
    assert city.post("/token", form).error == "invalid_client"
    tidied(city.database, "spent_assertions", city.clock.advance(hours=2))
    assert count(city.database, spent_assertions) == 0


def test_a_spent_challenge_is_known_until_it_has_ended(database, vault, clock):
    """A challenge that a passkey signed is kept as long as it could be signed again, and an hour longer."""
    binding = Binding(Purpose.LOGIN, "")
    text = challenges.issue(vault, binding, clock())
    challenge = challenges.read(vault, text, binding, clock())
    with database.transaction() as c:
        assert challenges.spend(c, challenge)
    assert tidied(database, "spent_challenges", clock.advance(minutes=64)) == 0
    with database.transaction() as c:
        assert not challenges.spend(c, challenge)
    assert tidied(database, "spent_challenges", clock.advance(minutes=2)) == 1


def test_deliveries_go_a_month_after_their_end_and_never_before_it(database, vault, clock):
    """Undelivered rows stay however old; delivered and failed ones are deleted after thirty days."""
    with database.transaction() as c:
        ids = [outbox.send_sms(c, vault, phone=PHONE, message=HELLO, now=clock.now) for _ in range(3)]
    for row_id, column in zip(ids, ("delivered_at", "failed_at"), strict=False):
        end = sa.update(outbox.outbox).where(outbox.outbox.c.id == sa.bindparam("row"))
        at = sa.bindparam("at", type_=outbox.outbox.c.created_at.type)
        database.connection().execute(Statement(end.values({column: at})), row=row_id, at=clock.now)
    assert tidied(database, "outbox", clock.advance(days=30)) == 0
    assert tidied(database, "outbox", clock.advance(minutes=1)) == 2
    assert [row.id for row in outbox.undelivered(database.connection())] == [ids[2]]


def test_invitations_old_keys_and_demonstration_messages_go(city):
    """An invitation goes a month after its end, a signing key a month after publication ends, a message in a week."""
    with city.database.transaction() as c:
        invite(c, {}, uses=1, until=city.clock() + timedelta(days=7), now=city.clock())
        city.provider.keys.rotate(c, city.clock())
    SandboxSms(city.database, city.vault, city.clock, environment="test").send(PHONE, HELLO)
    city.clock.advance(days=31)
    assert tidied(city.database, "sandbox_messages", city.clock()) == 1
    assert tidied(city.database, "signing_keys", city.clock()) == 0
    city.clock.advance(days=7)
    assert tidied(city.database, "initial_access_tokens", city.clock()) == 1
    assert tidied(city.database, "signing_keys", city.clock()) == 2
    city.expire_caches()
    assert (
        city.exchange(city.register_client(), city.issue_code(city.register_client("other"))).error == "invalid_grant"
    )
    assert city.issue_tokens(city.register_client("third"))
    for table in (initial_access_tokens, sandbox_messages):
        assert count(city.database, table) == 0
    assert count(city.database, signing_keys) == 2


def test_records_ledgers_grants_and_subjects_stay(city):
    """Ten years of purges delete no row that is evidence."""
    city.issue_tokens(city.register_client(), OFFLINE)
    with city.database.transaction() as c:
        audit.append(c, "person:session:open", now=city.clock(), person=city.person.id)
    kept = ("audit_events", "releases", "grants", "subjects", "clients", "natural_persons", "person_identifiers")
    before = [count(city.database, metadata.tables[name]) for name in kept]
    assert min(before) > 0
    city.clock.advance(days=3653)
    for each in RETENTION_RULES:
        retention.purge(city.database, each, city.clock(), GO_ON)
    assert [count(city.database, metadata.tables[name]) for name in kept] == before
    assert count(city.database, refresh_tokens) == count(city.database, authorization_requests) == 0


def assertions(database, number, clock):
    insert = Statement(sa.insert(spent_assertions))
    rows = [{"digest": new_id().encode(), "expires_at": clock.now} for _ in range(number)]
    database.connection().execute_many(insert, rows)


@pytest.mark.parametrize("number", [0, 1, 19, 20, 21, 45])
def test_every_batch_is_small_and_none_is_missed(database, clock, number):
    """For any number of due rows, also of one moment, each statement takes few, and in the end none is left."""
    assertions(database, number, clock)
    now, after, sizes = clock.advance(days=1), None, []
    while True:
        removed = BY_NAME["spent_assertions"].batch(database, now=now, after=after, most=20)
        sizes.append(removed.rows)
        if removed.after is None:
            break
        after = removed.after
    assert (sum(sizes), max(sizes) <= 20) == (number, True)
    assert count(database, spent_assertions) == 0


def test_a_stop_ends_it_between_two_batches(database, clock, monkeypatch):
    """A stopped worker does not first finish a table of millions of rows."""
    assertions(database, BATCH + 1, clock)
    stop = threading.Event()
    database.count = stop.set
    assert retention.purge(database, BY_NAME["spent_assertions"], clock.advance(days=1), stop) == BATCH
    assert count(database, spent_assertions) == 1


def test_the_job_tidies_every_table_and_ends_when_told(database, clock):
    """The worker's thread does a whole round, and the stop signal ends it at once."""
    assertions(database, 3, clock)
    clock.advance(days=1)
    stop, mine = threading.Event(), Database(database.url.render_as_string(hide_password=False))
    job = threading.Thread(target=retention.run, args=(mine, clock, stop))
    job.start()
    for _ in range(200):
        if count(database, spent_assertions) == 0:
            break
        stop.wait(0.05)
    stop.set()
    job.join(10)
    assert (count(database, spent_assertions), job.is_alive()) == (0, False)


def test_the_worker_keeps_house_and_says_so(database, database_url, clock):
    """`yitong worker` purges by itself, logs what it removed, and ends with 0 when it is stopped."""
    assertions(database, 3, clock)
    command = [sys.executable, "-m", "idp.cli", "worker"]
    environment = {**os.environ, **SMALL, "YITONG_DATABASE_URL": database_url}
    worker = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    for _ in range(400):
        if count(database, spent_assertions) == 0:
            break
        GO_ON.wait(0.05)
    worker.terminate()
    _, said = worker.communicate(timeout=30)
    assert worker.returncode == 0, said
    assert "purged table=spent_assertions removed=3" in said


def test_a_table_that_cannot_be_tidied_now_does_not_end_the_job(tmp_path, clock):
    """Without tables or database the round continues, and the next one tries again."""
    nowhere = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    stop = threading.Event()
    job = threading.Thread(target=retention.run, args=(nowhere, clock, stop))
    job.start()
    job.join(0.5)
    assert job.is_alive()
    stop.set()
    job.join(10)
    assert not job.is_alive()


def plan(database, table, statement, **params):
    """The database's query plan for a statement as our driver sends it."""
    compiled = statement.compiled(database.connection().dialect)
    with closing(database.engine().raw_connection()) as pooled:
        driver = pooled.driver_connection
        if database.dialect == "sqlite":
            rows = driver.execute(f"EXPLAIN QUERY PLAN {compiled.text}", compiled.arguments(params)).fetchall()
            return "\n".join(row[3] for row in rows)
        driver.execute("SET enable_seqscan = off")
        # For a table vacuumed while empty every plan costs nothing; for a new table the planner guesses a size.
        driver.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.Identifier(table.name)))
        rows = psycopg.RawCursor(driver).execute(f"EXPLAIN {compiled.text}", compiled.arguments(params)).fetchall()
        return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("name", BY_NAME)
def test_no_statement_reads_a_whole_table(database, clock, name):
    """Selecting and deleting both follow an index from where the last batch ended."""
    each, now = BY_NAME[name], clock.now
    lowest = {f"{bound}_{i}": LOWEST[type(col.type)] for i, col in enumerate(each.walk) for bound in "al"}
    lowest = {key.replace("a_", "after_").replace("l_", "last_"): value for key, value in lowest.items()}
    params = {
        "now": now,
        "before": now,
        "collected_before": now,
        "familiar_since": now,
        "quiet_since": now,
        "most": BATCH,
        **lowest,
    }
    for statement in filter(None, (each._page, each._delete, each._first)):
        said = plan(database, each.table, statement, **params)
        assert ("SEARCH" in said and "SCAN" not in said) or "Index Cond" in said, said
        assert "Seq Scan" not in said, said


def test_what_the_store_reads_again_is_not_missed_by_it(city):
    """After a round a new login works as before."""
    for each in RETENTION_RULES:
        retention.purge(city.database, each, city.clock(), GO_ON)
    client = city.register_client()
    bought = city.issue_tokens(client, OFFLINE)
    for each in RETENTION_RULES:
        retention.purge(city.database, each, city.clock(), GO_ON)
    assert city.refresh(client, bought["refresh_token"]).status == 200
