"""Who may act for an organisation: appointed, accepted, removed, and following the register, on both databases."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from accounts import audit
from accounts.database import Statement
from accounts.errors import RegistryUnavailable
from accounts.organisations import errors
from accounts.organisations.authority import AuthorityStatus
from accounts.organisations.delegation_store import delegations
from accounts.organisations.delegations import ACCEPT_WITHIN, LONGEST_PERIOD
from accounts.organisations.paths import Role
from accounts.organisations.register import FRESH_FOR
from accounts.people import People
from accounts.people.invitee import Invitee
from accounts.ports import RegisterStatus
from idp.adapters.systems.sandbox_enterprises import invented_number
from tests.fixtures.enterprises import MONTH, Enterprises

CURRENT, NOT_ALLOWED, OUT = AuthorityStatus
EVERY = Statement(sa.select(delegations))


@pytest.fixture
def world(database, vault, clock):
    return Enterprises(database, People(vault), clock)


@pytest.fixture
def head(world):
    return world.person(101, "负责人")


@pytest.fixture
def company(world, head):
    return world.company(1, head)


def status(world, who, organisation):
    return world.check(who, organisation).status


# the register -------------------------------------------------------------------------------------------------------
def test_the_legal_representative_is_whom_the_register_names(world, head, company):
    """They act with every matter and the highest assurance, and nobody had to appoint them."""
    found = world.check(head, company)
    assert (found.status, found.authority.role, found.authority.oal) == (CURRENT, Role.REPRESENTATIVE, 3)
    assert (found.authority.matters, found.authority.expires_at) == (None, None)


def test_a_claim_has_one_answer_for_a_foreign_and_an_unknown_code(world, head):
    """Whoever is not the representative does not learn more than that, and the attempt is on record."""
    other = world.person(102)
    foreign = world.enterprise(2, head)
    unknown = world.enterprise(3, other)
    world.registry.change_status(unknown, RegisterStatus.DEREGISTERED, now=world.clock())
    claim = world.register.claim
    for uscc in (foreign, unknown):
        code = world.refusal(claim, world.database, other.id, uscc, now=world.clock())
        assert code == errors.NOT_REPRESENTATIVE
    kept = audit.recent(world.database.connection(), other.id, 9)
    assert [(r.event.name, r.outcome) for r in kept] == [("organisation:representative:confirm", "refused")] * 2


def test_a_claim_needs_a_number_that_was_matched(world):
    """An account whose name and number nobody has checked leads no enterprise."""
    unproven = world.person(103, proven=False)
    uscc = world.enterprise(4, unproven)
    code = world.refusal(world.register.claim, world.database, unproven.id, uscc, now=world.clock())
    assert code == errors.NOT_PROVEN_ENOUGH


def test_a_repeated_claim_changes_nothing(world, head):
    """The account exists once, with one representative."""
    uscc = world.enterprise(5, head)
    first = world.register.claim(world.database, head.id, uscc, now=world.clock())
    assert world.register.claim(world.database, head.id, uscc, now=world.clock()) == first
    assert len(world.database.connection().rows(EVERY)) == 1


def test_a_change_of_representative_takes_effect_within_fifteen_minutes(world, head, company):
    """The former representative and all whom they appointed lose their authority at the next question after that."""
    manager, handler, successor = world.person(104), world.person(105), world.person(106)
    world.appoint(company, head, manager, Role.MANAGER)
    world.appoint(company, manager, handler, Role.HANDLER)
    uscc = world.people.uscc(world.database.connection(), company)
    world.registry.name_representative(uscc, successor.number, successor.name, now=world.clock())
    assert status(world, handler, company) is CURRENT
    world.clock.advance(seconds=FRESH_FOR.total_seconds())
    assert [status(world, who, company) for who in (handler, manager, head)] == [NOT_ALLOWED] * 3
    assert world.register.claim(world.database, successor.id, uscc, now=world.clock()) == company
    assert status(world, successor, company) is CURRENT


def test_a_successor_who_claims_first_ends_the_former_one_at_once(world, head, company):
    """The claim asks the register itself, so nobody waits for the old answer to age."""
    successor = world.person(107)
    uscc = world.people.uscc(world.database.connection(), company)
    world.registry.name_representative(uscc, successor.number, successor.name, now=world.clock())
    world.register.claim(world.database, successor.id, uscc, now=world.clock())
    assert (status(world, head, company), status(world, successor, company)) == (NOT_ALLOWED, CURRENT)


def test_an_organisation_that_has_ended_is_acted_for_by_nobody(world, head, company):
    """Until the register says that it operates again."""
    uscc = world.people.uscc(world.database.connection(), company)
    for said, expected in ((RegisterStatus.REVOKED, NOT_ALLOWED), (RegisterStatus.OPERATING, CURRENT)):
        world.registry.change_status(uscc, said, now=world.clock())
        world.clock.advance(minutes=16)
        assert status(world, head, company) is expected


def test_a_register_that_is_out_lets_nobody_act(world, head, company):
    """Its last word holds for fifteen minutes; then the answer is that nobody can tell, never yes."""
    world.registry.fail()
    assert status(world, head, company) is CURRENT
    world.clock.advance(minutes=15)
    assert status(world, head, company) is OUT
    with pytest.raises(RegistryUnavailable):
        world.company(6, head)
    world.registry.fail(is_out=False)
    assert status(world, head, company) is CURRENT


def test_a_stranger_is_told_no_even_when_the_register_is_out(world, head, company):
    """Who has no delegation is refused without asking anybody."""
    world.registry.fail()
    world.clock.advance(minutes=20)
    assert status(world, world.person(108), company) is NOT_ALLOWED


# appointing ---------------------------------------------------------------------------------------------------------
def test_an_invitation_must_be_accepted(world, head, company):
    """Until then it lets nobody act; afterwards the handler acts for the named matters and the period."""
    handler = world.person(110)
    made = world.offer(company, head, handler, Role.HANDLER, matters=frozenset({"tax"}))
    assert status(world, handler, company) is NOT_ALLOWED
    assert world.offers(handler) == [made]
    world.act("accept", made, handler)
    found = world.check(handler, company).authority
    assert (found.role, found.matters, found.oal) == (Role.HANDLER, {"tax"}, 1)
    assert found.expires_at == world.clock() + MONTH
    assert world.offers(handler) == []


def test_the_inviter_learns_nothing_about_an_account(world, head, company):
    """The answer to an invitation is the same for a person with an account, for a stranger, and for a wrong name."""
    known, stranger = world.person(111), world.stranger(112)
    for invitee in (known.invitee, stranger.invitee, Invitee(known.number, "错的名")):
        made = world.offer(company, head, invitee, Role.HANDLER)
        assert made in world.listed(company)
    assert len(world.offers(known)) == 1


def test_an_invitation_waits_for_somebody_who_registers_later(world, head, company):
    """It is found by the number, not by an account."""
    made = world.offer(company, head, world.stranger(113), Role.HANDLER)
    assert world.offers(world.person(113)) == [made]


def test_nobody_else_can_accept(world, head, company):
    """Neither a stranger who knows the id, nor the inviter."""
    made = world.offer(company, head, world.person(114), Role.HANDLER)
    for who in (world.person(115), head):
        assert world.refusal(world.act, "accept", made, who) == errors.OFFER_OVER


def test_an_unproven_person_cannot_accept(world, head, company):
    """The organisation named a person by number, so the number must have been matched."""
    unproven = world.person(116, proven=False)
    made = world.offer(company, head, unproven, Role.HANDLER)
    assert world.refusal(world.act, "accept", made, unproven) == errors.NOT_PROVEN_ENOUGH


def test_an_invitation_ends_after_a_week(world, head, company):
    """Afterwards it can be neither seen nor accepted."""
    handler = world.person(117)
    made = world.offer(company, head, handler, Role.HANDLER)
    world.clock.advance(seconds=ACCEPT_WITHIN.total_seconds())
    assert world.offers(handler) == []
    assert world.refusal(world.act, "accept", made, handler) == errors.OFFER_OVER


@pytest.mark.parametrize("act", ["decline", "withdraw"])
def test_an_invitation_that_is_over_cannot_be_accepted(world, head, company, act):
    """Whichever side ended it; and its name and number are gone."""
    handler = world.person(118)
    made = world.offer(company, head, handler, Role.HANDLER)
    world.act(act, made, handler if act == "decline" else head)
    assert world.refusal(world.act, "accept", made, handler) == errors.OFFER_OVER
    row = next(row for row in world.database.connection().rows(EVERY) if row.id == made)
    assert (row.invitee, row.invitee_index) == (None, None)


def test_there_are_five_managers_at_most(world, head, company):
    """Open invitations count; a declined one makes room."""
    made = [world.offer(company, head, world.stranger(120 + i), Role.MANAGER) for i in range(5)]
    sixth = world.person(126)
    assert world.refusal(world.offer, company, head, sixth, Role.MANAGER) == errors.TOO_MANY_MANAGERS
    world.act("withdraw", made[0], head)
    world.appoint(company, head, sixth, Role.MANAGER)
    assert world.check(sixth, company).authority.oal == 2


def test_only_the_representative_appoints_managers_and_a_handler_nobody(world, head, company):
    """A manager appoints handlers; nobody appoints a representative."""
    manager, handler, other = world.person(130), world.person(131), world.stranger(132)
    world.appoint(company, head, manager, Role.MANAGER)
    world.appoint(company, manager, handler, Role.HANDLER)
    cases = ((manager, Role.MANAGER), (handler, Role.HANDLER), (head, Role.REPRESENTATIVE))
    for by, role in cases:
        assert (
            world.refusal(
                world.offer,
                company,
                by,
                other,
                role,
                expires_at=None if role is Role.MANAGER else world.clock() + MONTH,
            )
            == errors.NOT_THEIR_PLACE
        )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"matters": frozenset({"magic"})}, errors.UNKNOWN_MATTER),
        ({"matters": frozenset()}, errors.UNKNOWN_MATTER),
        ({"expires_at": None}, errors.WRONG_PERIOD),
        ({"expires_at": "past"}, errors.WRONG_PERIOD),
        ({"expires_at": "far"}, errors.WRONG_PERIOD),
    ],
)
def test_a_handler_has_known_matters_and_a_period(world, head, company, change, code):
    """No matter, an unknown one, no end, an end that is over or too far: each is refused."""
    ends = {"past": world.clock(), "far": world.clock() + LONGEST_PERIOD + timedelta(seconds=1)}
    given = {name: ends.get(value, value) if isinstance(value, str) else value for name, value in change.items()}
    assert world.refusal(world.offer, company, head, world.stranger(133), Role.HANDLER, **given) == code


# ending -------------------------------------------------------------------------------------------------------------
def test_nobody_edits_their_own_authority(world, head, company):
    """No one appoints or removes themselves."""
    manager = world.person(140)
    made = world.appoint(company, head, manager, Role.MANAGER)
    assert world.refusal(world.offer, company, head, head, Role.HANDLER) == errors.OWN_AUTHORITY
    assert world.refusal(world.offer, company, manager, manager, Role.HANDLER) == errors.OWN_AUTHORITY
    assert world.refusal(world.act, "remove", made, manager) == errors.NOT_THEIR_PLACE
    assert world.refusal(world.act, "remove", world.place(company, head), head) == errors.NOT_THEIR_PLACE
    assert world.refusal(world.act, "resign", world.place(company, head), head) == errors.NOT_THEIR_PLACE


def test_removing_a_manager_removes_what_they_appointed(world, head, company):
    """Accepted handlers and open invitations end with the manager, at once, each with a record."""
    manager, handler, stranger = world.person(141), world.person(142), world.stranger(143)
    made = world.appoint(company, head, manager, Role.MANAGER)
    world.appoint(company, manager, handler, Role.HANDLER)
    world.offer(company, manager, stranger, Role.HANDLER)
    world.act("remove", made, head)
    assert [status(world, who, company) for who in (manager, handler)] == [NOT_ALLOWED] * 2
    assert world.listed(company) == [world.place(company, head)]
    ended = [r for r in audit.recent(world.database.connection(), handler.id, 9) if r.event.name.endswith(":end")]
    assert [(r.actor, r.detail["because"]) for r in ended] == [(head.id, "appointer_ended")]


def test_a_manager_removes_only_whom_they_appointed(world, head, company):
    """Another manager's handler is not theirs; the representative may remove anybody."""
    first, second, handler = world.person(144), world.person(145), world.person(146)
    for manager in (first, second):
        world.appoint(company, head, manager, Role.MANAGER)
    made = world.appoint(company, first, handler, Role.HANDLER)
    assert world.refusal(world.act, "remove", made, second) == errors.NOT_THEIR_PLACE
    world.act("remove", made, head)
    assert status(world, handler, company) is NOT_ALLOWED


