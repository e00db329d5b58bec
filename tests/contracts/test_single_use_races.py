"""Sixty-four threads race for each single-use thing, on both databases: exactly one wins every round.

`YITONG_RACE_ROUNDS` sets the number of rounds: few in a quick run, 1,000 in CI (`make race`).
"""

import base64
import hashlib
import json
import os
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from accounts import audit
from accounts.credentials import password as passwords
from accounts.credentials import recovery_codes, totp
from accounts.credentials.one_time_codes import CodeBinding, OneTimeCodes
from accounts.credentials.passkeys import MOST, Passkeys
from accounts.credentials.passkeys.ceremonies import RelyingParty
from accounts.credentials.passkeys.challenges import Binding, Purpose
from accounts.credentials.sending_limits import SendingLimits, SendingRequest
from accounts.database import Database, Statement, new_id
from accounts.errors import NotProven, Throttled
from accounts.people import People, natural_persons
from accounts.people.recovery import recoveries
from accounts.ports import StaffMember
from idp.oidc.clients import registry
from idp.oidc.endpoints.router import EndpointRouter
from idp.oidc.messages import Request
from idp.oidc.models import access_tokens, authorization_requests, grants, refresh_tokens
from idp.oidc.provider import Provider, ProviderPolicy
from idp.oidc.requests.code import IN_A_CODE
from idp.oidc.tokens import token_store
from idp.oidc.tokens.keys import KeyRing
from idp.oidc.tokens.secret import digest, new_secret
from idp.oidc.vocabulary import CODE_PREFIX
from idp.staff import members, second_factor
from tests.fixtures.authenticator import BOUND, Authenticator
from tests.fixtures.authenticator_app import shown

pytestmark = [pytest.mark.race, pytest.mark.timeout(3600)]

RACERS = 64
THREADS = 16  # the number of connections that race at once; the other racers start as these finish
ROUNDS = int(os.environ.get("YITONG_RACE_ROUNDS", "10"))
CALLBACK = "https://rp.example/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
LOGIN = Binding(Purpose.LOGIN, "")
COUNT_ACCESS = Statement(sa.select(sa.func.count().label("n")).where(access_tokens.c.request_id == sa.bindparam("of")))
COUNT_SUCCESSORS = Statement(
    sa.select(sa.func.count().label("n")).where(
        refresh_tokens.c.request_id == sa.bindparam("of"), refresh_tokens.c.used_at.is_(None)
    )
)
INSERT_REQUEST = Statement(sa.insert(authorization_requests))
INSERT_PERSON = Statement(sa.insert(natural_persons))
INSERT_REFRESH = Statement(sa.insert(refresh_tokens))
INSERT_GRANT = Statement(sa.insert(grants))


@pytest.fixture
def arena(database_url, vault, clock):
    """A provider whose racing threads wait for the writer instead of giving up."""
    database = Database(database_url, statement_timeout=timedelta(seconds=60))
    provider = Provider(
        database=database,
        issuer="https://idp.example",
        keys=KeyRing(database, vault),
        people=People(vault),
        policy=ProviderPolicy(),
        now=clock,
    )
    with database.transaction() as c:
        provider.keys.ensure(c, clock())
    made = Arena(provider, vault, clock)
    yield made
    made.close()
    database.close()


