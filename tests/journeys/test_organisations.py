"""The pages of organisations: claimed by the representative, invitations, removals, and nothing for anybody else."""

import pytest

from accounts.identifiers import CitizenId
from accounts.organisations.kinds import OrganisationKind
from accounts.organisations.paths import Role
from idp.adapters.systems.sandbox_enterprises import InventedEnterprise, invented_uscc
from tests.fixtures.enterprises import Enterprises, Somebody
from tests.fixtures.relying_party import Browser
from tests.fixtures.site import Site

NAME = "欧阳娜娜"


@pytest.fixture
def world(site: Site):
    """The same organisations as the pages see."""
    services = site.services
    return Enterprises(services.database, services.people, site.clock, services.systems.enterprises)


@pytest.fixture
def head(site: Site):
    return site.register_person(1)


@pytest.fixture
def uscc(world, head):
    """A company that the register says this person leads."""
    code = invented_uscc("91", 501)
    number = CitizenId.parse(head.number)
    world.registry.add(InventedEnterprise(code, "泸州页面示例公司", NAME, number, OrganisationKind.COMPANY))
    return code


def somebody(person):
    return Somebody(person.id, CitizenId.parse(person.number), NAME)


def signed_in(site, person):
    """A browser in which this person is signed in."""
    browser = Browser(site)
    browser.get("/login")
    browser.log_in(person)
    return browser


@pytest.fixture
def at_home(site, head, uscc):
    """The representative's browser on the page of their claimed organisation."""
    browser = signed_in(site, head)
    form = browser.get("/organisations").form_with("uscc")
    browser.submit(form, uscc=uscc.canonical)
    assert browser.page is not None
    return browser


def path_of(browser):
    return browser.page.visited[-1].removesuffix("/appoint")


def invite(browser, **fields):
    """Fills in the invitation's form with these fields; a handler for all matters and 30 days unless they say else."""
    path = path_of(browser)
    form = browser.get(f"{path}/appoint").form_with("number")
    chosen = {"role": "handler", "name": NAME, "matters": "all", "period": "30"} | fields
    return browser.submit(form, **chosen)


def test_a_representative_claims_an_organisation_and_sees_its_page(at_home: Browser, uscc):
    """The page has the code, the people and what happened."""
    page = at_home.page
    assert page.visited[-1].startswith("/organisations/")
    for text in ("泸州页面示例公司", uscc.canonical, "法定代表人", NAME):
        assert text in page.text


@pytest.mark.parametrize("typed", ["", "123", invented_uscc("91", 999).canonical])
def test_a_claim_that_fails_says_how_to_go_on_and_repeats_nothing(site: Site, head, uscc, typed):
    """A wrong code, and one that names somebody else: an error with a cure; what was typed is not shown again."""
    browser = signed_in(site, head)
    shown = browser.submit(browser.get("/organisations").form_with("uscc"), uscc=typed)
    assert (shown.status, 'role="alert"' in shown.text) == (200, True)
    assert not typed or typed not in shown.text


def test_a_handler_is_invited_accepts_and_is_removed(site: Site, at_home: Browser):
    """Both sides see each step on their own page."""
    handler = site.register_person(2)
    shown = invite(at_home, number=handler.number)
    assert "等待接受" in shown.text
    theirs = signed_in(site, handler)
    offered = theirs.get("/organisations")
    theirs.submit(offered.form_with("answer=accept"), answer="accept")
    assert "已经接受" in theirs.page.text
    company = path_of(at_home)
    mine = theirs.get(company)
    assert "谁可以代表本单位" not in mine.text
    assert theirs.get(f"{company}/appoint").status == 404
    removed = at_home.submit(at_home.get(company).form_with("act=remove"))
    assert "已经移除" in removed.text
    assert theirs.get(company).status == 404


def test_an_invitation_can_be_withdrawn_and_declined(site: Site, at_home: Browser):
    """Afterwards the other side has nothing to answer."""
    handler = site.register_person(3)
    theirs = signed_in(site, handler)
    shown = invite(at_home, number=handler.number)
    at_home.submit(shown.form_with("act=withdraw"))
    assert "等您答复" not in theirs.get("/organisations").text
    invite(at_home, number=handler.number)
    theirs.submit(theirs.get("/organisations").form_with("answer=decline"), answer="decline")
    assert "已经拒绝" in theirs.page.text
    assert "等待接受" not in at_home.get(path_of(at_home)).text


