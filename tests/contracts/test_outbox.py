"""The outbox on both databases: rows are written with the change, sent once, retried after failure, and never lost."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from accounts.database import Database, Statement
from accounts.errors import MessageRefused, RegistryUnavailable
from accounts.identifiers import Mobile
from accounts.ports import ShortMessage
from idp.delivery.fetcher import Fetched, Fetcher, FetchFailed
from idp.delivery.messages import short_message
from idp.delivery.outbox import announce_logout, outbox, send_sms, undelivered
from idp.delivery.worker import GIVE_UP_AFTER, LEASE, OUTBOX_KINDS, DeliveryChannels, LogoutNotice, Worker, pause_before

ALL = Statement(sa.select(outbox).order_by(outbox.c.created_at))
PHONE = Mobile.parse("+8613900000011")
HELLO = ShortMessage("phone_added", "zh-CN", (("person", "欧*娜"),), "您好")
CODE = short_message("login_code", "zh-CN", code="123456", person="欧*娜", service="公积金")


class Listener(Fetcher):
    """A relying system that returns what the test sets, and records what it receives."""

    def __init__(self) -> None:
        super().__init__()
        self.status, self.body, self.heard = 200, b"", []
        self.hold = threading.Event()
        self.hold.set()

    def post_form(self, url, form):
        self.hold.wait(5)
        self.heard.append((url, form["logout_token"]))
        if self.status == 0:
            raise FetchFailed("no_connection")
        return Fetched(self.status, self.body, {})


class Gateway:
    def __init__(self) -> None:
        self.sent, self.called, self.down, self.refuses = [], [], False, False

    def send(self, phone, message):
        if self.down:
            raise RegistryUnavailable(detail="isv.BUSINESS_LIMIT_CONTROL")
        if self.refuses:
            raise MessageRefused(detail="isv.MOBILE_NUMBER_ILLEGAL")
        self.sent.append((phone, message))
        return "1"

    def call(self, phone, message):
        self.called.append((phone, message))
        return "1"


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def outlets(listener, gateway, vault) -> DeliveryChannels:
    def token(notice: LogoutNotice, now) -> str:
        return f"{notice.jti}:{notice.client_id}:{notice.sub}:{notice.sid}:{now.isoformat()}"

    return DeliveryChannels(fetcher=listener, vault=vault, sms=gateway, logout_token=token)


@pytest.fixture
def worker(database: Database, outlets: DeliveryChannels) -> Iterator[Worker]:
    made = Worker(database, outlets)
    yield made
    made.close()


def _announce(database: Database, clock, client: str = "housing", sid: str = "s1") -> str:
    with database.transaction() as c:
        uri = f"https://{client}.example/logout"
        return announce_logout(c, client_id=client, uri=uri, sub="p1", sid=sid, now=clock.now)


def _row(database: Database):
    return database.connection().one(ALL)


def test_a_rolled_back_fact_announces_nothing(database, clock, worker):
    """The row is rolled back with the transaction that wrote it."""

    class Stop(Exception):
        pass

    def fail() -> None:
        with database.transaction() as c:
            announce_logout(c, client_id="a", uri="https://a.example/", sub="p", sid=None, now=clock.now)
            raise Stop

    with pytest.raises(Stop):
        fail()
    assert worker.run_once(clock.now) == 0


def test_a_logout_is_told_once(database, clock, worker, listener):
    """A delivered row is never delivered again."""
    _announce(database, clock)
    assert worker.run_once(clock.now) == 1
    assert worker.run_once(clock.advance(days=2)) == 0
    assert [(url, token.split(":")[1:4]) for url, token in listener.heard] == [
        ("https://housing.example/logout", ["housing", "p1", "s1"])
    ]
    assert _row(database).delivered_at is not None


def test_204_is_delivered(database, clock, worker, listener):
    """A response of 204 counts as delivered (Back-Channel Logout 1.0 §2.8)."""
    listener.status = 204
    _announce(database, clock)
    worker.run_once(clock.now)
    assert _row(database).delivered_at == clock.now


@pytest.mark.parametrize(
    ("status", "error"), [(0, "no_connection"), (302, "302"), (401, "401"), (404, "404"), (429, "429"), (500, "500")]
)
def test_a_failure_is_tried_again_with_a_token_of_its_own(database, clock, worker, listener, status, error):
    """After a failure the row waits; the retry has a new token with a new `jti`."""
    listener.status = status
    _announce(database, clock)
    worker.run_once(clock.now)
    waiting = _row(database)
    assert waiting.next_attempt_at > clock.now
    assert error in waiting.last_error
    listener.status = 200
    assert worker.run_once(clock.now) == 0
    assert worker.run_once(clock.advance(seconds=3)) == 1
    first, second = (token.split(":", 4) for _, token in listener.heard)
    assert first[0] != second[0]
    assert first[1:4] == second[1:4]
    assert first[4] != second[4]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the client refused it: 400"),
        (
            b'{"error":"invalid_request","error_description":"13900000011"}',
            "the client refused it: 400 invalid_request",
        ),
        (b'{"error":"13900000011"}', "the client refused it: 400"),
        (b'{"error":["x"]}', "the client refused it: 400"),
        (b"[]", "the client refused it: 400"),
        (b"<html>", "the client refused it: 400"),
    ],
)
def test_400_is_the_last_word(database, clock, worker, listener, body, reason):
    """A notice refused with 400 is not sent again (Back-Channel Logout 1.0 §2.8), and the reason is listed."""
    listener.status, listener.body = 400, body
    _announce(database, clock)
    assert worker.run_once(clock.now) == 1
    assert worker.run_once(clock.advance(days=2)) == 0
    (listed,) = undelivered(database.connection())
    assert (listed.last_error, listed.attempts, len(listener.heard)) == (reason, 1, 1)
    assert _row(database).failed_at is not None


def test_a_day_of_silence_ends_in_a_failure_everybody_can_see(database, clock, worker, listener):
    """A client that never responds is retried for 24 hours; then the row has failed and stays listed."""
    listener.status = 0
    began = clock.now
    _announce(database, clock)
    while _row(database).failed_at is None:
        worker.run_once(clock.advance(minutes=30))
        assert clock.now - began < GIVE_UP_AFTER + timedelta(hours=3)
    assert clock.now - began >= GIVE_UP_AFTER
    (listed,) = undelivered(database.connection())
    assert (listed.client_id, listed.last_error) == ("housing", "no_connection")
    assert worker.run_once(clock.advance(days=3)) == 0


def test_pauses_double_up_to_an_hour_and_are_jittered():
    """Clients do not retry at the same moment, and no pause is longer than an hour."""
    for attempt in range(1, 40):
        full = min(timedelta(seconds=2**attempt), timedelta(hours=1))
        pauses = {pause_before(attempt) for _ in range(20)}
        assert full / 2 <= min(pauses)
        assert max(pauses) <= full
        assert len(pauses) > 10


def test_two_workers_never_deliver_one_row_twice(database, database_url, clock, outlets, listener):
    """Eight workers deliver fifty rows of one database, each row exactly once."""
    for n in range(50):
        _announce(database, clock, client=f"c{n % 10}", sid=f"s{n}")
    start = threading.Barrier(8)

    def work() -> None:
        own = Database(database_url)
        mine = Worker(own, outlets)
        start.wait()
        mine.run_once(clock.now)
        mine.close()
        own.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [tuple(token.split(":")[1:4]) for _, token in listener.heard]
    assert len(told) == len(set(told)) == 50


def test_what_a_killed_worker_held_is_tried_again_after_the_lease(database, clock, outlets, worker, listener):
    """A claim of a killed worker ends with its lease."""

    class Killed(Worker):
        def _record(self, row, outcome, now):
            self._busy[row.destination] -= 1

    _announce(database, clock)
    dead = Killed(database, outlets)
    dead.run_once(clock.now)
    dead.close()
    assert worker.run_once(clock.advance(seconds=LEASE.total_seconds() - 1)) == 0
    assert worker.run_once(clock.advance(seconds=2)) == 1
    assert _row(database).delivered_at is not None


def test_a_hanging_client_does_not_delay_the_others(database, clock, outlets, listener, gateway):
    """While every delivery to one client hangs, messages to others are sent."""
    listener.hold.clear()
    for n in range(20):
        _announce(database, clock, sid=f"s{n}")
    with database.transaction() as c:
        send_sms(c, outlets.vault, phone=PHONE, message=HELLO, now=clock.now)
    stop, worker = threading.Event(), Worker(database, outlets)
    thread = threading.Thread(target=_run, args=(worker, database, clock, stop))
    thread.start()
    for _ in range(200):
        if gateway.sent:
            break
        threading.Event().wait(0.01)
    sent_while_hanging = list(gateway.sent)
    listener.hold.set()
    stop.set()
    thread.join()
    worker.close()
    assert sent_while_hanging == [(PHONE, HELLO)]


def _run(worker: Worker, database: Database, clock, stop: threading.Event) -> None:
    worker.run(clock, stop, poll=timedelta(milliseconds=10))
    database.close()


def test_a_message_is_stored_sealed_and_forgotten_when_sent(database, clock, outlets, worker, gateway):
    """Phone and text are unreadable in the table, and both are erased once the gateway has them."""
    with database.transaction() as c:
        send_sms(c, outlets.vault, phone=PHONE, message=CODE, now=clock.now)
    gateway.down = True
    worker.run_once(clock.now)
    row = _row(database)
    assert "1390" not in str((row.payload, row.destination, row.last_error))
    assert row.last_error == "registry_unavailable isv.BUSINESS_LIMIT_CONTROL"
    assert PHONE.canonical.encode() not in row.sealed
    gateway.down = False
    worker.run_once(clock.advance(seconds=3))
    assert gateway.sent == [(PHONE, CODE)]
    assert _row(database).sealed is None


def test_without_a_gateway_a_message_waits_and_says_why(database, clock, outlets):
    """Without an SMS gateway messages wait, and the operator sees the reason."""
    with database.transaction() as c:
        send_sms(c, outlets.vault, phone=PHONE, message=HELLO, now=clock.now)
    worker = Worker(database, replace(outlets, sms=None))
    worker.run_once(clock.now)
    worker.close()
    assert _row(database).last_error == "no SMS gateway is configured"


def test_a_message_by_voice_is_a_call(database, clock, outlets, worker, gateway):
    """A person who asks to be called is called, and gets no text."""
    with database.transaction() as c:
        send_sms(c, outlets.vault, phone=PHONE, message=CODE, now=clock.now, by_voice=True)
    assert worker.run_once(clock.now) == 1
    assert (gateway.sent, gateway.called) == ([], [(PHONE, CODE)])


def test_a_code_that_has_expired_is_not_sent(database, clock, outlets, worker, gateway):
    """A gateway that was down for longer than the code was valid sends nothing afterwards."""
    with database.transaction() as c:
        send_sms(c, outlets.vault, phone=PHONE, message=CODE, now=clock.now, until=clock.now + timedelta(minutes=5))
    gateway.down = True
    worker.run_once(clock.now)
    gateway.down = False
    worker.run_once(clock.advance(minutes=5))
    row = _row(database)
    assert (gateway.sent, row.last_error, row.sealed) == ([], "it was of no use any more", None)
    assert row.failed_at == clock.now


def test_a_message_that_the_gateway_refuses_is_not_tried_again(database, clock, outlets, worker, gateway):
    """The operator reads the gateway's code; phone and text are gone."""
    with database.transaction() as c:
        send_sms(c, outlets.vault, phone=PHONE, message=HELLO, now=clock.now)
    gateway.refuses = True
    worker.run_once(clock.now)
    row = _row(database)
    assert (row.last_error, row.sealed) == ("the gateway refused it: isv.MOBILE_NUMBER_ILLEGAL", None)
    assert worker.run_once(clock.advance(hours=1)) == 0


def test_a_message_to_nobody_leaves_no_row(database, clock, outlets):
    """Whoever asks for a code to an unknown phone causes the same statement, and nothing is stored."""
    with database.transaction() as c:
        send_sms(c, outlets.vault, phone=PHONE, message=CODE, now=clock.now, really=False)
    assert database.connection().rows(ALL) == []


def test_every_kind_the_table_allows_has_a_deliverer():
    """The CHECK of the table and OUTBOX_KINDS name the same kinds."""
    (check,) = [c for c in outbox.constraints if isinstance(c, sa.CheckConstraint) and str(c.name).endswith("kind")]
    assert all(f"'{kind.name}'" in str(check.sqltext) for kind in OUTBOX_KINDS)
    assert str(check.sqltext).count("'") == 2 * len(OUTBOX_KINDS)
