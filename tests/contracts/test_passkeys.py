"""Passkeys on both databases: what registers and logs in, and what an attacker sends instead."""

import json
import secrets

import pytest
import sqlalchemy as sa

from accounts import audit, evidence
from accounts.credentials import password as passwords
from accounts.credentials.passkeys import MOST, Passkeys, challenges
from accounts.credentials.passkeys.ceremonies import RelyingParty
from accounts.credentials.passkeys.challenges import Binding, ChallengeOver, Purpose, spent_challenges
from accounts.credentials.passkeys.passkey_store import passkeys as table
from accounts.database import Statement
from accounts.errors import CredentialRefused, NotProven
from accounts.evidence import EvidenceKind
from accounts.identifiers import IdentifierKind, parse
from accounts.merging.linking import linked_accounts
from accounts.people import NewPerson, People
from accounts.vault import Vault
from tests.fixtures.authenticator import BOUND, ELIGIBLE, PRESENT, SYNCED, VERIFIED, Authenticator, base64url
from tests.fixtures.city import number

BROWSER, OTHER_BROWSER = "b" * 43, "c" * 43
LOGIN = Binding(Purpose.LOGIN, BROWSER)


class Registry:
    """Passkeys on one database, with one person who has a password."""

    def __init__(self, database, vault, clock):
        self.database, self.vault, self.clock = database, vault, clock
        self.passkeys = Passkeys(vault, RelyingParty("localhost", "http://localhost:8000"))
        self.person = self.register_person()

    def register_person(self, serial=1, *, password=True):
        new = NewPerson("欧阳娜娜", (parse(IdentifierKind.CITIZEN_ID, number("19900101", serial)),))
        with self.database.transaction() as c:
            person = People(self.vault).register(c, new, now=self.clock())
            if password:
                passwords.store(c, self.vault, person.id, "$argon2id$", now=self.clock())
        return person.id

    def offer(self, person=None, browser=BROWSER):
        return self.passkeys.offer(self.database.connection(), person or self.person, browser, self.clock())

    def add(self, device, person=None, browser=BROWSER, offer=None, **wrong):
        """The device makes a passkey for the person. Returns its id."""
        person, made = person or self.person, offer or self.offer(person)
        sent = device.register(made.challenge, wrong.pop("handle", made.user_handle), **wrong)
        verified = self.passkeys.verify_registration(
            sent, made.challenge, device.user_handle, person_id=person, browser=browser, now=self.clock()
        )
        with self.database.transaction() as c:
            return self.passkeys.register(
                c, person, verified, made_on="Android Chrome", channel="web", now=self.clock()
            )

    def challenge(self, binding=LOGIN):
        return self.passkeys.challenge(binding, self.clock())

    def log_in(self, sent, challenge, binding=LOGIN):
        """The person and the methods of a login. The transaction commits whatever happens, as that of a page does."""
        signed = self.passkeys.verify(self.database.connection(), sent, challenge, binding, now=self.clock())
        refused = None
        with self.database.transaction() as c:
            try:
                place = {"source": "192.0.2.1", "channel": "web", "known_browsers": ""}
                proof, record = self.passkeys.use(c, signed, **place, now=self.clock())
                audit.record(c, record)
            except NotProven as error:
                refused = error
        if refused is not None:
            raise refused
        return proof

    def sign_in(self, device, **wrong):
        """The same for a page that was loaded a second after the last one."""
        self.clock.advance(seconds=1)
        challenge = self.challenge()
        return self.log_in(device.sign(challenge, **wrong), challenge)

    def events(self, name="person:authentication:passkey"):
        """(outcome, detail) of each record of that event, oldest first."""
        found = audit.recent(self.database.connection(), self.person, 100)
        return [(each.outcome, dict(each.detail or {})) for each in reversed(found) if each.event.name == name]

    def count(self, of):
        return self.database.connection().one(Statement(sa.select(sa.func.count().label("n")).select_from(of))).n


@pytest.fixture
def registry(database, vault, clock):
    return Registry(database, vault, clock)


@pytest.fixture
def device():
    return Authenticator()


def test_a_passkey_logs_its_person_in(registry, device):
    """Whoever holds the device is the person, without a name typed, and the login is on record."""
    registry.add(device)
    proof = registry.sign_in(device)
    assert (proof.person_id, proof.methods, proof.at) == (registry.person, ("swk",), registry.clock())
    assert registry.events() == [("success", {"method": "swk"})]
    (held,) = registry.passkeys.of_person(registry.database.connection(), registry.person)
    assert (held.last_used_at, held.made_on) == (registry.clock(), "Android Chrome")