class Arena:
    """One provider, one person, one public client, and the racing threads."""

    def __init__(self, provider, vault, clock):
        self.provider, self.clock = provider, clock
        self.machine = EndpointRouter(provider)
        self.together = threading.Barrier(THREADS)
        self.pool = ThreadPoolExecutor(THREADS)
        self.person_id = new_id()
        c = provider.database.connection()
        sealed = vault.seal("{}", place="natural_persons.attributes")
        moment = {"created_at": clock(), "updated_at": clock()}
        nothing = {"merged_into": None, "restriction_id": None}
        c.execute(INSERT_PERSON, id=self.person_id, status="active", attributes=sealed, **nothing, **moment)
        new = registry.NewClient(
            client_id="public",
            name="公开",
            name_en="public",
            division="510500",
            purpose="测试",
            purpose_en="test",
            legal_basis="consent",
            redirect_uris=(CALLBACK,),
            scopes=("openid", "offline_access"),
            claims_ceiling=(),
            token_endpoint_auth_method="none",
        )
        with provider.database.transaction() as c:
            registry.create(c, new, now=clock())
            self.grant_id = self._grant(c, new)

    def _grant(self, c, new):
        """The id of the person's grant to that client."""
        row = dict.fromkeys(grants.c.keys())
        row |= {"id": new_id(), "person_id": self.person_id, "client_id": new.client_id, "given_at": self.clock()}
        row |= {"scopes": list(new.scopes), "claims": [], "purpose": new.purpose, "legal_basis": new.legal_basis}
        c.execute(INSERT_GRANT, **row)
        return row["id"]

    def race(self, act):
        """The results of all racers; the first ones of all threads start together."""

        def run(n):
            if n < THREADS:
                self.together.wait()
            return act()

        return list(self.pool.map(run, range(RACERS)))

    def close(self):
        """Every thread returns its connection."""

        def leave(_):
            self.together.wait()
            self.provider.database.close()

        list(self.pool.map(leave, range(THREADS)))
        self.pool.shutdown()

    def token(self, **form):
        """The status of the token endpoint's response."""
        body = "&".join(f"{name}={value}" for name, value in form.items()).encode()
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return self.machine.handle(Request("POST", "/token", headers=headers, body=body))

    def code(self, scopes=("openid",)):
        """The id and the code of a newly approved request."""
        request_id, now = new_id(), self.clock()
        facts = self.provider.people.vault.seal(json.dumps([request_id]), place=IN_A_CODE)
        code = CODE_PREFIX + base64.urlsafe_b64encode(facts).rstrip(b"=").decode()
        row = dict.fromkeys(authorization_requests.c.keys())
        row |= {
            "id": request_id,
            "kind": "browser",
            "state": "approved",
            "client_id": "public",
            "person_id": self.person_id,
            "grant_id": self.grant_id,
            "sub": "subject",
            "scopes": list(scopes),
            "claims": {},
            "released": [],
            "redirect_uri": CALLBACK,
            "response_mode": "query",
            "code_challenge": CHALLENGE,
            "acr_values": [],
            "prompt": [],
            "ui_locales": [],
            "amr": ["pwd"],
            "acr": "urn:yitong:ial2:aal1",
            "auth_time": now,
            "code_digest": digest(code),
            "created_at": now,
            "expires_at": now + timedelta(seconds=60),
        }
        self.provider.database.connection().execute(INSERT_REQUEST, **row)
        return request_id, code


def test_a_code_buys_tokens_once(arena):
    """Of sixty-four exchanges of one code, with or without refresh, one succeeds and issues one access token."""
    for n in range(ROUNDS):
        request_id, code = arena.code(("openid", "offline_access") if n % 2 else ("openid",))
        form = {
            "grant_type": "authorization_code",
            "client_id": "public",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        }
        statuses = [reply.status for reply in arena.race(lambda form=form: arena.token(**form))]
        assert sorted(set(statuses)) == [200, 400]
        assert statuses.count(200) == 1
        assert arena.provider.database.connection().one(COUNT_ACCESS, of=request_id).n == 1


