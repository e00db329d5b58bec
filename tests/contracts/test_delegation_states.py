"""Random acts on delegations against a model in plain Python: the rules hold from every state."""

from datetime import timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from accounts.database import Database
from accounts.organisations.authority import AuthorityStatus
from accounts.organisations.delegations import ACCEPT_WITHIN
from accounts.organisations.errors import DelegationRefused
from accounts.organisations.paths import Role
from accounts.people import People
from tests.conftest import Clock
from tests.fixtures.enterprises import MONTH, Enterprises

PEOPLE = st.integers(0, 5)
MOST = 2  # managers, so that the limit is met often


class Held:
    """One delegation of the model."""

    def __init__(self, role, by, who, above, now):
        self.role, self.by, self.who, self.above = role, by, who, above
        self.offered_at = now
        self.expires_at = now + MONTH if role is Role.HANDLER else None
        self.accepted = self.ended = False

    def is_open(self, now):
        return not self.accepted and not self.ended and now < self.offered_at + ACCEPT_WITHIN

    def is_live(self, now):
        in_time = self.expires_at is None or now < self.expires_at
        above = self.above is None or self.above.is_live(now)
        return self.accepted and not self.ended and in_time and above

    def stands_under(self, person, now):
        above = self.above
        while above is not None:
            if above.who == person and above.is_live(now):
                return True
            above = above.above
        return False


class DelegationMachine(RuleBasedStateMachine):
    """One company, six people, and every act by everybody."""

    offers = Bundle("offers")
    database: Database
    vault: object
    serial = 0

    @initialize(target=offers)
    def open(self):
        type(self).serial += 1
        base = 10 * type(self).serial
        self.clock = Clock()
        self.world = Enterprises(self.database, People(self.vault), self.clock)
        self.world.delegations._most_managers = MOST
        self.people = [self.world.person(base % 900 + i) for i in range(6)]
        self.company = self.world.company(base, self.people[0])
        root = Held(Role.REPRESENTATIVE, None, 0, None, self.clock())
        root.accepted = True
        self.model = {self.world.place(self.company, self.people[0]): root}
        return next(iter(self.model))

    def place_of(self, person):
        """The delegation under which the model lets this person appoint, or None."""
        now = self.clock()
        mine = [i for i, held in self.model.items() if held.who == person and held.is_live(now)]
        found = self.world.check(self.people[person], self.company).authority
        assert (found is not None) == bool(mine)
        return found.delegation_id if found else None

    @rule(target=offers, by=PEOPLE, to=PEOPLE, role=st.sampled_from([Role.MANAGER, Role.HANDLER]))
    def appoint(self, by, to, role):
        now, above = self.clock(), self.place_of(by)
        if above is None:
            return "none"
        held = self.model[above]
        managers = [h for h in self.model.values() if h.role is Role.MANAGER and (h.is_open(now) or h.is_live(now))]
        allowed = (
            by != to
            and held.role is not Role.HANDLER
            and not (held.role is Role.MANAGER and role is Role.MANAGER)
            and not (role is Role.MANAGER and len(managers) >= MOST)
        )
        try:
            made = self.world.offer(self.company, self.people[by], self.people[to], role)
        except DelegationRefused:
            assert not allowed
            return "none"
        assert allowed
        self.model[made] = Held(role, by, to, held, now)
        return made

    def tried(self, act, which, by):
        """True if the act succeeded."""
        try:
            self.world.act(act, which, self.people[by])
        except DelegationRefused:
            return False
        return True

    @rule(which=offers, by=PEOPLE)
    def accept(self, which, by):
        held, now = self.model.get(which), self.clock()
        allowed = held is not None and held.who == by and held.is_open(now) and held.above.is_live(now)
        assert self.tried("accept", which, by) == allowed
        if allowed:
            held.accepted = True

    @rule(which=offers, by=PEOPLE)
    def decline(self, which, by):
        held = self.model.get(which)
        allowed = held is not None and held.who == by and held.is_open(self.clock())
        assert self.tried("decline", which, by) == allowed
        if allowed:
            held.ended = True

    @rule(which=offers, by=PEOPLE, act=st.sampled_from(["withdraw", "remove"]))
    def end(self, which, by, act):
        held, now = self.model.get(which), self.clock()
        allowed = (
            held is not None
            and not held.ended
            and held.accepted == (act == "remove")
            and held.stands_under(by, now)
            and not (act == "remove" and held.who == by)
        )
        assert self.tried(act, which, by) == allowed
        if allowed:
            self.finish(held)

    @rule(which=offers, by=PEOPLE)
    def resign(self, which, by):
        held = self.model.get(which)
        is_theirs = held is not None and held.accepted and not held.ended and held.who == by
        allowed = is_theirs and held.role is not Role.REPRESENTATIVE
        assert self.tried("resign", which, by) == allowed
        if allowed:
            self.finish(held)

    def finish(self, held):
        held.ended = True
        for other in self.model.values():
            if other.above is held and not other.ended:
                self.finish(other)

    @rule(days=st.sampled_from([1, 8, 31]))
    def wait(self, days):
        self.clock.now += timedelta(days=days)

    @invariant()
    def authority_is_as_the_model_says(self):
        if not hasattr(self, "model"):
            return
        now = self.clock()
        for person, who in enumerate(self.people):
            live = [h for h in self.model.values() if h.who == person and h.is_live(now)]
            answer = self.world.check(who, self.company)
            assert (answer.status is AuthorityStatus.CURRENT) == bool(live)
            if live:
                order = [Role.HANDLER, Role.MANAGER, Role.REPRESENTATIVE]
                assert answer.authority.role is max((h.role for h in live), key=order.index)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_rules_hold_from_every_state(database, vault):
    """Whatever people do in whatever order, only the acts that the rules allow succeed."""
    DelegationMachine.database, DelegationMachine.vault = database, vault
    run_state_machine_as_test(
        DelegationMachine,
        settings=settings(
            max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