def test_removal_is_final(world, head, company):
    """The same delegation cannot be removed or accepted again; a new appointment is another one."""
    handler = world.person(147)
    made = world.appoint(company, head, handler, Role.HANDLER)
    world.act("remove", made, head)
    assert world.refusal(world.act, "remove", made, head) == errors.NOT_THEIR_PLACE
    assert world.refusal(world.act, "accept", made, handler) == errors.OFFER_OVER
    assert world.appoint(company, head, handler, Role.HANDLER) != made
    assert status(world, handler, company) is CURRENT


def test_a_handler_may_give_it_up(world, head, company):
    """Either side ends a delegation."""
    handler = world.person(148)
    world.act("resign", world.appoint(company, head, handler, Role.HANDLER), handler)
    assert status(world, handler, company) is NOT_ALLOWED


def test_a_period_ends_by_itself(world, head, company):
    """Also that of the manager above: nothing outlives what it hangs on."""
    manager, handler = world.person(149), world.person(150)
    world.appoint(company, head, manager, Role.MANAGER, expires_at=world.clock() + timedelta(days=2))
    world.appoint(company, manager, handler, Role.HANDLER)
    assert world.check(handler, company).authority.expires_at == world.clock() + timedelta(days=2)
    world.clock.advance(days=2)
    assert [status(world, who, company) for who in (manager, handler, head)] == [NOT_ALLOWED, NOT_ALLOWED, CURRENT]