def test_a_refresh_token_has_one_successor(arena):
    """Sixty-four rotations of one token give one successor, and every successful response has that one."""
    for _ in range(ROUNDS):
        (request_id, _), token, now = arena.code(), new_secret("yt_rt_"), arena.clock()
        row = dict.fromkeys(refresh_tokens.c.keys())
        row |= {
            "digest": digest(token),
            "grant_id": arena.grant_id,
            "request_id": request_id,
            "client_id": "public",
            "person_id": arena.person_id,
            "sub": "subject",
            "scopes": ["openid"],
            "claims": [],
            "amr": ["pwd"],
            "issued_at": now,
            "expires_at": now + timedelta(days=1),
            "ends_at": now + timedelta(days=2),
        }
        arena.provider.database.connection().execute(INSERT_REFRESH, **row)
        form = {"grant_type": "refresh_token", "client_id": "public", "refresh_token": token}
        replies = arena.race(lambda form=form: arena.token(**form))
        assert {reply.status for reply in replies} == {200}
        assert len({_member(reply, "refresh_token") for reply in replies}) == 1
        assert arena.provider.database.connection().one(COUNT_SUCCESSORS, of=request_id).n == 1


def test_a_client_assertion_is_spent_once(arena):
    """Of sixty-four uses of one `jti` one succeeds."""
    for _ in range(ROUNDS):
        key, until = secrets.token_bytes(32), arena.clock() + timedelta(minutes=1)

        def spend(key=key, until=until):
            return arena.provider.database.connection().execute(
                token_store.SPEND_ASSERTION, digest=key, expires_at=until
            )

        assert sum(arena.race(spend)) == 1


def test_an_initial_access_token_registers_as_often_as_it_says(arena):
    """Of sixty-four uses of a token with one use left one succeeds."""
    for _ in range(ROUNDS):
        key, now = secrets.token_bytes(32), arena.clock()
        arena.provider.database.connection().execute(
            token_store.INSERT_INITIAL_ACCESS,
            digest=key,
            policy={},
            created_at=now,
            expires_at=now + timedelta(days=1),
            uses_left=1,
        )

        def spend(key=key, now=now):
            return arena.provider.database.connection().execute(
                token_store.SPEND_INITIAL_ACCESS, of_digest=key, now=now
            )

        assert sum(arena.race(spend)) == 1


def test_an_authenticators_step_opens_once(arena):
    """Of sixty-four uses of one code of an authenticator app one succeeds."""
    vault = arena.provider.people.vault
    record = audit.row("person:authentication:totp", now=arena.clock(), person=arena.person_id)
    with arena.provider.database.transaction() as c:
        totp.begin(c, vault, arena.person_id, session="s", now=arena.clock())
        waiting = totp.pending(c, vault, arena.person_id, session="s", now=arena.clock())
    confirm = partial(totp.confirm, session="s")
    confirmed = arena.race(lambda: _once(arena, confirm, shown(waiting.secret, arena.clock()), record))
    assert confirmed.count(True) == 1
    for _ in range(ROUNDS):
        now = arena.clock.advance(minutes=61)  # replays count as guesses, too
        code = shown(waiting.secret, now)
        assert arena.race(lambda code=code: _once(arena, totp.spend, code, record)).count(True) == 1


def test_a_recovery_code_opens_once(arena):
    """Of sixty-four uses of one recovery code one succeeds."""
    vault, codes = arena.provider.people.vault, []
    record = audit.row("person:authentication:recovery_code", now=arena.clock(), person=arena.person_id)
    for _ in range(ROUNDS):
        if not codes:
            with arena.provider.database.transaction() as c:
                codes += recovery_codes.renew(c, vault, arena.person_id, now=arena.clock()).codes
        code = codes.pop()
        assert arena.race(lambda code=code: _once(arena, recovery_codes.spend, code, record)).count(True) == 1


def test_a_code_and_a_step_of_staff_open_once(arena):
    """Of sixty-four uses of an enrolment code, of the first code and of a later one, one succeeds each time."""
    vault, now = arena.provider.people.vault, arena.clock()
    with arena.provider.database.transaction() as c:
        member = members.remember(c, vault, StaffMember("S0001", "演示窗口", "510502"), now=now).id
        code = second_factor.issue_code(c, vault, member, now=now)
    record = audit.row("staff:authentication:totp", now=now, actor=f"staff:{member}")
    begin, confirm = (partial(each, session="s") for each in (second_factor.begin, second_factor.confirm))
    assert arena.race(lambda: _once(arena, begin, code, record, member)).count(True) == 1
    secret = second_factor.pending(arena.provider.database.connection(), vault, member, session="s", now=now).secret
    assert arena.race(lambda: _once(arena, confirm, shown(secret, now), record, member)).count(True) == 1
    for _ in range(ROUNDS):
        spend = partial(_once, arena, second_factor.spend, shown(secret, arena.clock.advance(minutes=61)))
        assert arena.race(partial(spend, record, member)).count(True) == 1