def test_a_key_that_stays_in_its_device_counts_as_hardware(registry):
    """`hwk` for a key that may not be backed up, `swk` for one that may."""
    device = Authenticator(flags=BOUND, count=1)
    registry.add(device)
    assert registry.sign_in(device).methods == ("hwk",)
    assert registry.sign_in(device).methods == ("hwk",)


def test_the_user_handle_is_random_and_the_persons_own(registry, device):
    """All passkeys of a person have one handle of 256 random bits, and nothing of the person is in it."""
    first = registry.offer()
    registry.add(device, offer=first)
    assert registry.offer().user_handle == first.user_handle
    assert registry.offer(registry.register_person(2)).user_handle != first.user_handle
    assert len(first.user_handle) == 43
    assert registry.offer().held == (base64url(device.credential_id),)


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://localhost:8000"},
        {"origin": "http://localhost:8000.example"},
        {"rp_id": "example"},
        {"type": "webauthn.create"},
        {"cross_origin": True},
        {"signed": "AAAA"},
        {"user_handle": ""},
        {"user_handle": "AAAA"},
        {"key": Authenticator().key},
        {"flags": SYNCED & ~PRESENT},
        {"flags": SYNCED & ~ELIGIBLE},
    ],
    ids=lambda wrong: " ".join(f"{name}={value}" for name, value in wrong.items() if name != "key") or "another key",
)
def test_what_anybody_can_send_is_refused_without_a_trace(registry, device, wrong):
    """Another origin, RP ID, type, challenge, person or key proves nothing, and no stranger fills a table with it."""
    registry.add(device)
    before = registry.count(spent_challenges)
    with pytest.raises(NotProven):
        registry.sign_in(device, **wrong)
    assert registry.events() == []
    assert registry.count(spent_challenges) == before
    assert registry.sign_in(device).person_id == registry.person


def test_an_unknown_credential_is_refused_like_a_wrong_signature(registry, device):
    """Nobody learns from the answer whether a credential is registered."""
    registry.add(device)
    with pytest.raises(NotProven) as unknown:
        registry.sign_in(Authenticator(user_handle=device.user_handle))
    with pytest.raises(NotProven) as wrong:
        registry.sign_in(device, key=Authenticator().key)
    assert unknown.value.code == wrong.value.code == "not_proven"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({"flags": SYNCED & ~VERIFIED}, "user_verification"), ({"flags": BOUND}, "backup_eligibility")],
    ids=["user verification", "backup eligibility"],
)
def test_what_the_holder_of_the_key_did_is_recorded(registry, device, wrong, reason):
    """A device that did not verify its person, or that changed its nature, opens nothing, and the person sees it."""
    registry.add(device)
    with pytest.raises(NotProven):
        registry.sign_in(device, **wrong)
    assert registry.events() == [("refused", {"reason": reason})]


@pytest.mark.parametrize("count", [0, 4, 5])
def test_a_counter_that_does_not_move_on_is_a_copy(registry, count):
    """Whoever copied the key, or replays it, is refused and on record; the owner's next login works."""
    device = Authenticator(flags=BOUND, count=4)
    registry.add(device)
    registry.sign_in(device)
    with pytest.raises(NotProven):
        registry.sign_in(device, count=count)
    assert registry.events()[-1] == ("refused", {"reason": "sign_count"})
    assert registry.sign_in(device).methods == ("hwk",)


def test_a_challenge_opens_one_session(registry, device):
    """The same answer sent again proves nothing."""
    registry.add(device)
    challenge = registry.challenge()
    sent = device.sign(challenge)
    registry.log_in(sent, challenge)
    with pytest.raises(NotProven):
        registry.log_in(sent, challenge)
    assert registry.events() == [("success", {"method": "swk"})]


@pytest.mark.parametrize(
    "elsewhere",
    [
        Binding(Purpose.LOGIN, OTHER_BROWSER),
        Binding(Purpose.LOGIN, BROWSER, "a" * 32),
        Binding(Purpose.REGISTRATION, BROWSER),
    ],
    ids=["browser", "request", "purpose"],
)
def test_a_challenge_holds_only_where_it_was_given(registry, device, elsewhere):
    """Signed for one browser, request and purpose, it is worth nothing at another."""
    registry.add(device)
    challenge = registry.challenge()
    with pytest.raises(ChallengeOver):
        registry.log_in(device.sign(challenge), challenge, elsewhere)


def test_a_challenge_lives_five_minutes(registry, device):
    """A page that was open for longer is loaded again."""
    registry.add(device)
    challenge = registry.challenge()
    sent = device.sign(challenge)
    registry.clock.advance(minutes=5)
    with pytest.raises(ChallengeOver):
        registry.log_in(sent, challenge)