def test_a_person_of_another_organisation_can_do_nothing_here(world, head, company):
    """A representative elsewhere neither sees nor ends what is not theirs."""
    stranger = world.person(151)
    world.company(7, stranger)
    made = world.offer(company, head, world.person(152), Role.HANDLER)
    for act in ("withdraw", "remove", "resign"):
        assert world.refusal(world.act, act, made, stranger) == errors.NOT_THEIR_PLACE


# organisations as handlers ------------------------------------------------------------------------------------------
@pytest.fixture
def agency(world):
    """Another company, its head, and its id."""
    head = world.person(160, "代理负责人")
    return head, world.company(8, head)


def uscc_of(world, organisation):
    return Invitee(world.people.uscc(world.database.connection(), organisation), "代理公司")


def test_a_handler_may_be_an_organisation(world, head, company, agency):
    """Its representative accepts; its people then act with no more than both gave, at the assurance of a handler."""
    agent, theirs = agency
    clerk, outsider = world.person(161), world.person(162)
    matters = frozenset({"tax", "permits"})
    made = world.offer(company, head, uscc_of(world, theirs), Role.HANDLER, matters=matters)
    assert world.offers(agent) == [made]
    world.act("accept", made, agent)
    world.appoint(theirs, agent, clerk, Role.HANDLER, matters=frozenset({"tax"}))
    world.appoint(theirs, agent, outsider, Role.HANDLER, matters=frozenset({"bidding"}))
    found = world.check(clerk, company).authority
    assert (found.role, found.matters, found.oal, found.through_organisation_id) == (Role.HANDLER, {"tax"}, 1, theirs)
    assert world.check(agent, company).authority.matters == matters
    assert status(world, outsider, company) is NOT_ALLOWED
    world.act("remove", made, head)
    assert status(world, clerk, company) is NOT_ALLOWED


