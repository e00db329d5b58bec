"""A lost password walked at random: every form at every stage, from two browsers, against a model."""

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from accounts.credentials import password as passwords
from accounts.database import Statement, metadata
from accounts.people.recovery import recoveries
from accounts.people.recovery.journey import JOURNEY_FOR, Stage
from tests.conftest import Clock
from tests.fixtures.authenticator_app import shown
from tests.fixtures.recoveries import (
    NAME,
    NEW_PASSWORD,
    PHONE,
    SETTINGS,
    counter_code,
    give_authenticator,
    give_phone,
    give_recovery_codes,
    variable,
)
from tests.fixtures.relying_party import Browser
from tests.fixtures.site import Site

STAGES = [stage.value for stage in Stage]
ANY_PAGE = st.one_of(st.none(), st.none(), st.sampled_from(STAGES))  # None: the page that is due
BUTTONS = ("phone", "recovery-code", "counter", "totp", "back", "wait", "text", "code", "")
KEPT = {"signing_keys", "vault_keys", "client_version", "clients"}
LIMITS = ("throttle_counters", "sending_counters")
FIRST, FURTHER = ("phone", "recovery-code", "counter"), ("phone", "recovery-code", "totp")
OF = {"code": "phone", "recovery-code": "recovery-code", "totp": "totp", "counter": "counter"}


