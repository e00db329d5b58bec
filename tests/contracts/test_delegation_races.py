"""Acts on delegations that happen at once, on both databases: what must hold once holds whoever comes first."""

from functools import partial

import pytest

from accounts.errors import Conflict
from accounts.organisations import errors
from accounts.organisations.authority import AuthorityStatus
from accounts.organisations.errors import DelegationRefused
from accounts.organisations.paths import Role
from accounts.people import People
from accounts.people.invitee import Invitee
from tests.fixtures import races
from tests.fixtures.enterprises import Enterprises

pytestmark = pytest.mark.race
ROUNDS = 5


@pytest.fixture
def world(database, vault, clock):
    return Enterprises(database, People(vault), clock)


def at_once(world, *acts):
    return races.at_once(world.database, DelegationRefused, *acts)


def test_eight_managers_at_once_are_five(world):
    """Eight invitations of managers at the same moment: five are written, three refused."""
    head = world.person(201)
    company = world.company(21, head)
    invited = [world.stranger(210 + i) for i in range(8)]
    results = at_once(world, *(partial(world.offer, company, head, who, Role.MANAGER) for who in invited))
    assert results.count(errors.TOO_MANY_MANAGERS) == 3
    assert len(world.listed(company)) == 1 + 5


def test_accepting_and_withdrawing_at_once_is_one_of_both(world):
    """Exactly one of them succeeds, and the person may act only if it was the acceptance."""
    head, handler = world.person(202), world.person(203)
    company = world.company(22, head)
    for _ in range(ROUNDS):
        made = world.offer(company, head, handler, Role.HANDLER)
        results = at_once(
            world, partial(world.act, "accept", made, handler), partial(world.act, "withdraw", made, head)
        )
        assert sorted(results) == sorted(["done", errors.OFFER_OVER])
        is_current = world.check(handler, company).status is AuthorityStatus.CURRENT
        assert is_current == (results[0] == "done")
        if is_current:
            world.act("remove", made, head)


def test_eight_acceptances_are_one(world):
    """One invitation is accepted once."""
    head, handler = world.person(204), world.person(205)
    made = world.offer(world.company(23, head), head, handler, Role.HANDLER)
    results = at_once(world, *[lambda: world.act("accept", made, handler)] * 8)
    assert results.count("done") == 1


def test_whom_a_manager_appoints_while_being_removed_ends_too(world):
    """Nothing that hangs on a removed manager stays, whichever act came first."""
    head, manager, handler = world.person(206), world.person(207), world.stranger(208)
    company = world.company(24, head)
    for _ in range(ROUNDS):
        made = world.appoint(company, head, manager, Role.MANAGER)
        at_once(
            world,
            partial(world.act, "remove", made, head),
            partial(offered, world, company, manager, handler),
        )
        assert len(world.listed(company)) == 1


def offered(world, company, manager, handler):
    """The invitation, or a refusal where the manager's own place is gone before they look."""
    try:
        return world.offer(company, manager, handler, Role.HANDLER)
    except AssertionError:
        raise DelegationRefused(errors.NOT_THEIR_PLACE) from None


def test_two_organisations_that_accept_each_other_make_no_loop(world):
    """Both acceptances at once: one is refused."""
    first, second = world.person(220), world.person(221)
    one, two = world.company(25, first), world.company(26, second)
    codes = {of: world.people.uscc(world.database.connection(), of) for of in (one, two)}
    there = world.offer(one, first, Invitee(codes[two], "乙"), Role.HANDLER)
    back = world.offer(two, second, Invitee(codes[one], "甲"), Role.HANDLER)
    results = at_once(world, lambda: world.act("accept", there, second), lambda: world.act("accept", back, first))
    assert sorted(results) == sorted(["done", errors.WOULD_LOOP])


def test_eight_first_claims_make_one_account(world):
    """One organisation with one representative, whoever's row came first."""
    head = world.person(222)
    uscc = world.enterprise(27, head)

    def claim():
        try:
            return world.register.claim(world.database, head.id, uscc, now=world.clock())
        except Conflict:  # on PostgreSQL a third writer may meet the second one's row
            return None

    results = set(at_once(world, *[claim] * 8)) - {"done"}
    assert len(results) == 1
    assert len(world.listed(results.pop())) == 1
