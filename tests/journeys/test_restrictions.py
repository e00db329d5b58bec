"""A restriction has reason, papers and a way to appeal; the person sees them, and no service gets past the gate."""

import pytest
import sqlalchemy as sa

from accounts.database import Statement
from accounts.errors import Conflict
from accounts.people import natural_persons
from accounts.people.restriction import RestrictionReason, restrictions
from idp.rights import restrictions as rights
from idp.rights.restrictions import Measure
from tests.fixtures.relying_party import Browser, RelyingParty
from tests.fixtures.restrictions import MEASURE, restrict
from tests.fixtures.site import Site


def lift(site: Site, person):
    with site.database.transaction() as c:
        now = site.clock.advance(seconds=1)
        return rights.lift(c, site.services.people, person.id, actor="operator:x", now=now)


@pytest.mark.parametrize(
    ("papers", "appeal_to"), [("", "泸州市 96196"), ("泸限1号", "  "), (" ", ""), ("1", "泸州市 96196")]
)
def test_no_restriction_without_papers_and_route(papers, appeal_to):
    """The type refuses a restriction that lacks its papers or the way to appeal."""
    with pytest.raises(ValueError, match="papers"):
        Measure(RestrictionReason.MISUSE, papers, appeal_to)


@pytest.mark.parametrize(
    "wrong", [{"reason": "because"}, {"papers": "  "}, {"appeal_to": ""}, {"reason": None}, {"papers": None}]
)
def test_the_database_refuses_one_too(site: Site, wrong):
    """A row without a known reason, papers or route cannot be written by any code."""
    row = {"id": "r", "person_id": "p", "reason": "misuse", "papers": "泸限1号", "appeal_to": "泸州市 96196"}
    more = {"imposed_at": site.clock(), "imposed_by": "x", "lifted_at": None, "lifted_by": None}
    with pytest.raises(Conflict):
        site.database.connection().execute(Statement(sa.insert(restrictions)), **row | more | wrong)


def test_nobody_is_restricted_without_a_restriction(site: Site):
    """The status cannot be set without a row that gives the reasons, nor point at a row that is not there."""
    person = site.register_person()
    c, people = site.database.connection(), site.services.people
    for restriction_id in (None, "f" * 32):
        with pytest.raises(Conflict):
            people.change_status(c, person.id, "restricted", now=site.clock(), restriction_id=restriction_id)
    change = sa.update(natural_persons).where(natural_persons.c.id == sa.bindparam("of")).values(restriction_id="x")
    with pytest.raises(Conflict):
        c.execute(Statement(change), of=person.id)


def test_everything_ends_and_the_person_is_told_why(site: Site, browser: Browser, housing: RelyingParty):
    """Sessions and tokens end at once; the next login to a service leads to reason, papers and route."""
    person = site.register_person()
    browser.get(housing.start(scope="openid profile offline_access"))
    browser.log_in(person)
    tokens = housing.redeem(browser.agree())
    assert housing.userinfo(tokens)["status"] == 200
    assert restrict(site, person).grants == 1
    assert housing.userinfo(tokens)["status"] == 401
    assert browser.get("/account").visited[-1] == "/login"
    browser.get(housing.start())
    shown = browser.log_in(person)
    assert shown.visited[-1] == "/account/restriction"
    assert [text for text in ("涉嫌电信网络诈骗", MEASURE.papers, MEASURE.appeal_to) if text not in shown.text] == []
    assert "账号被限制使用" in browser.get("/account").text


def test_no_service_is_reached_with_or_without_a_page(site: Site, browser: Browser, housing: RelyingParty):
    """Signed in to their own pages, the person gets no code: neither silently nor by any page nor by form_post."""
    person = site.register_person()
    restrict(site, person)
    browser.get("/login")
    assert browser.log_in(person).visited[-1] == "/account"
    assert browser.get(housing.start(prompt="none")).answer["error"] == "access_denied"
    for changes in ({}, {"prompt": "login"}, {"prompt": "consent"}, {"response_mode": "form_post"}):
        assert browser.get(housing.start(**changes)).visited[-1] == "/account/restriction"
    other = Browser(site)
    other.get(housing.start(response_mode="form_post"))
    assert other.log_in(person).visited[-1] == "/account/restriction"


def test_a_wrong_password_tells_nothing(site: Site, browser: Browser, housing: RelyingParty):
    """A stranger who guesses sees the same page for a restricted person as for any other."""
    person = site.register_person()
    restrict(site, person)
    browser.get(housing.start())
    shown = browser.log_in(person, "not this one")
    assert "号码或密码不对" in shown.text
    assert "限制" not in shown.text


def test_the_rights_stay(site: Site, browser: Browser):
    """A restricted person can copy their data and see the ledger, and cannot close the account to get a new one."""
    person = site.register_person()
    restrict(site, person)
    browser.get("/login")
    browser.log_in(person)
    page = browser.get("/account/export")
    exported = browser.submit(next(form for form in page.forms if form.action == "/account/export"))
    assert MEASURE.papers in exported.text
    token = page.form_with("csrf_token").fields["csrf_token"]
    refused = browser.post("/account/closing", {"csrf_token": token, "understood": "yes"})
    assert refused.visited[-1] == "/account/restriction"


def test_an_appeal_is_heard_once_and_answered(site: Site, browser: Browser, housing: RelyingParty):
    """One appeal waits at a time; a refusal shows its reasons; lifting grants the next one and opens the services."""
    person = site.register_person()
    restrict(site, person)
    browser.get("/login")
    browser.log_in(person)
    form = next(
        form for form in browser.get("/account/restriction").forms if form.action == "/account/restriction/appeal"
    )
    assert "请写出您为什么" in browser.submit(form, text=" ").text
    assert "已经收到您的申诉" in browser.submit(form, text="我没有做过").text
    assert "正在核实" in browser.submit(form, text="再说一次").text
    vault = site.services.vault
    with site.database.transaction() as c:
        (waiting,) = rights.undecided(c)
        assert rights.refuse(c, vault, waiting.id, "与决定一致", actor="operator:x", now=site.clock())
        assert not rights.refuse(c, vault, waiting.id, "再次", actor="operator:x", now=site.clock())
    assert "与决定一致" in browser.get("/account/restriction").text
    site.clock.advance(seconds=1)
    browser.submit(form, text="有新的证据")
    assert lift(site, person)
    assert not lift(site, person)
    with site.database.transaction() as c:
        assert [each.decision for each in rights.appeals_of(c, vault, person.id)] == ["lifted", "refused"]
    browser.get(housing.start())
    browser.log_in(person)
    assert "code" in browser.agree().answer
    assert browser.get("/account/restriction").visited[-1] == "/account"


def test_only_an_active_person_is_restricted(site: Site):
    """A second restriction changes nothing, and nothing is left behind."""
    person = site.register_person()
    assert restrict(site, person) is not None
    assert restrict(site, person) is None
    assert len(site.database.connection().rows(Statement(sa.select(restrictions)))) == 1
