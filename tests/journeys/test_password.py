"""Changing a password at /account/password."""

import re

import pytest
import sqlalchemy as sa

from accounts import evidence, phones
from accounts.audit import audit_events
from accounts.credentials import password as passwords
from accounts.credentials.password import password_credentials
from accounts.credentials.password_rules import history
from accounts.credentials.password_rules.breach_list_building import build
from accounts.credentials.password_rules.history import password_history
from accounts.credentials.password_rules.policy import CODES
from accounts.credentials.password_rules.profiles import CITIZEN, MLPS3
from accounts.database import Statement
from accounts.evidence import EvidenceKind
from accounts.identifiers import Mobile
from idp.delivery.outbox import outbox
from idp.i18n.labels import PASSWORD_REFUSALS
from idp.login import session_store
from tests.fixtures.authenticator_app import shown
from tests.fixtures.relying_party import Browser, Page, RelyingParty
from tests.fixtures.site import PASSWORD, Citizen, Site
from tests.journeys.test_security import log_in, set_up

NEW = "一夜江风吹过石桥-82-yellow"
NAMED = "欧阳娜娜20260302"


@pytest.fixture
def person(site: Site, browser: Browser) -> Citizen:
    """A person who has just logged in in `browser`."""
    person = site.register_person()
    browser.get("/account/password")
    browser.log_in(person)
    return person


def change(browser: Browser, new: str = NEW, **fields: str) -> Page:
    """The page after the form was sent as a browser with scripts sends it."""
    form = browser.get("/account/password").form_with("new_password")
    form.fields.pop("new_password_again")
    return browser.submit(form, **{"new_password": new, **fields})


def let_the_login_age(site: Site, browser: Browser) -> None:
    """The person has used their session for 22 minutes."""
    for _ in range(2):
        site.clock.advance(minutes=11)
        browser.submit(next(f for f in browser.get("/account").forms if f.action == "/session/extend"))


def rows(site: Site, statement: sa.Select) -> list:
    return site.database.connection().rows(Statement(statement))


def events(site: Site) -> list[str]:
    return [row.event for row in rows(site, sa.select(audit_events.c.event).order_by(audit_events.c.at))]


def can_log_in(site: Site, person: Citizen, password: str) -> bool:
    elsewhere = Browser(site, source="198.51.100.77")
    elsewhere.get("/account")
    return elsewhere.log_in(person, password).visited[-1] == "/account"


def test_a_person_changes_their_password_soon_after_the_login(site: Site, browser: Browser, person: Citizen):
    """A recent login needs no present password; the new one logs in and the old one does not."""
    assert "current_password" not in browser.get("/account/password").text
    assert "密码改好了。" in change(browser).text
    assert can_log_in(site, person, NEW)
    assert not can_log_in(site, person, PASSWORD)
    assert "person:password:change" in events(site)
    assert "修改了密码" in browser.get("/account/activity").text


def test_an_older_login_needs_the_present_password(site: Site, browser: Browser, person: Citizen):
    """After twenty minutes the form asks for the present password, and a wrong or missing one changes nothing."""
    let_the_login_age(site, browser)
    assert "请填现在的密码。" in change(browser, current_password="").text
    assert "现在的密码不对" in change(browser, current_password="not this one").text
    assert can_log_in(site, person, PASSWORD)
    assert "密码改好了。" in change(browser, current_password=PASSWORD).text
    assert can_log_in(site, person, NEW)


def test_guesses_at_the_present_password_run_out(site: Site, browser: Browser, person: Citizen):
    """Whoever finds an open browser cannot try passwords without end."""
    let_the_login_age(site, browser)
    statuses = [change(browser, current_password=f"guess {i}").status for i in range(20)]
    assert statuses[0] == 200
    assert statuses[-1] == 429


def test_other_devices_are_signed_out_unless_the_person_says_no(site: Site, browser: Browser, person: Citizen):
    """The box is ticked by default; without it the other device stays signed in. This one stays in either case."""
    other = Browser(site, source="198.51.100.9")
    other.get("/account")
    other.log_in(person)
    form = browser.get("/account/password").form_with("elsewhere=sign_out")
    kept = {name: value for name, value in form.fields.items() if name not in {"elsewhere", "new_password_again"}}
    browser.post(form.action, {**kept, "new_password": NEW})
    assert other.get("/account").visited == ("/account",)
    change(browser, NEW + "-2")
    assert other.get("/account").visited == ("/account", "/login")
    assert browser.get("/account").visited == ("/account",)


@pytest.mark.parametrize(
    ("new", "said"),
    [("", "请填新密码。"), ("short", "新密码太短"), (NAMED, "新密码里有您的姓名"), (PASSWORD, "新密码和现在的一样")],
)
def test_a_refused_password_is_explained_and_never_shown(site: Site, browser: Browser, person: Citizen, new, said):
    """The page says what is wrong with the new password, does not repeat it, and changes nothing."""
    shown = change(browser, new)
    assert said in shown.text
    assert 'href="#new_password"' in shown.text
    assert not new or new not in shown.text
    assert can_log_in(site, person, PASSWORD)