def _once(arena, spend, code, record, whose=None):
    """Whether this racer's code was accepted; after too many at once none is tried."""
    own = record | {"id": new_id()}
    try:
        with arena.provider.database.transaction() as c:
            whose = whose or arena.person_id
            return spend(c, arena.provider.people.vault, whose, code, now=arena.clock(), record=own)
    except Throttled:
        return False


@pytest.fixture
def passkeys(arena):
    """The passkeys of the arena, and one in a device with a counter."""
    made = Passkeys(arena.provider.people.vault, RelyingParty("localhost", "http://localhost:8000"))
    device = Authenticator(flags=BOUND, count=1)
    with arena.provider.database.transaction() as c:
        passwords.store(c, arena.provider.people.vault, arena.person_id, "$argon2id$", now=arena.clock())
        offer = made.offer(c, arena.person_id, "", arena.clock())
        sent = device.register(offer.challenge, offer.user_handle)
        place = {"person_id": arena.person_id, "browser": "", "now": arena.clock()}
        verified = made.verify_registration(sent, offer.challenge, offer.user_handle, **place)
        made.register(c, arena.person_id, verified, made_on=None, channel="web", now=arena.clock())
    return made, device


def _signed(arena, made, device, **chosen):
    """A new challenge that the device has signed."""
    challenge = made.challenge(LOGIN, arena.clock())
    sent, c = device.sign(challenge, **chosen), arena.provider.database.connection()
    return made.verify(c, sent, challenge, LOGIN, now=arena.clock())


def _used(arena, made, signed):
    """Whether this use signs in. The transaction commits either way."""
    place = {"source": "192.0.2.1", "channel": "web", "known_browsers": "", "now": arena.clock()}
    with arena.provider.database.transaction() as c:
        try:
            made.use(c, signed, **place)
        except NotProven:
            return False
    return True


def test_a_challenge_of_a_passkey_signs_in_once(arena, passkeys):
    """Of sixty-four uses of one signed challenge one signs in."""
    made, device = passkeys
    for _ in range(ROUNDS):
        signed = _signed(arena, made, device)
        assert sum(arena.race(lambda signed=signed: _used(arena, made, signed))) == 1


def test_a_count_of_a_passkey_signs_in_once(arena, passkeys):
    """Of sixty-four challenges that were signed at one count, as by copies of the key, one signs in."""
    made, device = passkeys
    for n in range(ROUNDS):
        signed = [_signed(arena, made, device, count=n + 2) for _ in range(RACERS)]
        assert sum(arena.race(lambda signed=signed: _used(arena, made, signed.pop()))) == 1


def test_an_offer_of_a_passkey_registers_once(arena, passkeys):
    """Of sixty-four answers to one offer one adds a passkey."""
    made, _ = passkeys
    person, now = arena.person_id, arena.clock()
    for _ in range(min(ROUNDS, MOST - 1)):
        offer, device = made.offer(arena.provider.database.connection(), person, "", now), Authenticator()
        sent = device.register(offer.challenge, offer.user_handle)
        place = {"person_id": person, "browser": "", "now": now}
        verified = made.verify_registration(sent, offer.challenge, offer.user_handle, **place)

        def add(verified=verified):
            with arena.provider.database.transaction() as c:
                try:
                    made.register(c, person, verified, made_on=None, channel="web", now=now)
                except NotProven:
                    return False
            return True

        assert sum(arena.race(add)) == 1


