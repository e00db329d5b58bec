"""Family and helpers: from the offer to the end in the middle of a session, and what nobody else can see or do."""

from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from accounts import evidence
from accounts.credentials import password as passwords
from accounts.database import Statement
from accounts.evidence import EvidenceKind
from accounts.identifiers import CitizenId
from accounts.people import NewPerson
from accounts.people.family.family_store import helper_relations
from idp.login import person_status
from tests.fixtures.city import number
from tests.fixtures.enterprises import Enterprises, Somebody
from tests.fixtures.families import Families
from tests.fixtures.relying_party import Browser, RelyingParty, id_token_claims
from tests.fixtures.site import PASSWORD, Citizen, Site

RELATIONS = Statement(sa.select(helper_relations).order_by(helper_relations.c.offered_at))


@dataclass
class Relative:
    """A person with an account, and their browser."""

    citizen: Citizen
    somebody: Somebody
    browser: Browser


@pytest.fixture
def families(site: Site):
    return Families(site.database, site.services.people, site.clock)


def relative(site, serial, born, name, source):
    who, services = CitizenId.parse(number(born, serial)), site.services
    with site.database.transaction() as c:
        person = services.people.register(c, NewPerson(name, (who,)), now=site.clock())
        evidence.record(c, person.id, EvidenceKind.COUNTER_COMPARISON, source="test", at=site.clock())
        passwords.store(c, services.vault, person.id, services.hasher.hash(PASSWORD), now=site.clock())
    citizen = Citizen(person.id, who.canonical, PASSWORD)
    return Relative(citizen, Somebody(person.id, who, name), Browser(site, source=source))


@pytest.fixture
def mother(site: Site):
    return relative(site, 51, "19580304", "王秀英", "203.0.113.8")


@pytest.fixture
def daughter(site: Site):
    return relative(site, 52, "19881107", "李小芳", "203.0.113.9")


@pytest.fixture
def clinic(site: Site):
    """A service where helpers may act."""
    return with_helpers(site, "clinic")


def with_helpers(site, client_id, **metadata):
    client = site.register_client(client_id, metadata={"helpers": True} | metadata)
    return RelyingParty(site, client)


def at(who, path):
    """The page, after a login if one is needed."""
    page = who.browser.get(path)
    return who.browser.log_in(who.citizen) if "/login" in page.visited[-1] else page


def ask(asker, whom, **fields):
    """Fill in the form: who helps whom, with what, for how long."""
    at(asker, "/account/family/invite")
    form = asker.browser.page.form_with("name", "number")
    typed = {
        "who": "help_me",
        "name": whom.somebody.name,
        "number": whom.citizen.number,
        "relation": "child",
        "matters": "health",
        "period": "90",
    }
    return asker.browser.submit(form, **typed | fields)


def answer(who, how):
    at(who, "/account/family")
    return who.browser.submit(who.browser.page.form_with(f"answer={how}"), answer=how)


def form_to(page, action):
    return next(form for form in page.forms if form.action == action)


def agreed(mother, daughter):
    """The mother asked, the daughter accepted: the relation's id."""
    ask(mother, daughter)
    answer(daughter, "accept")
    return at(mother, "/account/family").text.partition('href="/account/family/')[2][:32]


def choose(browser, whom):
    return browser.submit(browser.page.form_with("answer=choose"), **{"for": whom, "answer": "choose"})


def logged_in_for(site, daughter, mother, clinic):
    """The tokens of a login of the daughter for the mother."""
    at(daughter, clinic.start(scope="openid offline_access profile"))
    assert daughter.browser.page.visited[-1].startswith("/represent/")
    choose(daughter.browser, mother.citizen.id)
    daughter.browser.agree()
    return clinic.redeem(daughter.browser.page)


def refreshed(party, token):
    form = {"grant_type": "refresh_token", "refresh_token": token}
    login = (party.system.client.client_id, party.system.secret)
    return party.http.post("/token", data=form, auth=login).get_json()


