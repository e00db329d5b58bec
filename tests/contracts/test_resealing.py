"""Every sealed column moves to a new key, and none is missed."""

import ast
import secrets
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from accounts import evidence, merging
from accounts.credentials import password as passwords
from accounts.credentials import recovery_codes, totp
from accounts.credentials.external.federated_identities import FederatedIdentities
from accounts.credentials.legacy import LegacySecret
from accounts.credentials.one_time_codes import CodeBinding, OneTimeCodes
from accounts.credentials.password_rules import history
from accounts.database import Statement, metadata, new_id
from accounts.errors import SealBroken
from accounts.evidence import EvidenceKind
from accounts.identifiers import CitizenId, IdentifierKind, Mobile, parse
from accounts.merging import number_conflicts
from accounts.merging.linking import Linking, link_row, linked_accounts
from accounts.organisations import LegalPersonAttributes, NewLegalPerson
from accounts.organisations.paths import Role
from accounts.people import NewPerson, People
from accounts.people.restriction import RestrictionReason
from accounts.ports import PlatformAccount, ShortMessage, StaffMember
from accounts.registration import journey_store
from accounts.registration.journey import Journey
from accounts.vault import Vault, resealing
from accounts.vault.resealing import Position, reseal
from idp.adapters.systems import sandbox
from idp.adapters.systems.sandbox import SandboxSms
from idp.delivery import outbox
from idp.jobs.resealing import SEALED
from idp.migrations import load_tables
from idp.oidc.requests import request_store
from idp.oidc.requests.authorization_request import AuthorizationRequest
from idp.oidc.tokens.keys import KeyRing
from idp.rights import corrections, restrictions
from idp.rights.corrections import CorrectionKind
from idp.staff import members, second_factor
from idp.staff import sessions as staff_sessions
from tests.architecture.tracked import text_of, tracked
from tests.fixtures.enterprises import Enterprises
from tests.fixtures.families import Families
from tests.fixtures.site import citizen_number

load_tables()
OLD, NEW = ("k1", b"1" * 32), ("k2", b"2" * 32)
PHONE = Mobile.parse("13900000031")
COMPANY = parse(IdentifierKind.USCC, "93510502100000008X")
HELLO = ShortMessage("phone_added", "zh-CN", (), "您好")
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ASKED = AuthorizationRequest(
    id=new_id(),
    client_id="fund",
    redirect_uri="https://fund.example/callback",
    response_mode="query",
    scopes=("openid",),
    created_at=NOW,
    expires_at=NOW,
    claims={"id_token": {"sub": {"value": "s-1"}}},
    client_state="state",
    nonce="nonce",
)
# Bytes that no vault opens: SHA-256 digests, the signatures of the audit's chain, ids and public keys of passkeys.
NOT_SEALED = {
    "access_tokens.digest",
    "audit_batches.countersigned",
    "audit_batches.seal",
    "audit_events.seal",
    "authorization_requests.browser_binding",
    "authorization_requests.code_digest",
    "clients.previous_secret_digest",
    "clients.registration_token_digest",
    "clients.secret_digest",
    "initial_access_tokens.digest",
    "passkeys.credential_id",
    "passkeys.public_key",
    "passkeys.user_handle",
    "one_time_codes.digest",
    "refresh_tokens.digest",
    "sessions.handle_digest",
    "staff_enrolments.digest",
    "staff_sessions.handle_digest",
    "spent_assertions.digest",
    "spent_challenges.digest",
    "spent_human_checks.digest",
    "vault_keys.check_value",
}


def named(column):
    return f"{column.table.name}.{column.name}"


def columns_of_bytes():
    return {
        named(column)
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, sa.LargeBinary)
    }


def test_every_column_of_bytes_is_sealed_indexed_or_known_to_be_neither():
    """A new column of bytes must be classified here, so that retiring a key never loses it."""
    moved = [named(each.sealed) for each in SEALED] + [named(each.index.column) for each in SEALED if each.index]
    assert len(moved) == len(set(moved))
    assert columns_of_bytes() == {*moved, *NOT_SEALED}


def test_every_sealed_place_moves_once():
    """A place names the column of a seal, so each column has its own."""
    places = [each.place for each in SEALED]
    assert len(set(places)) == len(places)
    assert set(resealing.SEALED) <= set(SEALED)