def test_a_code_to_a_phone_is_spent_once(arena):
    """Of sixty-four right guesses one succeeds; of sixty-four wrong ones three are counted, and the rest find none."""
    codes = OneTimeCodes(arena.provider.people.vault)

    for _ in range(ROUNDS):
        now, right, wrong = arena.clock(), *(CodeBinding(secrets.token_urlsafe(32), "login", "") for _ in range(2))
        c = arena.provider.database.connection()
        for binding in (right, wrong):
            codes.store(c, binding, "123456", person_id=arena.person_id, content="", now=now)

        def guess(binding, typed, now=now):
            return codes.guess(arena.provider.database.connection(), binding, typed, now)

        assert sum(each.is_right for each in arena.race(lambda b=right: guess(b, "123456"))) == 1
        guesses = arena.race(lambda b=wrong: guess(b, "000000"))
        assert sorted(each.left for each in guesses if each.person_id) == [0, 1, 2]
        assert not any(each.is_right for each in guesses)


def test_a_recovery_is_confirmed_used_and_finished_once(arena):
    """Of sixty-four second clerks one hands out a code, of its uses one counts, and one new password is paid for."""
    vault, database = arena.provider.people.vault, arena.provider.database

    def within(act):
        with database.transaction() as c:
            return act(c)

    for _ in range(ROUNDS):
        now, person = arena.clock(), arena.person_id

        def begin(c, now=now, person=person):
            return recoveries.begin_at_counter(c, person, clerk="operator:first", now=now)

        begun = within(begin)

        def confirm(c, begun=begun, now=now):
            return recoveries.confirm_at_counter(c, vault, begun, clerk="operator:second", now=now)

        (made,) = (each for each in arena.race(lambda: within(confirm)) if each)

        def use(c, code=made.code, now=now, person=person):
            return recoveries.use_code(c, vault, person, code, now=now)

        assert [each for each in arena.race(lambda: within(use)) if each] == [begun]

        def finish(c, begun=begun, now=now, person=person):
            return recoveries.finish(c, begun, person, now=now)

        assert arena.race(lambda: within(finish)).count(True) == 1


def test_a_limit_of_sending_holds_however_many_ask(arena):
    """Of sixty-four requests at once for one person's code five are sent."""
    limits = SendingLimits(daily_budget=10**6)
    for n in range(ROUNDS):
        source = f"{11 + n % 200}.{n // 200}.2.1"  # networks of their own: those have limits, too
        request = SendingRequest(source, f"person-{n}", f"phone-{n}")

        def count(request=request):
            return limits.count(arena.provider.database.connection(), request, arena.clock())

        assert sum(arena.race(count)) == 5


def _member(reply, name):
    return json.loads(reply.body)[name]


# Every Redemption of the product: the test that races it, or the reason why it may succeed more than once.
RACED = {
    "REDEEM_CODE": test_a_code_buys_tokens_once,
    "REDEEM_CODE_FOR_REFRESH": test_a_code_buys_tokens_once,
    "ROTATE_REFRESH_TOKEN": test_a_refresh_token_has_one_successor,
    "SPEND_STEP": test_an_authenticators_step_opens_once,
    "CONFIRM_AUTHENTICATOR": test_an_authenticators_step_opens_once,
    "SPEND_ENROLMENT_CODE": test_a_code_and_a_step_of_staff_open_once,
    "CONFIRM_STAFF_AUTHENTICATOR": test_a_code_and_a_step_of_staff_open_once,
    "SPEND_STAFF_STEP": test_a_code_and_a_step_of_staff_open_once,
    "SPEND_RECOVERY_CODE": test_a_recovery_code_opens_once,
}
NOT_SINGLE_USE = {
    "KEEP_REFRESH_TOKEN": "a confidential client keeps its token (decision 8)",
    "_APPROVE": "a person who presses twice is answered again, until the code is collected (decision 39)",
    "_SILENT": "a live session answers every request",
    "_SILENT_FIRST": "a live session answers every request",
    "_SIGN_IN": "opens a session; what is spent is the password check",
}