def test_every_refusal_has_words():
    """Each code of the policy has a sentence for the person."""
    assert set(CODES) == set(PASSWORD_REFUSALS)


def test_without_scripts_the_new_password_is_typed_twice(site: Site, browser: Browser, person: Citizen):
    """Nobody can look at what they typed there, so a slip is found by typing it again."""
    assert re.search("<noscript>.*new_password_again.*</noscript>", browser.get("/account/password").text, re.DOTALL)
    assert "两次填的新密码不一样" in change(browser, new_password_again=NEW + "x").text
    assert can_log_in(site, person, PASSWORD)
    assert "密码改好了。" in change(browser, new_password_again=NEW).text


def test_this_browser_stays_known_after_the_change(site: Site, browser: Browser, person: Citizen):
    """Strangers who guess at the new password cannot lock the person out at home."""
    change(browser)
    browser.submit(browser.get("/sign-out").form_with("answer=sign_out"), answer="sign_out")
    for i in range(30):
        stranger = Browser(site, source=f"192.0.2.{i}")
        stranger.get("/account")
        stranger.log_in(person, "guess")
    browser.get("/account")
    assert browser.log_in(person, NEW).visited[-1] == "/account"


def test_a_first_password_needs_a_recent_proof(site: Site, browser: Browser, person: Citizen):
    """A person without a password sets one, and the audit calls it so."""
    with site.database.transaction() as c:
        passwords.forget(c, person.id)
    assert "密码改好了。" in change(browser).text
    assert can_log_in(site, person, NEW)
    assert "person:password:set" in events(site)


def test_a_text_message_alone_sets_no_password(site: Site, browser: Browser, person: Citizen):
    """A session that was opened by SMS alone is never recent enough: the phone may have another holder by now."""
    with site.database.transaction() as c:
        c.execute(Statement(sa.update(session_store.sessions).values(amr=["sms"])))
    assert "current_password" in browser.get("/account/password").text
    assert "请填现在的密码。" in change(browser).text


def test_an_older_systems_password_keeps_its_origin(site: Site, browser: Browser, person: Citizen):
    """Whoever opened a lax older system's account under this number loses the way in when the person is proven."""
    with site.database.transaction() as c:
        c.execute(Statement(sa.update(password_credentials).values(origin="adopted")))
        evidence_rows = evidence.of(c, person.id)
    assert evidence_rows
    change(browser)
    assert [row.origin for row in rows(site, sa.select(password_credentials.c.origin))] == ["adopted"]
    assert not can_log_in(site, person, NEW)


def test_of_two_changes_at_once_one_wins(site: Site, browser: Browser, person: Citizen):
    """A change that was prepared for a password that is another one by now stores nothing."""
    services, now = site.services, site.clock()
    c = site.database.connection()
    first, second = (services.password_change.prepare(c, person.id, NEW + end, knew_old=True) for end in "ab")
    with site.database.transaction() as c:
        stored = [services.password_change.store(c, new, channel="web", source="", now=now) for new in (first, second)]
    assert stored == [True, False]
    assert can_log_in(site, person, NEW + "a")


def test_a_verified_phone_is_told(database_url: str, clock):
    """The person gets a message that whoever stole the session can neither read nor stop."""
    site = Site(database_url, clock, settings={"sandbox": True})
    person, phone = site.register_person(), Mobile.parse("13900000042")
    with site.database.transaction() as c:
        site.services.people.add_phone(c, person.id, phone, now=clock(), is_primary=True)
        phones.verify(c, site.services.people, person.id, phone, source="test", now=clock(), actor=None)
        evidence.record(c, person.id, EvidenceKind.COUNTER_COMPARISON, source="test", at=clock())
    browser = Browser(site)
    browser.get("/account/password")
    browser.log_in(person)
    change(browser)
    assert [row.kind for row in rows(site, sa.select(outbox.c.kind))] == ["sms"]
    site.database.close()


WEAK = "iloveyou"  # on the built-in list


def test_a_password_that_guessers_know_is_changed_before_going_on(site: Site, browser: Browser, housing: RelyingParty):
    """The login succeeds, the step is due before consent, and the service gets its answer after the change."""
    person = site.register_person(password=WEAK)
    browser.get(housing.start())
    step = browser.log_in(person)
    assert step.visited[-1].startswith("/password/")
    assert "不安全" in step.text
    assert "housing 服务" in step.text
    form = step.form_with("new_password")
    form.fields.pop("new_password_again")
    again = browser.submit(form, new_password=WEAK)
    assert again.visited[-1] == step.visited[-1]
    after = browser.submit(form, new_password=NEW)
    assert after.visited[-1].startswith("/consent/")
    assert browser.agree().url.startswith("https://housing.example/callback?")
    assert can_log_in(site, person, NEW)