def test_only_who_leads_or_manages_an_organisation_accepts_for_it(world, head, company, agency):
    """A handler of it does not."""
    agent, theirs = agency
    clerk = world.person(163)
    world.appoint(theirs, agent, clerk, Role.HANDLER)
    made = world.offer(company, head, uscc_of(world, theirs), Role.HANDLER)
    assert world.offers(clerk) == []
    assert world.refusal(world.act, "accept", made, clerk) == errors.OFFER_OVER


def test_a_chain_has_two_links_at_most(world, head, company, agency):
    """An organisation that handles for another gives nothing on: the third one's people are refused."""
    agent, theirs = agency
    third = world.person(164)
    last = world.company(9, third)
    world.act("accept", world.offer(company, head, uscc_of(world, theirs), Role.HANDLER), agent)
    world.act("accept", world.offer(theirs, agent, uscc_of(world, last), Role.HANDLER), third)
    assert status(world, third, theirs) is CURRENT
    assert status(world, third, company) is NOT_ALLOWED


def test_two_organisations_do_not_handle_for_each_other(world, head, company, agency):
    """The second acceptance would close a loop."""
    agent, theirs = agency
    world.act("accept", world.offer(company, head, uscc_of(world, theirs), Role.HANDLER), agent)
    back = world.offer(theirs, agent, uscc_of(world, company), Role.HANDLER)
    assert world.refusal(world.act, "accept", back, head) == errors.WOULD_LOOP