def test_a_mother_is_helped_until_she_ends_it(site, mother, daughter, clinic):
    """Asked, accepted, acted for; ended in the middle of the daughter's session, her next refresh is refused."""
    assert "已经发出" in ask(mother, daughter).text
    shown = at(daughter, "/account/family")
    assert "王秀英" in shown.text
    assert "父母" in shown.text
    assert "看病和健康" in shown.text
    assert "已经同意" in answer(daughter, "accept").text

    tokens = logged_in_for(site, daughter, mother, clinic)
    told = id_token_claims(tokens)
    assert (told["helper_relation"], told["helper_matters"], told["helper_proof"]) == ("child", ["health"], "declared")
    assert clinic.userinfo(tokens)["name"] == "李小芳"
    assert "access_token" in refreshed(clinic, tokens["refresh_token"])

    (relation,) = site.database.connection().rows(RELATIONS)
    page = at(mother, f"/account/family/{relation.id}")
    assert "亲友代您登录了一个服务" in page.text
    assert "已经结束" in mother.browser.submit(form_to(page, f"/account/family/{relation.id}/end")).text
    assert refreshed(clinic, tokens["refresh_token"])["error"] == "invalid_grant"
    assert clinic.introspect(tokens["access_token"])["active"] is False
    assert "您现在没有替别人办事" in at(daughter, "/account/family").text
    assert daughter.browser.get(clinic.start()).visited == ("/authorize",)  # for herself, without a question
    assert "helped_sub" not in id_token_claims(clinic.redeem(daughter.browser.page))


def test_a_daughter_offers_help(site, mother, daughter, clinic):
    """She fills in what her mother is to her; the mother reads what the daughter is to her, and agrees."""
    ask(daughter, mother, who="help_them", relation="parent")
    shown = at(mother, "/account/family")
    assert "要替您办事。对方是您的：子女" in shown.text
    answer(mother, "accept")
    assert id_token_claims(logged_in_for(site, daughter, mother, clinic))["helper_relation"] == "child"


def test_the_mother_sees_what_was_done_in_her_name(site, mother, daughter, clinic):
    """In her activity, with the service; and on the page of the relation, which shows it to both."""
    relation = agreed(mother, daughter)
    logged_in_for(site, daughter, mother, clinic)
    for page in (at(mother, "/account/activity"), at(mother, f"/account/family/{relation}")):
        assert "亲友代您登录了一个服务" in page.text
        assert "clinic 服务" in page.text
    assert "亲友代您登录了一个服务" in at(daughter, f"/account/family/{relation}").text


def test_a_helper_sees_no_activity_of_an_adult(site, mother, daughter):
    """Only a guardian sees the activity of a child."""
    relation = agreed(mother, daughter)
    assert "使用密码登录" not in at(daughter, f"/account/family/{relation}").text


def test_a_guardian_of_a_youth_sees_their_activity_until_it_ends(site, families, daughter):
    """The child accepts the guardian whom a counter recorded; the guardian reads the activity; both can end it."""
    child = relative(site, 53, "20100601", "李明明", "203.0.113.10")
    held = families.guards(daughter.somebody, child.somebody)
    shown = at(child, "/account/family")
    assert "也能看到您的账号活动" in shown.text
    answer(child, "accept")
    path = f"/account/family/{held.id}"
    assert "使用密码登录" in at(daughter, path).text
    assert "未成年人的账号活动" not in at(child, path).text
    child.browser.submit(form_to(at(child, path), f"{path}/end"))
    after = at(daughter, path)
    assert "未成年人的账号活动" not in after.text
    assert "被帮助的人结束了代办" in after.text


def test_a_child_under_14_has_no_button_to_end_its_guardian(site, families, daughter):
    """The child reads who acts for it; the guardian has the button."""
    child = relative(site, 59, "20150601", "李明明", "203.0.113.10")
    path = f"/account/family/{families.guards(daughter.somebody, child.somebody).id}"
    assert "结束代办" not in at(child, path).text
    assert "结束代办" in at(daughter, path).text


