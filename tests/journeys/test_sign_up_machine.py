"""Registration walked at random: every form at every stage, from two browsers, against a model of what may happen."""

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from accounts.database import Statement, metadata
from accounts.identifiers import parse
from accounts.people import natural_persons
from accounts.registration.journey import Stage
from tests.conftest import Clock
from tests.fixtures.registrations import DAMING, SANDBOX, XIAOYU, Registrant, last_code
from tests.fixtures.relying_party import Browser
from tests.fixtures.site import PASSWORD, Site

STAGES = [stage.value for stage in Stage]
ANY_PAGE = st.one_of(st.none(), st.none(), st.sampled_from(STAGES))  # None: the page that is due
KEPT = {"signing_keys", "vault_keys", "client_version", "clients"}
COUNT = Statement(sa.select(sa.func.count().label("n")).select_from(natural_persons))
PEOPLE = {"xiaoyu": XIAOYU, "daming": DAMING}
PHONES = {"own": XIAOYU.phone, "other": "+8613900000077", "bad": "12"}


class SignUpMachine(RuleBasedStateMachine):
    """The model: the stage, whom the journey names, and what it has proven. It opens an account at one place only."""

    site: Site
    reached: set[str]

    @initialize(document=st.sampled_from(["citizen_id", "passport"]))
    def start(self, document):
        for table in reversed(metadata.sorted_tables):
            if table.name not in KEPT:
                self.site.database.connection().execute(Statement(sa.delete(table)))
        self.person, self.stranger = Registrant(Browser(self.site)), Registrant(Browser(self.site))
        self.accounts: set[str] = set()
        self.opened = 0
        for each in (self.person, self.stranger):
            each.browser.get("/sign-up")
            each.csrf = each.page.forms[0].fields["csrf_token"]
        self.begin(document)

    @rule(document=st.sampled_from(["citizen_id", "passport", "uscc", ""]))
    def begin(self, document):
        self.person.browser.post("/sign-up", {"document": document, "csrf_token": self.person.csrf})
        if document in ("citizen_id", "passport"):
            self.document, self.stage = document, "person"
            self.name, self.proofs, self.phone, self.tries = "", frozenset(), None, 0

    @rule(page=ANY_PAGE, name=st.sampled_from(["xiaoyu", "daming", "wrong", ""]),
          of_age=st.sampled_from(["yes", "no", ""]))  # fmt: skip
    def post_person(self, page, name, of_age):
        page = page or self.stage
        who = PEOPLE.get(name, XIAOYU)
        typed = {"xiaoyu": XIAOYU.name, "daming": DAMING.name, "wrong": "赵无名"}.get(name, "")
        self.post(page, name=typed, number=who.number, of_age=of_age)
        if page == self.stage == "person":
            if self.document == "citizen_id" and name in PEOPLE:
                self.stage, self.name = "proof", name
            elif self.document == "passport" and typed and of_age == "yes":
                self.stage, self.name = "phone", ""

    @rule(page=ANY_PAGE, answer=st.sampled_from(
        ["face_match", "network_identity", "phone", "done", "other", "skip", "again", "check", "send", "cancel", ""]
    ))  # fmt: skip
    def post_answer(self, page, answer):
        """A button of any page, sent to any page, without text."""
        page = page or self.stage
        if page in ("code", "password") and answer in ("again", "check", "send", ""):
            return
        self.post(page, answer=answer)
        if page == self.stage:
            self.stage, gained = self._after(answer)
            self.proofs |= gained

    def _after(self, answer):
        """The stage and the proofs after a button of the page that is due."""
        none, proven, at = frozenset(), "face" in self.proofs, self.stage
        if at == "code":
            return self._after_code(answer)
        if (at, answer) == ("check", "done"):
            return ("phone", frozenset({"face"})) if self.name == "xiaoyu" else ("proof", none)
        if (at, answer) == ("phone", "skip") and proven:
            self.phone = None
            return "password", none
        if (at, answer) == ("phone", "other") and self.name and not proven:
            return "proof", none
        plain = {("proof", "phone"): "phone", ("check", "other"): "proof"}
        plain |= {("proof", name): "check" for name in ("face_match", "network_identity")}
        return plain.get((at, answer), at), none

    def _after_code(self, answer):
        if answer != "other":
            self.tries += 1
        return ("phone" if answer == "other" or self.tries >= 5 else "code"), frozenset()

    @rule(page=ANY_PAGE, phone=st.sampled_from(list(PHONES)))
    def post_phone(self, page, phone):
        page = page or self.stage
        if page in ("code", "password"):
            return
        self.site.clock.advance(seconds=1)
        self.post(page, phone=PHONES[phone], answer="send")
        if page == self.stage == "phone" and phone != "bad":
            self.stage, self.phone, self.tries = "code", phone, 0

    @rule(way=st.sampled_from(["face_match", "phone"]))
    def go_on_a(self, way):
        """What an honest person does next. There are two such rules, so that walks get far."""
        steps = {
            "person": lambda: self.post_person(None, "xiaoyu", "yes"),
            "proof": lambda: self.post_answer(None, way),
            "check": lambda: self.post_answer(None, "done"),
            "phone": lambda: self.post_phone(None, "own"),
            "code": lambda: self.post_code(None, right=True),
            "password": lambda: self.post_password(None, PASSWORD),
        }
        steps.get(self.stage, lambda: self.begin("citizen_id"))()

    @rule(way=st.sampled_from(["face_match", "phone"]))
    def go_on_b(self, way):
        """The same."""
        self.go_on_a(way)

    @rule(page=ANY_PAGE, right=st.booleans())
    def post_code(self, page, right):
        page = page or self.stage
        if page == "password":
            return
        sent = self.stage == "code"
        digits = last_code(self.site) if sent else "123456"
        self.post(page, code=digits if right else f"{(int(digits) + 1) % 10**6:06}", answer="check")
        if page == self.stage == "code":
            self._typed(right)

    def _typed(self, right):
        if not right:
            self.tries += 1
            self.stage = "phone" if self.tries >= 5 else "code"
        elif not self.name and self.phone in self.accounts:
            self.stage = "known"
        elif "face" in self.proofs or not self.name or (self.name == "xiaoyu" and self.phone == "own"):
            self.proofs |= {"phone"}
            self.stage = "password"
        else:
            self.stage = "phone"

    @rule(page=ANY_PAGE, password=st.sampled_from([PASSWORD, "short", ""]))
    def post_password(self, page, password):
        page = page or self.stage
        if page == "code":
            return
        self.post(page, password=password)
        if page == self.stage == "password" and password == PASSWORD:
            key = self.name or self.phone
            self.stage = "known" if self.name and self.name in self.accounts else "done"
            if self.stage == "done":
                self.opened += 1
                self.accounts |= {key} | ({self.phone} if self.phone else set())

    @rule(page=ANY_PAGE)
    def a_stranger_sends_it(self, page):
        """The same forms from another browser, which knows everything but the cookie."""
        page = page or self.stage
        fields = {"password": PASSWORD, "answer": "done", "name": XIAOYU.name, "number": XIAOYU.number}
        shown = self.stranger.browser.post(f"/sign-up/{page}", fields | {"csrf_token": self.stranger.csrf})
        assert shown.visited[-1] == "/sign-up"

    @rule()
    def a_form_without_its_token_is_refused(self):
        assert self.person.browser.post(f"/sign-up/{self.stage}", {"password": PASSWORD}).status == 403

    @invariant()
    def only_proof_opens_an_account(self):
        c = self.site.database.connection()
        assert c.one(COUNT).n == self.opened
        for name, who in PEOPLE.items():
            found = self.site.services.people.find(c, parse(who.kind, who.number))
            assert (found is not None) is (name in self.accounts)

    @invariant()
    def the_page_is_the_one_that_is_due(self):
        self.reached.add(self.stage)
        shown = self.person.browser.get(f"/sign-up/{self.stage}").visited[-1]
        assert shown == ("/account" if self.stage == "done" else f"/sign-up/{self.stage}")

    def post(self, page, **fields):
        self.site.database.connection().execute(Statement(sa.delete(metadata.tables["call_counters"])))
        self.person.browser.post(f"/sign-up/{page}", fields | {"csrf_token": self.person.csrf})


@pytest.fixture
def site(sqlite_template, tmp_path, clock: Clock):
    path = tmp_path / "machine.db"
    path.write_bytes(sqlite_template.read_bytes())
    made = Site(f"sqlite:///{path}", clock, settings=SANDBOX)
    yield made
    made.database.close()


def test_no_walk_through_the_forms_skips_a_step(site: Site):
    """From every stage, every form, in any order and from two browsers: accounts exist only where proof was given."""

    class Machine(SignUpMachine):
        pass

    Machine.site, Machine.reached = site, set()
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,  # so that every run reaches every stage
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Machine.reached == set(STAGES)
