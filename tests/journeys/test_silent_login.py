"""A silent login writes nothing until its code is redeemed; then it writes everything once, or nothing."""

import base64
import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from accounts import audit
from accounts.database import Statement
from idp.login import person_status, session_store, sessions
from idp.login.session_store import session_clients
from idp.oidc.clients import registry
from idp.oidc.consent.claims import CLAIMS
from idp.oidc.models import access_tokens, authorization_requests, grants, releases
from idp.oidc.tokens import token_store
from idp.oidc.vocabulary import CODE_PREFIX
from tests.fixtures.city import eight_at_once
from tests.fixtures.relying_party import Browser, Page, RelyingParty, id_token_claims
from tests.fixtures.site import Site

WRITTEN = (authorization_requests, audit.audit_events, access_tokens, releases, session_clients)
REQUESTS = Statement(sa.select(authorization_requests).order_by(authorization_requests.c.created_at))
SESSION = Statement(sa.select(session_store.sessions))


def rows(site: Site) -> dict[str, int]:
    c = site.database.connection()
    counts = {t.name: Statement(sa.select(sa.func.count().label("n")).select_from(t)) for t in WRITTEN}
    return {name: c.one(statement).n for name, statement in counts.items()}


@pytest.fixture
def person(site: Site, browser: Browser, housing: RelyingParty):
    """A signed-in person who has consented before."""
    made = site.register_person()
    browser.get(housing.start())
    browser.log_in(made)
    housing.redeem(browser.agree())
    site.clock.advance(seconds=5)
    return made


def silent(browser: Browser, party: RelyingParty, **changes: str) -> Page:
    arrived = browser.get(party.start(**changes))
    assert arrived.visited == ("/authorize",)
    assert "code" in arrived.answer
    return arrived


def test_nothing_is_written_before_it_is_collected(site: Site, browser: Browser, housing: RelyingParty, person):
    """The approval is one read; request, record, tokens and release are written when the client redeems."""
    before, counted = rows(site), list[int]()
    site.database.count = lambda: counted.append(1)
    arrived = silent(browser, housing)
    assert len(counted) <= 1 + 1  # the cache of clients may look once a second whether it is current
    assert rows(site) == before
    counted.clear()
    assert housing.redeem(arrived)["status"] == 200
    # SQLite: BEGIN, the session, four rows, COMMIT.
    assert len(counted) <= (1 if site.database.dialect == "postgresql" else 7) + 1
    after = rows(site)
    assert {name: after[name] - before[name] for name in after} == {
        "authorization_requests": 1, "audit_events": 1, "access_tokens": 1, "releases": 1, "session_clients": 0,
    }  # fmt: skip


def test_what_is_written_is_a_redeemed_request(site: Site, browser: Browser, housing: RelyingParty, person):
    """The row equals that of a stored request after redemption, and the person's record names the login."""
    tokens = housing.redeem(silent(browser, housing, nonce="of-this-login"))
    first, second = site.database.connection().rows(REQUESTS)
    same = ("kind", "state", "client_id", "person_id", "session_id", "grant_id", "sub", "scopes", "claims", "released",
            "redirect_uri", "amr", "acr", "auth_time")  # fmt: skip
    assert [getattr(first, name) for name in same] == [getattr(second, name) for name in same]
    assert (second.nonce, second.sealed, second.redeemed_at) == (None, None, site.clock())
    assert id_token_claims(tokens)["nonce"] == "of-this-login"
    newest = audit.recent(site.database.connection(), second.person_id, 1)[0]
    assert (newest.event.name, newest.channel, newest.at) == ("person:request:approve", "web", site.clock())
    assert site.database.connection().one(SESSION).seen_at == site.clock()