def test_at_eighteen_the_guardian_sees_and_does_nothing_more(site, families, daughter):
    """On the birthday, without anybody doing anything."""
    child = relative(site, 54, "20080304", "李明明", "203.0.113.10")  # eighteen in two days
    held = families.guards(daughter.somebody, child.somebody)
    answer(child, "accept")
    assert "未成年人的账号活动" in at(daughter, f"/account/family/{held.id}").text
    site.clock.advance(days=2)
    after = at(daughter, f"/account/family/{held.id}")
    assert "期限已到" in after.text
    assert "未成年人的账号活动" not in after.text


@pytest.mark.parametrize("status", ["deceased", "disabled", "closed"])
def test_a_choice_that_is_gone_is_asked_again(site, mother, daughter, clinic, families, status):
    """Between the choice and the consent the mother died: no token names her, and nobody is chosen instead."""
    agreed(mother, daughter)
    other = relative(site, 55, "19560101", "李大山", "203.0.113.11")
    families.helps(daughter.somebody, other.somebody)
    at(daughter, clinic.start())
    choose(daughter.browser, mother.citizen.id)
    with site.database.transaction() as c:
        people = site.services.people
        person_status.change(c, people, mother.citizen.id, status, actor="operator:1", now=site.clock())
    shown = daughter.browser.agree()
    assert shown.visited[-1].startswith("/represent/")
    assert "李大山" in shown.text
    assert "王秀英" not in shown.text


def test_without_a_page_the_service_gets_the_error(mother, daughter, clinic):
    """`prompt=none` and a choice to make: interaction_required."""
    agreed(mother, daughter)
    at(daughter, clinic.start(prompt="none"))
    assert daughter.browser.page.answer["error"] == "interaction_required"


@pytest.mark.parametrize("metadata", [{"helpers": False}, {"serves": "organisations"}])
def test_a_service_that_does_not_allow_helpers_never_asks(site, mother, daughter, metadata):
    """Whatever the person could act for, their relatives are not offered, and cannot be chosen by hand."""
    agreed(mother, daughter)
    party = with_helpers(site, "plain", **metadata)
    page = at(daughter, party.start())
    assert "王秀英" not in page.text


def test_organisations_and_relatives_stand_on_one_page(site, mother, daughter):
    """A service for all of them asks once: for myself, for a company, for the mother."""
    agreed(mother, daughter)
    services = site.services
    world = Enterprises(services.database, services.people, site.clock, services.systems.enterprises)
    company = world.company(641, daughter.somebody)
    party = with_helpers(site, "all", serves="persons_or_organisations")
    page = at(daughter, party.start())
    for offered in ('value="self"', f'value="{company}"', f'value="{mother.citizen.id}"'):
        assert offered in page.text
    choose(daughter.browser, mother.citizen.id)
    daughter.browser.agree()
    told = id_token_claims(party.redeem(daughter.browser.page))
    assert "helped_sub" in told
    assert "org_sub" not in told


@pytest.mark.parametrize("path", ["/account/family/{}", "/account/family/{}/end"])
def test_somebody_elses_relation_is_not_there(site, mother, daughter, path):
    """404 for a third person, whether it exists or not, and nothing has changed."""
    relation = agreed(mother, daughter)
    other = relative(site, 56, "19900101", "外人", "203.0.113.12")
    form = at(other, "/account/contact").form_with("csrf_token")
    for which in (relation, "0" * 32):
        there = path.format(which)
        shown = (
            other.browser.post(there, {"csrf_token": form.fields["csrf_token"]})
            if there.endswith("/end")
            else other.browser.get(there)
        )
        assert shown.status == 404
    assert "等您答复" not in at(other, "/account/family").text
    (row,) = site.database.connection().rows(RELATIONS)
    assert row.ended_at is None