def test_nothing_goes_to_a_service_before_the_change(site: Site, browser: Browser, housing: RelyingParty):
    """Neither a second service nor a silent request gets past the step, and the person can decline."""
    person = site.register_person(password=WEAK)
    browser.get(housing.start())
    step = browser.log_in(person)
    silent = browser.get(housing.start(prompt="none"))
    assert silent.answer["error"] == "interaction_required"
    assert browser.get(housing.start()).visited[-1].startswith("/password/")
    assert browser.get(step.url).visited[-1].startswith("/password/")
    declined = browser.submit(browser.page.form_with("answer"), answer="cancel")
    assert declined.answer["error"] == "access_denied"


def test_a_login_to_the_own_pages_leads_to_the_change(site: Site, browser: Browser):
    """Without a service the person comes to the form of the account, with the reason, and the reason goes with it."""
    person = site.register_person(password=WEAK)
    browser.get("/account")
    shown = browser.log_in(person)
    assert shown.visited[-1] == "/account/password"
    assert "不安全" in shown.text
    assert "密码改好了。" in change(browser).text
    assert "不安全" not in browser.get("/account/password").text


def test_a_breached_password_is_one_too(database_url: str, clock, tmp_path):
    """The breach list of the settings holds at the login and for new passwords."""
    build([[PASSWORD.encode(), NEW.encode()]], tmp_path / "list", now=clock())
    site = Site(database_url, clock, settings={"breach_list": str(tmp_path / "list")})
    browser, person = Browser(site), site.register_person()
    browser.get("/account")
    assert browser.log_in(person).visited[-1] == "/account/password"
    assert "已经泄露" in change(browser).text
    assert "密码改好了。" in change(browser, NEW + "-9").text
    site.database.close()


def staff(site: Site, person: Citizen) -> None:
    with site.database.transaction() as c:
        assert history.set_profile(c, person.id, MLPS3, now=site.clock())


def test_staff_change_by_time_and_citizens_do_not(site: Site, browser: Browser, housing: RelyingParty):
    """After ninety days the step is due for staff, with their rules on the page; a citizen's old password stays."""
    person, citizen = site.register_person(), site.register_person(2)
    secret = set_up(log_in(site, person))
    staff(site, person)
    site.clock.advance(days=91)
    browser.get(housing.start())
    browser.log_in(person)
    step = browser.submit(browser.page.form_with("code"), code=shown(secret, site.clock()), answer="verify")
    assert step.visited[-1].startswith("/password/")
    assert "定期更换" in step.text
    assert "至少 12 个字" in step.text
    elsewhere = Browser(site, source="198.51.100.9")
    elsewhere.get(housing.start())
    assert elsewhere.log_in(citizen).visited[-1].startswith("/consent/")


def test_staff_reach_no_service_with_a_password_alone(site: Site, browser: Browser, housing: RelyingParty):
    """GB/T 22239 asks staff for two factors; whoever has set up none is asked to, and a citizen is not."""
    person = site.register_person()
    browser.get(housing.start())
    assert browser.log_in(person).visited[-1].startswith("/consent/")
    staff(site, person)
    assert browser.get(housing.start()).visited[-1].startswith("/second_factor/")
    assert browser.get(housing.start(prompt="none")).answer["error"] == "login_required"


def test_former_passwords_of_staff_do_not_come_back(site: Site, browser: Browser, person: Citizen):
    """Five former passwords are refused and the sixth may come back; they are sealed, and go with the profile."""
    staff(site, person)
    phrases = [f"Lamp {i} on the bridge {i}" for i in range(7)]
    for phrase in phrases:
        site.clock.advance(seconds=1)
        assert "密码改好了。" in change(browser, phrase).text
    assert "以前用过" in change(browser, phrases[1]).text
    assert "以前用过" in change(browser, phrases[5]).text
    assert len(rows(site, sa.select(password_history.c.id))) == 5
    assert "密码改好了。" in change(browser, phrases[0]).text
    sealed = [bytes(row.sealed) for row in rows(site, sa.select(password_history.c.sealed))]
    assert not any(b"argon2" in seal for seal in sealed)
    with site.database.transaction() as c:
        assert history.set_profile(c, person.id, CITIZEN, now=site.clock())
    assert rows(site, sa.select(password_history.c.id)) == []


def test_a_citizen_leaves_no_former_password(site: Site, browser: Browser, person: Citizen):
    """What no rule needs is not kept."""
    change(browser)
    change(browser, NEW + "-2")
    assert rows(site, sa.select(password_history.c.id)) == []