def test_one_of_eight_collects_it(site: Site, browser: Browser, housing: RelyingParty, person):
    """Of eight simultaneous redemptions one succeeds; the others are replays and revoke its tokens."""
    arrived, answers = silent(browser, housing), list[dict]()
    eight_at_once(site.database, lambda: answers.append(housing.redeem(arrived)))
    assert sorted(answer["status"] for answer in answers) == [200] + [400] * 7
    bought = next(answer for answer in answers if answer["status"] == 200)
    assert housing.userinfo(bought)["status"] == 401


def test_a_second_collecting_ends_what_the_first_bought(site: Site, browser: Browser, housing: RelyingParty, person):
    """A second redemption means theft, so the tokens of the first are revoked (RFC 6749 §4.1.2)."""
    arrived = silent(browser, housing)
    tokens = housing.redeem(arrived)
    assert housing.userinfo(tokens)["status"] == 200
    assert housing.redeem(arrived)["error"] == "invalid_grant"
    assert housing.userinfo(tokens)["status"] == 401


def test_another_spelling_of_the_code_is_none(site: Site, browser: Browser, housing: RelyingParty, person):
    """Base64 ignores foreign characters, so only the exact text that was sent is the code."""
    arrived = silent(browser, housing)
    code = arrived.answer["code"]
    sealed = base64.urlsafe_b64decode(code.removeprefix(CODE_PREFIX) + "==")
    for other in (code.removeprefix(CODE_PREFIX), f"{code}=", f"{code[:20]}!{code[20:]}"):
        assert base64.b64decode(other.removeprefix(CODE_PREFIX) + "==", altchars=b"-_") == sealed
        assert housing.redeem(Page(303, arrived.url.replace(code, other), "", {}))["error"] == "invalid_grant"
    assert housing.redeem(arrived)["status"] == 200


def _signs_out(site, person_id):
    with site.database.transaction() as c:
        sessions.end_all_of(c, person_id, site.clock(), "test")


def _is_disabled(site, person_id):
    with site.database.transaction() as c:
        person_status.change(
            c, site.services.people, person_id, "disabled", actor="operator:x", now=site.clock()
        )  # fmt: skip


def _only_is_disabled(site, person_id):
    """Changes the status alone, without what else the command ends, so that the statement's gate is tested."""
    table = sa.table("natural_persons", sa.column("id", sa.Text), sa.column("status", sa.Text))
    site.database.connection().execute(
        Statement(sa.update(table).where(table.c.id == sa.bindparam("who")).values(status="merged")), who=person_id
    )


def _withdraws(site, person_id):
    statement = sa.update(grants).where(grants.c.person_id == sa.bindparam("who"))
    statement = statement.values(withdrawn_at=sa.bindparam("at", type_=grants.c.given_at.type))
    site.database.connection().execute(Statement(statement), who=person_id, at=site.clock())


def _is_left_alone(site, person_id):
    site.clock.advance(seconds=61)


def _disables_the_client(site, person_id):
    with site.database.transaction() as c:
        registry.change_status(c, "housing", "disabled", now=site.clock())
    site.services.clients._fresh_until = 0  # a second has passed


@pytest.mark.parametrize(
    "happens", [_signs_out, _is_disabled, _only_is_disabled, _withdraws, _is_left_alone, _disables_the_client]
)
def test_what_ends_in_between_ends_the_code(site: Site, browser: Browser, housing: RelyingParty, person, happens):
    """If session, person, grant, client or the code's minute ends before redemption, the code is refused."""
    arrived, before = silent(browser, housing), rows(site)
    happens(site, person.id)
    changed = rows(site)
    assert housing.redeem(arrived)["status"] in (400, 401)
    assert rows(site) == changed
    assert changed["access_tokens"] == before["access_tokens"]


def test_foreign_hands_spoil_it(site: Site, browser: Browser, housing: RelyingParty, social: RelyingParty, person):
    """A code that another client sends was stolen: it becomes invalid, also for its own client."""
    arrived = silent(browser, housing)
    social.state, social.verifier = housing.state, housing.verifier
    assert social.redeem(arrived)["error"] == "invalid_grant"
    assert housing.redeem(arrived)["error"] == "invalid_grant"
    assert site.database.connection().rows(REQUESTS)[-1].state == "denied"