def test_an_organisation_does_not_handle_for_itself(world, head, company):
    """Its own code as handler is a loop of one."""
    made = world.offer(company, head, uscc_of(world, company), Role.HANDLER)
    assert world.refusal(world.act, "accept", made, head) == errors.WOULD_LOOP


def test_an_organisation_is_never_manager(world, head, company, agency):
    """Managers are persons."""
    invitee = uscc_of(world, agency[1])
    assert world.refusal(world.offer, company, head, invitee, Role.MANAGER) == errors.NOT_THEIR_PLACE


def test_the_register_is_asked_about_both_organisations(world, head, company, agency):
    """The agency's licence is revoked: its people act for nobody any more."""
    agent, theirs = agency
    world.act("accept", world.offer(company, head, uscc_of(world, theirs), Role.HANDLER), agent)
    uscc = world.people.uscc(world.database.connection(), theirs)
    world.registry.change_status(uscc, RegisterStatus.REVOKED, now=world.clock())
    world.clock.advance(minutes=15)
    assert status(world, agent, company) is NOT_ALLOWED


# costs and records --------------------------------------------------------------------------------------------------
def test_the_question_costs_two_statements(world, head, company):
    """One for a stranger, two for whoever acts, while the register's word is fresh."""
    stranger, seen = world.person(170), []
    world.database.count = lambda: seen.append(1)
    assert status(world, stranger, company) is NOT_ALLOWED
    assert len(seen) == 1
    assert status(world, head, company) is CURRENT
    assert len(seen) == 1 + 2


def test_no_row_shows_a_number(world, head, company):
    """An open invitation keeps number and name sealed, and the audit has neither."""
    stranger = world.stranger(171)
    world.offer(company, head, stranger, Role.HANDLER)
    dump = repr([*world.database.connection().rows(EVERY), *audit.recent(world.database.connection(), head.id, 50)])
    assert stranger.number.canonical not in dump
    assert stranger.name not in dump
    assert invented_number(171) == stranger.number