@pytest.mark.parametrize("challenge", ["", "AAAA", "=", "春江", "A" * 5000, "A" * 144])
def test_a_challenge_that_we_never_gave_is_none(registry, device, challenge):
    """Any other text, also of the right length, is refused without an error."""
    registry.add(device)
    with pytest.raises(ChallengeOver):
        registry.log_in(device.sign(registry.challenge()), challenge)


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "[]",
        "{}",
        "null",
        "{" * 5000,
        '{"response": 1}',
        '{"rawId": 1, "response": {"clientDataJSON": 1}}',
        "\ud800",
    ],
)
def test_no_bytes_of_a_stranger_are_an_error(registry, sent):
    """Whatever is no answer of an authenticator proves nothing."""
    challenge = registry.challenge()
    with pytest.raises(NotProven):
        registry.log_in(sent, challenge)


def test_an_answer_with_any_part_missing_proves_nothing(registry, device):
    """No member of the answer can be left out, emptied or replaced by another type."""
    registry.add(device)
    challenge = registry.challenge()
    whole = json.loads(device.sign(challenge))
    for name in ("id", "rawId", "type", "clientDataJSON", "authenticatorData", "signature", "userHandle"):
        for value in (None, "", 7, [], "A"):
            cut = json.loads(json.dumps(whole))
            (cut if name in cut else cut["response"])[name] = value
            with pytest.raises(NotProven):
                registry.log_in(json.dumps(cut), challenge)
    assert registry.log_in(json.dumps(whole), challenge).person_id == registry.person


@pytest.mark.parametrize("status", ["disabled", "deceased", "merged", "closed"])
def test_who_may_not_act_cannot_log_in(registry, device, status):
    """The passkey of a person who is disabled, dead, merged or gone opens nothing, from the same moment on."""
    registry.add(device)
    with registry.database.transaction() as c:
        People(registry.vault).change_status(c, registry.person, status, now=registry.clock())
    with pytest.raises(NotProven):
        registry.sign_in(device)
    assert registry.events() == [("refused", {"reason": "person_status"})]


def test_a_passkey_that_was_removed_a_moment_ago_opens_nothing(registry, device):
    """The removal of a passkey between the check and the use is noticed by the use."""
    passkey = registry.add(device)
    challenge = registry.challenge()
    c = registry.database.connection()
    signed = registry.passkeys.verify(c, device.sign(challenge), challenge, LOGIN, now=registry.clock())
    with registry.database.transaction() as c:
        registry.passkeys.remove(c, registry.person, passkey, channel="web", now=registry.clock())
    place = {"source": "192.0.2.1", "channel": "web", "known_browsers": ""}
    with registry.database.transaction() as c, pytest.raises(NotProven):
        registry.passkeys.use(c, signed, **place, now=registry.clock())


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "http://evil.example"},
        {"rp_id": "evil.example"},
        {"type": "webauthn.get"},
        {"signed": "AAAA"},
        {"flags": SYNCED & ~VERIFIED},
        {"flags": SYNCED & ~ELIGIBLE},
        {"fmt": "packed"},
        {"fmt": "fido-u2f"},
        {"alg": -65535},
        {"cross_origin": True},
    ],
    ids=str,
)
def test_only_a_plain_passkey_of_ours_is_registered(registry, device, wrong):
    """Another origin, RP ID or algorithm, an unverified person, and any attestation are refused."""
    with pytest.raises(NotProven):
        registry.add(device, **wrong)
    assert registry.count(table) == 0


def test_a_registration_holds_for_its_person_browser_and_handle(registry, device):
    """An offer that somebody else got, in another browser or with another handle, registers nothing."""
    other = registry.register_person(2)
    with pytest.raises(ChallengeOver):
        registry.add(device, person=other, offer=registry.offer())
    with pytest.raises(ChallengeOver):
        registry.add(device, browser=OTHER_BROWSER)
    with pytest.raises(ChallengeOver):
        registry.add(device, handle="A" * 43)
    assert registry.count(table) == 0


def test_a_login_challenge_registers_nothing(registry, device):
    """A challenge from the login page cannot be used to add a passkey."""
    made = registry.offer()
    sent = device.register(registry.challenge(), made.user_handle)
    with pytest.raises(ChallengeOver):
        registry.passkeys.verify_registration(
            sent,
            registry.challenge(),
            made.user_handle,
            person_id=registry.person,
            browser=BROWSER,
            now=registry.clock(),
        )