def test_somebody_elses_offer_cannot_be_answered(site, mother, daughter):
    """By its key, in a third person's form: the page says it is over, and the daughter's answer still counts."""
    ask(mother, daughter)
    (offer,) = site.database.connection().rows(RELATIONS)
    other = relative(site, 56, "19900101", "外人", "203.0.113.12")
    form = at(other, "/account/contact").form_with("csrf_token")
    sent = {"csrf_token": form.fields["csrf_token"], "offer": offer.id, "answer": "accept"}
    assert "已经失效" in other.browser.post("/account/family/answer", sent).text
    assert "已经同意" in answer(daughter, "accept").text


def test_an_offer_says_the_same_of_somebody_without_an_account(site, mother, daughter):
    """Nobody learns from the form whether a number has an account here."""
    known = ask(mother, daughter).text
    stranger = Relative(
        Citizen("", number("19900101", 57), ""), Somebody("", CitizenId.parse(number("19900101", 57)), "张三"), None
    )
    unknown = ask(mother, stranger).text
    assert "已经发出" in known
    assert "已经发出" in unknown
    assert unknown.count("等待接受") == 2


def test_a_helper_reaches_nothing_of_the_account(site, mother, daughter):
    """Every page of the daughter's account is her own: no name, number or device of the mother is on it."""
    agreed(mother, daughter)
    pages = ("/account", "/account/facts", "/account/devices", "/account/services", "/account/security")
    for path in (*pages, "/account/activity", "/account/releases", "/account/contact"):
        assert "王秀英" not in at(daughter, path).text


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"who": ""}, "请选择谁替谁办"),
        ({"relation": "guardian"}, "请选择对方是您的什么人"),
        ({"name": " "}, "请填写对方的姓名"),
        ({"number": ""}, "请填写对方的证件号码"),
        ({"number": "123"}, "号码"),
        ({"matters": "tax"}, "请选择可以办理的事项"),
        ({"period": "3650"}, "请选择期限"),
    ],
)
def test_a_form_that_lacks_something_says_what(site, mother, daughter, fields, says):
    """At the field, and nothing is offered."""
    shown = ask(mother, daughter, **fields)
    assert 'role="alert"' in shown.text
    assert says in shown.text
    assert site.database.connection().rows(RELATIONS) == []


def test_ones_own_number_and_a_minor_are_refused_in_words(site, mother, families):
    """Nobody helps themselves, and a minor is told who may help them."""
    assert "不是您自己的" in ask(mother, mother).text
    child = relative(site, 58, "20100601", "李明明", "203.0.113.10")
    assert "监护人" in ask(child, mother).text


def test_an_offer_is_withdrawn_or_declined(site, mother, daughter):
    """The other one then finds nothing to answer."""
    ask(mother, daughter)
    (offer,) = site.database.connection().rows(RELATIONS)
    page = at(mother, f"/account/family/{offer.id}")
    assert "已经撤回" in mother.browser.submit(form_to(page, f"/account/family/{offer.id}/end")).text
    assert "等您答复" not in at(daughter, "/account/family").text
    ask(mother, daughter)
    assert "已经拒绝" in answer(daughter, "decline").text
    assert "现在没有人替您办事" in at(mother, "/account/family").text


def test_an_old_login_must_be_renewed_before_power_is_given(site, mother, daughter):
    """To ask and to agree, the person has just proven to be themselves; to end, no proof stands in the way."""
    relation = agreed(mother, daughter)
    for _ in range(2):  # the session is used, and does not end
        site.clock.advance(minutes=11)
        mother.browser.submit(form_to(mother.browser.get("/account"), "/session/extend"))
    assert mother.browser.get("/account/family/invite").visited[-1].startswith("/login")
    page = mother.browser.get(f"/account/family/{relation}")
    assert "已经结束" in mother.browser.submit(form_to(page, f"/account/family/{relation}/end")).text