def calls_of(name, method):
    for node in ast.walk(ast.parse(text_of(name))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method:
            yield {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}


def test_whoever_seals_names_a_place_that_moves():
    """In the sources every `seal(…, place=X)` outside the vault names a constant of a resealed column."""
    constants = {"ATTRIBUTES", "IDENTIFIER", "PHONE", "CREDENTIAL", "LEGAL_ATTRIBUTES", "LEGAL_IDENTIFIER", "SECRET"}
    constants |= {
        "CONTESTED",
        "FORMER",
        "INVITEE",
        "JOURNEY",
        "PLACE",
        "recovery_codes.PLACE",
        "SEALED_MESSAGE",
        "WORDED",
        "self.place",
    }
    constants |= {"APPEAL_TEXT", "APPEAL_ANSWER", "CORRECTION_TEXT", "CORRECTION_ANSWER"}
    constants |= {"IN_A_CODE"}  # in no table: the code is sent to the client and expires in a minute
    named_places = {
        told["place"]
        for name in tracked("accounts/*.py", "idp/*.py", "migration_tools/*.py")
        for told in calls_of(name, "seal")
        if "place" in told
    }
    assert named_places == constants


@pytest.fixture
def old():
    return Vault.from_keys([OLD])


@pytest.fixture
def both():
    return Vault.from_keys([NEW, OLD])


@pytest.fixture
def new():
    return Vault.from_keys([NEW])


def bind(c, vault, person_id):
    """The person has bound an account of WeChat."""
    evidence.record(c, person_id, EvidenceKind.COUNTER_COMPARISON, source="test", at=NOW)
    account = PlatformAccount((("wechat:unionid", "u-1"), ("wechat:openid:wx1", "o-1")))
    FederatedIdentities(vault).bind(c, person_id, "wechat", account, channel="web", now=NOW)


def fill(database, vault):
    """Writes one row in every sealed column with the code that seals there; returns the person's id."""
    people, linking = People(vault), Linking(vault)
    with database.transaction() as c:
        number = CitizenId.parse(citizen_number(3))
        person = people.register(c, NewPerson("张三丰", (number,), (PHONE,)), now=NOW)
        passwords.store(c, vault, person.id, "$argon2id$not-a-real-one", now=NOW)
        history.remember(c, vault, person.id, "$argon2id$a-former-one", most=5, now=NOW)
        company = NewLegalPerson(LegalPersonAttributes("试验公司"), (COMPANY,))
        people.register_legal_person(c, company, now=NOW)
        links = Statement(sa.insert(linked_accounts))
        for uid, typed, mixed_in in (("7", "Zhang.San", "zs7"), ("8", "lisi", "lisi")):
            secret = LegacySecret("digest", "salt", mixed_in)
            row = link_row(
                system="library",
                uid=uid,
                person_id=person.id,
                login_index=linking.login_index(typed),
                rule="number_and_name",
                run_id="run",
                now=NOW,
                secret=linking.sealed(secret, typed),
                recipe="hex(md5(p))",
            )
            c.execute(links, **row)
        merging.open_run(c, "run", plan_digest="digest", system="library", rows_read=2, now=NOW)
        number_conflicts.remember(c, vault, "run", (CitizenId.parse(citizen_number(4)),), now=NOW)
        KeyRing(database, vault).ensure(c, NOW)
        request_store.insert(c, request_store.open_row(ASKED, request_store.sealed(vault, ASKED)))
        totp.begin(c, vault, person.id, session="s", now=NOW)
        bind(c, vault, person.id)
        recovery_codes.renew(c, vault, person.id, now=NOW)
        told = StaffMember("S0001", "演示窗口", "510502")
        member = members.remember(c, vault, told, now=NOW)
        code = second_factor.issue_code(c, vault, member.id, now=NOW)
        used = staff_sessions.row("staff:credential:enrol", member.id, source=None, now=NOW)
        assert second_factor.begin(c, vault, member.id, code, session="s", now=NOW, record=used)
        outbox.send_sms(c, vault, phone=PHONE, message=HELLO, now=NOW)
        binding = CodeBinding("h" * 43, "login", "")
        OneTimeCodes(vault).store(c, binding, "000000", person_id=person.id, content="您好", now=NOW)
        journey_store.begin(c, vault, "handle", Journey(IdentifierKind.PASSPORT, name="张三丰"), network="", now=NOW)
        measure = restrictions.Measure(RestrictionReason.MISUSE, "泸限〔2026〕1号", "泸州市 96196")
        restrictions.impose(c, people, person.id, measure, actor="operator:x", now=NOW)
        restrictions.appeal(c, vault, person.id, "我没有", channel="web", now=NOW)
        (appealed,) = restrictions.undecided(c)
        restrictions.refuse(c, vault, appealed.id, "与决定一致", actor="operator:x", now=NOW)
        corrections.ask(c, vault, person.id, CorrectionKind.NAME, "三丰写错了", channel="web", now=NOW)
        (asked,) = corrections.undecided(c)
        corrections.decide(c, vault, asked.id, refused_because="与证件一致", actor="operator:x", now=NOW)
    SandboxSms(database, vault, lambda: NOW, environment="test").send(PHONE, HELLO)
    world = Enterprises(database, people, lambda: NOW)
    head = world.person(700)
    world.offer(world.company(70, head), head, world.stranger(701), Role.HANDLER)
    families = Families(database, people, lambda: NOW)
    families.asks(head, families.stranger(702))
    return person.id


def move(database, vault, limit=20):
    """Reseals everything in batches; returns the number of rewritten rows."""
    rewritten, after = 0, Position()
    while after is not None:
        done = reseal(database.connection(), vault, limit, after=after, columns=SEALED)
        rewritten, after = rewritten + done.rewritten, done.after
    return rewritten


def stale(database, vault):
    """The columns of values that this vault would seal differently, and the number of values in each column."""
    found, counts = [], {}
    for each in SEALED:
        rows = database.connection().rows(Statement(sa.select(each.sealed.label("sealed"))))
        counts[each.name] = sum(row.sealed is not None for row in rows)
        found += [each.name for row in rows if row.sealed is not None and vault.is_stale(row.sealed)]
    return found, counts


def test_everything_moves_and_opens_without_the_old_key(database, old, both, new):
    """After resealing a vault without the old key opens every column and finds by every index."""
    person_id = fill(database, old)
    before, counts = stale(database, both)
    assert set(before) == {each.name for each in SEALED}
    assert all(counts.values())
    assert move(database, both) == sum(counts.values())
    assert stale(database, new)[0] == []
    c, people = database.connection(), People(new)
    assert people.find(c, CitizenId.parse(citizen_number(3))) == person_id
    assert people.find_legal_person(c, COMPANY) is not None
    assert [phone.canonical for phone in people.phones(c, person_id)] == [PHONE.canonical]
    world = Enterprises(database, people, lambda: NOW)
    assert len(world.offers(world.person(701))) == 1
    assert people.phone_verified(c, person_id, PHONE, now=NOW)
    assert passwords.read(c, new, person_id) == "$argon2id$not-a-real-one"
    assert history.former(c, new, person_id, 5) == ("$argon2id$a-former-one",)
    assert KeyRing(database, new).current("RS256", NOW).alg == "RS256"
    assert [message.text for message in sandbox.newest(c, new)] == ["您好"]
    assert request_store.find(c, new, ASKED.id) == ASKED
    assert journey_store.find(c, new, "handle", NOW).name == "张三丰"
    member = members.find(c, new, "S0001")
    assert second_factor.pending(c, new, member, session="s", now=NOW) is not None


@pytest.mark.parametrize(("typed", "uid", "mixed_in"), [("zhang.san", "7", "zs7"), ("LISI", "8", "lisi")])
def test_an_older_systems_login_name_is_found_after_the_move(database, old, both, new, typed, uid, mixed_in):
    """A login name still finds its account, also where the recipe mixes in another name."""
    fill(database, old)
    move(database, both)
    (login,) = Linking(new).find(database.connection(), typed)
    assert login.uid == uid
    opened = LegacySecret.from_text(new.open(login.sealed, place="linked_accounts.secret"))
    assert (opened.digest, opened.login_name) == ("digest", mixed_in)


def test_an_adopted_login_name_is_found_after_the_move(database, old, both, new):
    """Once the old secret is erased, the login name alone is still resealed."""
    fill(database, old)
    linking, c = Linking(old), database.connection()
    linking.adopt(c, linking.find(c, "zhang.san")[0], now=NOW)
    move(database, both)
    (login,) = Linking(new).find(c, "Zhang.San")
    assert (login.uid, Linking(new).verify(login, "anything")) == ("7", False)


def test_a_finished_move_moves_nothing(database, old, both):
    """A second run only reads, so resealing may be interrupted and repeated."""
    fill(database, old)
    move(database, both, limit=1000)
    assert move(database, both) == 0


def test_a_row_changed_meanwhile_is_left_to_who_changed_it(database, old, both):
    """A password changed between reading and writing is kept."""
    person_id = fill(database, old)
    c = database.connection()
    column = next(each for each in SEALED if each.name == "password_credentials.sealed")
    rows = column.page(c, (), 10)
    passwords.store(c, both, person_id, "$argon2id$newer", now=NOW)
    column.rewrite(c, both, rows)
    assert passwords.read(c, both, person_id) == "$argon2id$newer"


def test_an_index_of_something_else_is_never_written_over(database, old, both):
    """If the sealed value does not match the index, a new index would lose the row, so resealing stops."""
    fill(database, old)
    c = database.connection()
    wrong = Statement(sa.update(linked_accounts).values(login_index=sa.bindparam("wrong", type_=sa.LargeBinary)))
    c.execute(wrong, wrong=secrets.token_bytes(32))
    with pytest.raises(SealBroken, match="index"):
        move(database, both)


def test_a_key_that_is_gone_stops_the_move(database, old, new):
    """Without the key of a value nothing of its batch is written."""
    fill(database, old)
    with pytest.raises(SealBroken):
        move(database, new)