def test_a_handler_gives_it_up(site: Site, at_home: Browser, world):
    """The button on their page ends their authority."""
    handler = site.register_person(4)
    invite(at_home, number=handler.number)
    theirs = signed_in(site, handler)
    theirs.submit(theirs.get("/organisations").form_with("answer=accept"), answer="accept")
    theirs.submit(theirs.get(path_of(at_home)).form_with("act=resign"))
    assert "您现在没有代表任何单位" in theirs.page.text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"role": ""}, "请选择身份"),
        ({"name": " "}, "请填写姓名"),
        ({"number": ""}, "请填写对方的证件号码"),
        ({"number": "12345"}, "公民身份号码由"),
        ({"matters": ""}, "请选择可以办理的事项"),
        ({"period": "9999"}, "请选择期限"),
        ({"role": "organisation", "number": "99"}, "18"),
    ],
)
def test_an_incomplete_invitation_says_what_is_missing(site: Site, at_home: Browser, fields, said):
    """Each fault has its text, and nothing was written."""
    number = site.register_person(5).number
    shown = invite(at_home, **{"number": number} | fields)
    assert 'role="alert"' in shown.text
    assert said in shown.text
    assert "等待接受" not in at_home.get(path_of(at_home)).text


def test_nobody_invites_themselves(at_home: Browser, head):
    """The page says that one cannot appoint oneself."""
    assert "不能给自己授权" in invite(at_home, number=head.number).text


@pytest.mark.parametrize("rest", ["", "/appoint"])
def test_an_organisation_of_somebody_else_does_not_exist(site: Site, at_home: Browser, rest):
    """Reading and every act answer 404 to a stranger, as for an id that nobody has."""
    company = path_of(at_home)
    stranger = signed_in(site, site.register_person(6))
    unknown = "/organisations/" + "0" * 32
    assert [stranger.get(path + rest).status for path in (company, unknown)] == [404, 404]
    token = stranger.get("/organisations").form_with("uscc").fields["csrf_token"]
    for act in ("/end", "/appoint"):
        assert stranger.post(company + act, {"csrf_token": token, "act": "remove"}).status == 404


def test_an_offer_of_somebody_else_cannot_be_answered(site: Site, at_home: Browser, world, head):
    """Its id is of no use to a stranger."""
    company = path_of(at_home).rpartition("/")[2]
    offer = world.offer(company, somebody(head), world.stranger(520), Role.HANDLER)
    stranger = signed_in(site, site.register_person(7))
    token = stranger.get("/organisations").form_with("uscc").fields["csrf_token"]
    fields = {"csrf_token": token, "offer": offer, "answer": "accept"}
    assert "已经失效" in stranger.post("/organisations/answer", fields).text


def test_a_register_that_is_out_is_said_and_nothing_changes(site: Site, head, uscc, world):
    """The claim can be tried again later."""
    browser = signed_in(site, head)
    form = browser.get("/organisations").form_with("uscc")
    world.registry.fail()
    assert browser.submit(form, uscc=uscc.canonical).status == 503
    world.registry.fail(is_out=False)
    assert browser.submit(form, uscc=uscc.canonical).visited[-1].startswith("/organisations/")


def test_a_former_representative_can_do_nothing_after_fifteen_minutes(site: Site, at_home: Browser, head, uscc, world):
    """The pages ask the register anew, so the change holds here as well as at the services."""
    company = path_of(at_home)
    successor = world.person(530, "继任")
    world.registry.name_representative(uscc, successor.number, successor.name, now=site.clock())
    site.clock.advance(minutes=15)
    later = signed_in(site, head)
    token = later.get("/organisations").form_with("uscc").fields["csrf_token"]
    fields = {"role": "handler", "name": NAME, "matters": "all", "period": "30", "number": head.number}
    assert later.post(f"{company}/appoint", {"csrf_token": token} | fields).status == 404
    assert later.get(company).status == 404


def test_without_the_register_a_page_can_be_read_and_nobody_is_appointed(site: Site, at_home: Browser, head, world):
    """Reading lets nobody act; an invitation waits until the register answers."""
    company = path_of(at_home)
    site.clock.advance(minutes=15)
    world.registry.fail()
    later = signed_in(site, head)
    assert later.get(company).status == 200
    assert later.get(f"{company}/appoint").status == 503


def test_another_site_cannot_claim_for_a_person(site: Site, head, uscc):
    """A form without this browser's token changes nothing."""
    browser = signed_in(site, head)
    assert browser.post("/organisations/claim", {"uscc": uscc.canonical}, headers={}).status == 403
    assert "您现在没有代表任何单位" in browser.get("/organisations").text


def test_the_pages_need_a_login(site: Site, browser: Browser):
    """Whoever is not signed in logs in first."""
    for path in ("/organisations", "/organisations/" + "0" * 32, "/organisations/" + "0" * 32 + "/appoint"):
        assert browser.get(path).visited[-1] == "/login"