def test_a_wrong_verifier_leaves_it(site: Site, browser: Browser, housing: RelyingParty, person):
    """A wrong code_verifier spends nothing: the client may still send the right one."""
    arrived, right = silent(browser, housing), housing.verifier
    housing.verifier = "w" * 43
    assert housing.redeem(arrived)["error"] == "invalid_grant"
    housing.verifier = right
    assert housing.redeem(arrived)["status"] == 200


def test_a_session_learns_of_a_client_when_it_collects(site: Site, housing: RelyingParty, person):
    """Two codes at once add the client to a new session once, and both are valid."""
    browser = Browser(site)
    browser.get("/login")
    browser.log_in(person)
    before = rows(site)["session_clients"]
    first = silent(browser, housing)
    held = housing.state, housing.verifier
    second = silent(browser, housing)
    assert rows(site)["session_clients"] == before
    assert housing.redeem(second)["status"] == 200
    housing.state, housing.verifier = held
    tokens = housing.redeem(first)
    assert tokens["status"] == 200
    assert rows(site)["session_clients"] == before + 1
    assert housing.redeem(first)["error"] == "invalid_grant"
    assert housing.userinfo(tokens)["status"] == 401


def test_a_session_that_idled_out_meanwhile_was_live(site: Site, browser: Browser, housing: RelyingParty, person):
    """A code issued in the last second of an idle session keeps its minute."""
    idle = site.services.channels["web"].lifetimes.idle
    site.clock.now = site.database.connection().one(SESSION).seen_at + idle - timedelta(seconds=1)
    arrived = silent(browser, housing)
    site.clock.advance(seconds=10)
    assert housing.redeem(arrived)["status"] == 200


def test_a_long_request_is_stored(site: Site, browser: Browser, housing: RelyingParty, person):
    """A request too long for an address stays in a row, written at the approval."""
    essential = {claim.name: {"essential": True} for claim in CLAIMS}
    asked = json.dumps({"id_token": essential, "userinfo": essential})
    before = rows(site)["authorization_requests"]
    arrived = silent(browser, housing, claims=asked, nonce="n" * 512)
    assert rows(site)["authorization_requests"] == before + 1
    assert housing.redeem(arrived)["status"] == 200


def plan_of(site: Site, statement: Statement) -> str:
    """The database's query plan without values of parameters and without table statistics."""
    c = site.database.connection()
    text, count = statement.compiled(c.dialect).text, len(statement.compiled(c.dialect).types)
    if site.database.dialect == "sqlite":
        return "\n".join(row[3] for row in c._driver.execute(f"EXPLAIN QUERY PLAN {text}", [None] * count))
    c._driver.execute("SET plan_cache_mode = force_generic_plan")
    c._driver.execute(f"PREPARE planned AS {text}".encode())
    nothing = ", ".join(["NULL"] * count)
    return "\n".join(row[0] for row in c._driver.execute(f"EXPLAIN EXECUTE planned({nothing})".encode()))


STANDS = [session_store.STATE_TO_CLIENT, session_store.OF_PERSON_TO_CLIENT, token_store.COLLECT[False, True].spend]


@pytest.mark.parametrize("statement", STANDS, ids=["standing", "signing in", "collecting"])
def test_nothing_is_looked_up_by_its_client(site: Site, statement: Statement):
    """A client has many sessions and grants, a person many sessions: each row is found by its own key.

    Without statistics, as in a new site, planners used indexes on the client, and the cost grew with every login.
    """
    plan = plan_of(site, statement)
    for index in ("uq_subjects_sector_sub", "ix_session_clients_client_id", "ix_sessions_person_id"):
        assert index not in plan, plan
    for only_by_client in ("Index Cond: (client_id", "Index Cond: ((client_id", "(client_id=?)"):
        assert only_by_client not in plan, plan