def test_a_credential_belongs_to_one_person(registry, device):
    """Another person cannot register it, and whoever has it registers it once."""
    registry.add(device)
    other = registry.register_person(2)
    for person in (registry.person, other):
        with pytest.raises(CredentialRefused) as refused:
            registry.add(device, person=person)
        assert refused.value.code == "known_passkey"
    assert registry.count(table) == 1


def test_an_offer_registers_once(registry, device):
    """The answer to one offer, sent twice, adds one passkey."""
    made = registry.offer()
    registry.add(device, offer=made)
    with pytest.raises(NotProven):
        registry.add(Authenticator(), offer=made)
    assert registry.count(table) == 1


def test_nobody_has_passkeys_alone(registry, device):
    """Without a password no passkey is offered or added, and the last way to sign in stays."""
    bare = registry.register_person(2, password=False)
    with pytest.raises(CredentialRefused) as refused:
        registry.offer(bare)
    assert refused.value.code == "only_passkeys"
    passkey, second = registry.add(device), registry.add(Authenticator())
    with registry.database.transaction() as c:
        passwords.forget(c, registry.person)
    remove = registry.passkeys.remove
    with registry.database.transaction() as c:
        assert remove(c, registry.person, passkey, channel="web", now=registry.clock())
        assert not remove(c, registry.person, second, channel="web", now=registry.clock())
    assert registry.count(table) == 1


def test_an_old_systems_password_alone_adds_no_passkey(registry, device):
    """Otherwise whoever opened the old account under a neighbour's number would keep a key to the neighbour's account.

    After a check of our own the person may add one.
    """
    row = dict.fromkeys(linked_accounts.c.keys(), "x") | {"person_id": registry.person, "level": 3, "secret": None}
    row |= {"login_index": b"x", "linked_at": registry.clock(), "adopted_at": registry.clock(), "last_login_at": None}
    with registry.database.transaction() as c:
        c.execute(Statement(sa.insert(linked_accounts)), **row)
    with pytest.raises(CredentialRefused) as refused:
        registry.add(device)
    assert refused.value.code == "unproven_account"
    with registry.database.transaction() as c:
        evidence.record(c, registry.person, EvidenceKind.COUNTER_COMPARISON, source="hall:519999", at=registry.clock())
    assert registry.add(device)


def test_a_person_has_ten_at_most(registry):
    """An account cannot be filled with keys."""
    for _ in range(MOST):
        registry.add(Authenticator())
    with pytest.raises(CredentialRefused) as refused:
        registry.offer()
    assert refused.value.code == "too_many_passkeys"


def test_a_removed_passkey_opens_nothing(registry, device):
    """It is gone at once, on record, and only its person can remove it."""
    passkey, other = registry.add(device), registry.register_person(2)
    with registry.database.transaction() as c:
        assert not registry.passkeys.remove(c, other, passkey, channel="web", now=registry.clock())
        assert registry.passkeys.remove(c, registry.person, passkey, channel="web", now=registry.clock())
        assert not registry.passkeys.remove(c, registry.person, passkey, channel="web", now=registry.clock())
    with pytest.raises(NotProven):
        registry.sign_in(device)
    detail = {"kind": "passkey", "passkey": passkey}
    assert registry.events("person:credential:add") == [("success", detail)]
    assert registry.events("person:credential:remove") == [("success", detail)]


def test_a_login_takes_four_statements(registry, device):
    """One read, then the challenge, the counter and the record: nothing more is needed to know who it is."""
    registry.add(device)
    asked = []
    registry.database.count = lambda: asked.append(1)
    registry.sign_in(device)
    begin_and_commit = 2 if registry.database.dialect == "postgresql" else 0
    assert len(asked) - begin_and_commit == 4


def test_a_challenge_holds_after_a_rotation_of_the_keys(clock):
    """A page that was open while the vault got a new key still logs in, and not after the old key is retired."""
    old, new = ("old", secrets.token_bytes(32)), ("new", secrets.token_bytes(32))
    challenge = challenges.issue(Vault.from_keys([old]), LOGIN, clock())
    assert challenges.read(Vault.from_keys([new, old]), challenge, LOGIN, clock()).expires_at > clock()
    with pytest.raises(ChallengeOver):
        challenges.read(Vault.from_keys([new]), challenge, LOGIN, clock())


def test_no_passkey_is_offered_at_an_address_of_numbers(vault, clock):
    """Browsers make passkeys for names only, so a page there carries no challenge."""
    nowhere = Passkeys(vault, RelyingParty("", "http://192.0.2.1:8000"))
    assert (nowhere.is_offered, nowhere.challenge(LOGIN, clock())) == (False, "")