class RecoveryMachine(RuleBasedStateMachine):
    """The model: the stage, what was shown, and the wait. A password changes at one place only."""

    site: Site
    reached: set[str]

    @initialize()
    def start(self):
        for table in reversed(metadata.sorted_tables):
            if table.name not in KEPT:
                self.site.database.connection().execute(Statement(sa.delete(table)))
        self.owner = self.site.register_person()
        give_phone(self.site, self.owner)
        self.secret = give_authenticator(self.site, self.owner)
        self.codes = list(give_recovery_codes(self.site, self.owner))
        self.browser, self.stranger = Browser(self.site), Browser(self.site)
        self.resets = self.wrong = 0
        self.wait = None  # what was shown when a wait began, and when it opens
        self.stage, self.shown, self.mine, self.begun = "", frozenset(), True, 0.0
        self.csrf = {}
        for each in (self.browser, self.stranger):
            self.csrf[each] = each.get("/recover").forms[0].fields["csrf_token"]
        self.was = self.password_row()
        self.identify(right=True)

    @rule(right=st.booleans())
    def identify(self, right):
        self.site.clock.advance(seconds=61)
        self.post("", name=NAME if right else "赵无名", number=self.owner.number)
        self.stage, self.shown, self.mine, self.wrong, self.begun = "way", frozenset(), right, 0, self.hours()

    @rule(page=ANY_PAGE, button=st.sampled_from(BUTTONS))
    def press(self, page, button):
        """A button of any page, sent to any page, without text."""
        page = page or self.stage
        self.post(page, answer=button)
        if page != self.stage:
            return
        if button == "back" and self.stage in (*OF, "phone"):
            self.stage = "more" if self.shown else "way"
        elif self.stage == "way" and button in FIRST:
            self.stage = button
        elif self.stage == "more":
            self._choose_more(button)

    def _choose_more(self, button):
        if button == "wait":
            if self.wait is None or not self.wait[0] <= self.shown:
                hours = 72 if self.shown == {"phone"} else 24
                self.wait = (self.shown, self.hours() + hours)
            self.stage = "waiting"
        elif button in FURTHER and button not in self.shown:
            self.stage = button

    @rule(page=ANY_PAGE, phone=st.sampled_from([PHONE, "13900000077", "12"]))
    def send(self, page, phone):
        page = page or self.stage
        if page in ("code", "password"):
            return
        self.site.clock.advance(seconds=61)
        self.post(page, phone=phone, answer="text")
        if page == self.stage == "phone" and phone != "12":
            self.stage, self.sent_to, self.wrong = "code", phone, 0

    @rule(page=ANY_PAGE, right=st.booleans())
    def type_code(self, page, right):
        """The code of the page that is due, right or wrong, sent to any page."""
        page = page or self.stage
        if page in ("password", "") or self.stage in ("password", ""):
            return
        can_be_right = right and self.mine and page == self.stage and self._may_be_right()
        self.post(page, code=self._code(right=right), answer="code")
        if page != self.stage or self.stage not in OF:
            return
        if can_be_right:
            self._gained(OF[self.stage])
        elif self.stage == "code":
            self.wrong += 1

    def _may_be_right(self):
        return self.stage != "code" or (self.sent_to == PHONE and self.wrong < 3)

    def _code(self, *, right):
        if self.stage == "recovery-code":
            return self.codes.pop() if right and self.mine else "0000-0000-0000-0000"
        if self.stage == "counter":
            return counter_code(self.site, self.owner).code if right else "0000-0000-0000"
        if self.stage == "totp":
            self.site.clock.advance(minutes=2)
            return shown(self.secret, self.site.clock()) if right else "12345"
        if not right or self.stage != "code" or not self._may_be_right() or not self.mine:
            return "000000"
        return variable(self.site, "recovery_code", "code")

    def _gained(self, what):
        self.shown |= {what}
        is_over = self.wait is not None and self.wait[0] <= self.shown and self.wait[1] <= self.hours()
        enough = what == "counter" or len(self.shown) > 1 or is_over
        self.stage = "password" if enough else "more"
        if what == "recovery-code":
            self.codes = self.codes or list(give_recovery_codes(self.site, self.owner))

    @rule(page=ANY_PAGE, chosen=st.sampled_from(["good", "short", ""]))
    def choose_password(self, page, chosen):
        page = page or self.stage
        if page in (*OF, "") or not self.stage:
            return
        words = {"good": f"{NEW_PASSWORD}-{self.resets}", "short": "abc", "": ""}[chosen]
        self.post(page, new_password=words, lost="")
        if page == self.stage == "password" and chosen == "good":
            self.resets += 1
            self.stage, self.wait = "done", None

    @rule(hours=st.sampled_from([1, 80]))
    def time_passes(self, hours):
        """A journey ends after 45 minutes, a wait a week after it opened."""
        self.site.clock.advance(hours=hours)
        self.stage = ""
        if self.wait is not None and self.wait[1] + 7 * 24 <= self.hours():
            self.wait = None

    @rule()
    def the_owner_cancels(self):
        """Everything that was begun has ended, in this browser, too."""
        with self.site.database.transaction() as c:
            recoveries.cancel_all(c, self.owner.id, now=self.site.clock())
        self.wait = None
        if self.mine and self.stage != "done":
            self.stage = ""

    def go_on(self, way):
        """What an honest person does next."""
        steps = {
            "": lambda: self.identify(right=True),
            "way": lambda: self.press(None, way),
            "phone": lambda: self.send(None, PHONE),
            "more": lambda: self.press(None, "totp" if way == "phone" and "totp" not in self.shown else "wait"),
            "waiting": lambda: self.time_passes(80),
            "done": lambda: self.identify(right=True),
            "password": lambda: self.choose_password(None, "good"),
        }
        steps.get(self.stage, lambda: self.type_code(None, right=True))()

    @rule(ways=st.lists(st.sampled_from(["phone", "recovery-code", "counter"]), min_size=2, max_size=6))
    def go_on_a(self, ways):
        """Several steps at once, so that walks get far."""
        for way in ways:
            self.go_on(way)
            self.the_page_is_the_one_that_is_due()
            self.only_proof_sets_a_password()

    @rule(ways=st.lists(st.sampled_from(["phone", "recovery-code", "counter"]), min_size=1, max_size=3))
    def go_on_b(self, ways):
        """The same, with fewer steps."""
        self.go_on_a(ways)

    @rule(page=st.sampled_from(STAGES))
    def a_stranger_sends_it(self, page):
        """The same forms from another browser, which knows everything but the cookie."""
        fields = {"new_password": NEW_PASSWORD, "answer": "wait", "code": "000000"}
        shown_page = self.stranger.post(f"/recover/{page}", fields | {"csrf_token": self.csrf[self.stranger]})
        assert shown_page.visited[-1] == "/recover"

    @rule()
    def a_form_without_its_token_is_refused(self):
        assert self.browser.post("/recover/password", {"new_password": NEW_PASSWORD}).status == 403

    @invariant()
    def only_proof_sets_a_password(self):
        now = self.password_row()
        changed = getattr(self, "seen_resets", 0) != self.resets
        assert (now != self.was) is changed
        self.was, self.seen_resets = now, self.resets

    @invariant()
    def the_page_is_the_one_that_is_due(self):
        if self.hours() - self.begun >= JOURNEY_FOR.total_seconds() / 3600:
            self.stage = ""
        stage = self.stage or "way"
        found = self.browser.get(f"/recover/{stage}").visited[-1]
        assert found == (f"/recover/{self.stage}" if self.stage else "/recover")
        if self.stage:
            self.reached.add(self.stage)

    def hours(self):
        return self.site.clock().timestamp() / 3600

    def password_row(self):
        return passwords.stored(self.site.database.connection(), self.owner.id).sealed

    def post(self, page, **fields):
        for name in LIMITS:
            self.site.database.connection().execute(Statement(sa.delete(metadata.tables[name])))
        path = f"/recover/{page}" if page else "/recover"
        return self.browser.post(path, fields | {"csrf_token": self.csrf[self.browser]})


@pytest.fixture
def site(sqlite_template, tmp_path, clock: Clock):
    path = tmp_path / "machine.db"
    path.write_bytes(sqlite_template.read_bytes())
    made = Site(f"sqlite:///{path}", clock, settings=SETTINGS)
    yield made
    made.database.close()


def test_no_walk_through_the_forms_skips_a_step(site: Site):
    """From every stage, every form, in any order and from two browsers: only proof changes a password."""

    class Machine(RecoveryMachine):
        pass

    Machine.site, Machine.reached = site, set()
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,  # so that every run reaches every stage
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Machine.reached == set(STAGES)
