"""Helpers: both agree, either ends it, and only a guardian acts for a minor."""

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from accounts.audit import audit_events
from accounts.database import Statement
from accounts.errors import Conflict
from accounts.people import People
from accounts.people.family import errors
from accounts.people.family.family_store import helper_relations
from accounts.people.family.helping import ACCEPT_WITHIN, AT_MOST, LONGEST_PERIOD
from accounts.people.family.relations import Because, Relation, RelationProof
from accounts.registration.ages import age, comes_of
from idp.login import person_status
from tests.fixtures.enterprises import Somebody
from tests.fixtures.families import Families

RELATIONS = Statement(sa.select(helper_relations))
RECORDS = Statement(sa.select(audit_events).order_by(audit_events.c.at, audit_events.c.id))


@pytest.fixture
def families(database, vault, clock):
    return Families(database, People(vault), clock)


@pytest.fixture
def mother(families):
    return families.person(11)


@pytest.fixture
def daughter(families):
    return families.person(12, date(1988, 3, 4), "王芳")


def change_status(families, who, status):
    with families.database.transaction() as c:
        person_status.change(c, families.people, who.id, status, actor="operator:1", now=families.clock())


def records(families, name):
    return [row for row in families.database.connection().rows(RECORDS) if row.event == f"person:helper:{name}"]


def test_a_helper_acts_once_they_accepted(families, mother, daughter):
    """The mother asks, nothing is allowed; the daughter accepts, and may act in these matters for that time."""
    ends = families.clock() + timedelta(days=90)
    made = families.asks(mother, daughter, matters=frozenset({"health"}), expires_at=ends)
    assert families.check(daughter, mother) is None
    assert families.offers(daughter) == [made]
    families.act("accept", made, daughter)
    held = families.check(daughter, mother)
    assert (held.relation, held.proof, held.matters, held.expires_at) == (
        Relation.CHILD,
        RelationProof.DECLARED,
        frozenset({"health"}),
        ends,
    )
    assert families.check(mother, daughter) is None


def test_a_helper_may_ask_too(families, mother, daughter):
    """The daughter asks to help; only the mother's answer lets her."""
    made = families.asks(daughter, mother, is_helper=True)
    assert families.refusal(families.act, "accept", made, daughter) == errors.OFFER_OVER
    assert families.check(daughter, mother) is None
    families.act("accept", made, mother)
    assert families.check(daughter, mother) is not None


@pytest.mark.parametrize("who_ends", ["mother", "daughter"])
def test_either_ends_it_at_once(families, mother, daughter, who_ends):
    """Without the other, for good: the relation is not revived by anything."""
    made = families.helps(daughter, mother)
    ender = {"mother": mother, "daughter": daughter}[who_ends]
    families.act("end", made, ender)
    assert families.check(daughter, mother) is None
    assert families.refusal(families.act, "end", made, ender) == errors.NOT_THEIRS
    assert families.refusal(families.act, "accept", made, daughter) == errors.OFFER_OVER
    assert families.one(made, mother).ended_because == f"ended_by_{'helped' if who_ends == 'mother' else 'helper'}"


def test_a_period_ends_by_itself(families, mother, daughter):
    """At that moment, not a microsecond later."""
    families.helps(daughter, mother)
    families.clock.advance(days=30, microseconds=-1)
    assert families.check(daughter, mother) is not None
    families.clock.advance(microseconds=1)
    assert families.check(daughter, mother) is None


def test_an_offer_is_good_for_a_week(families, mother, daughter):
    """Afterwards nobody sees it, and it cannot be accepted."""
    made = families.asks(mother, daughter)
    families.clock.advance(seconds=ACCEPT_WITHIN.total_seconds())
    assert families.offers(daughter) == []
    assert families.refusal(families.act, "accept", made, daughter) == errors.OFFER_OVER


def test_declining_and_withdrawing_end_an_offer(families, mother, daughter):
    """Only who was asked declines, only who asked withdraws, and number and name are erased."""
    for act, by, wrong in (("decline", daughter, mother), ("withdraw", mother, daughter)):
        made = families.asks(mother, daughter)
        assert families.refusal(families.act, act, made, wrong) in (errors.OFFER_OVER, errors.NOT_THEIRS)
        families.act(act, made, by)
        assert families.refusal(families.act, "accept", made, daughter) == errors.OFFER_OVER
    rows = families.database.connection().rows(RELATIONS)
    assert {(row.invitee, row.invitee_index, row.invitee_kind) for row in rows} == {(None, None, None)}


def test_an_offer_needs_number_and_name_and_tells_nobody_whether_they_have_an_account(families, mother, daughter):
    """A wrong name is shown to nobody; a stranger's number is answered the same and waits for them."""
    families.asks(mother, Somebody("", daughter.number, "王方"))
    families.asks(mother, families.stranger(77))
    assert families.offers(daughter) == []
    assert len(families.relations(mother)) == 2


def test_a_newer_relation_replaces_the_older_one(families, mother, daughter):
    """Between the same two only the last agreement counts."""
    first = families.helps(daughter, mother)
    families.helps(daughter, mother, matters=frozenset({"traffic"}))
    assert families.check(daughter, mother).matters == {"traffic"}
    assert families.one(first, mother).ended_because == Because.REPLACED


def test_nobody_helps_themselves(families, mother):
    """Neither asked nor asking."""
    assert families.refusal(families.asks, mother, mother) == errors.ONESELF


@pytest.mark.parametrize("matters", [frozenset(), frozenset({"tax"}), frozenset({"health", "x"})])
def test_matters_are_those_of_persons(families, mother, daughter, matters):
    """None of them, or one that is not in the list, is refused."""
    assert families.refusal(families.asks, mother, daughter, matters=matters) == errors.UNKNOWN_MATTER


@pytest.mark.parametrize("days", [0, -1, LONGEST_PERIOD.days + 1])
def test_a_period_is_a_year_at_most(families, mother, daughter, days):
    """And begins before it ends."""
    ends = families.clock() + timedelta(days=days)
    assert families.refusal(families.asks, mother, daughter, expires_at=ends) == errors.WRONG_PERIOD


def test_nobody_asks_the_whole_town(families, mother, daughter):
    """Open offers and relations of one person have a limit, for whoever asks and for whoever accepts."""
    for serial in range(AT_MOST):
        families.asks(mother, families.stranger(200 + serial))
    assert families.refusal(families.asks, mother, daughter) == errors.TOO_MANY
    made = families.asks(daughter, mother, is_helper=True)
    assert families.refusal(families.act, "accept", made, mother) == errors.TOO_MANY
    families.clock.advance(seconds=ACCEPT_WITHIN.total_seconds())
    assert families.refusal(families.asks, mother, daughter) is None


def test_both_were_proven_to_be_who_they_are(families, mother):
    """Somebody whom no check matched neither asks nor accepts."""
    unproven = families.person(13, date(1990, 1, 1), "李某", proven=False)
    assert families.refusal(families.asks, unproven, mother) == errors.NOT_PROVEN_ENOUGH
    made = families.asks(mother, unproven)
    assert families.refusal(families.act, "accept", made, unproven) == errors.NOT_PROVEN_ENOUGH


def test_a_minor_helps_nobody_and_is_helped_by_guardians_only(families, mother):
    """Anybody could declare to be a child's parent, so a declaration is refused, whoever asks."""
    child = families.child(14, 15)
    assert families.refusal(families.asks, child, mother) == errors.MINOR_NEEDS_GUARDIAN
    assert families.refusal(families.asks, child, mother, is_helper=True) == errors.HELPER_TOO_YOUNG
    asked = families.asks(mother, child, is_helper=True, relation=Relation.PARENT)
    assert families.refusal(families.act, "accept", asked, child) == errors.MINOR_NEEDS_GUARDIAN
    to_help = families.asks(mother, child)
    assert families.refusal(families.act, "accept", to_help, child) == errors.HELPER_TOO_YOUNG


def test_under_14_the_guardian_acts_alone_until_the_birthday(families, daughter):
    """The child need not accept and cannot end it; at midnight in China of the birthday it is over."""
    child = families.child(15, 13)
    held = families.guards(daughter, child)
    assert held.is_accepted
    assert families.check(daughter, child).proof is RelationProof.BIRTH_CERTIFICATE
    assert families.refusal(families.act, "end", held.id, child) == errors.NOT_THEIRS
    born = child.number.birth_date
    assert held.expires_at == comes_of(14, born)
    families.clock.advance(seconds=(held.expires_at - families.clock()).total_seconds() - 1)
    assert families.check(daughter, child) is not None
    families.clock.advance(seconds=1)
    assert families.check(daughter, child) is None


def test_from_14_the_child_accepts_and_may_end_it(families, daughter):
    """The guardian who has shown the paper is offered; the child's yes counts until the eighteenth birthday."""
    child = families.child(16, 15)
    made = families.guards(daughter, child)
    assert not made.is_accepted
    assert families.check(daughter, child) is None
    assert families.offers(child) == [made.id]
    families.act("accept", made.id, child)
    assert families.check(daughter, child).expires_at == comes_of(18, child.number.birth_date)
    families.act("end", made.id, child)
    assert families.check(daughter, child) is None


def test_a_guardian_needs_a_paper_and_a_minor(families, mother, daughter):
    """A declaration, another relation, an adult child and oneself are refused."""
    child = families.child(17, 9)
    declared = RelationProof.DECLARED
    assert families.refusal(families.guards, daughter, child, Relation.PARENT, declared) == errors.NOT_A_GUARDIAN
    assert families.refusal(families.guards, daughter, child, Relation.OTHER) == errors.NOT_A_GUARDIAN
    assert families.refusal(families.guards, daughter, mother) == errors.NOT_A_MINOR
    assert families.refusal(families.guards, child, families.child(18, 5)) == errors.HELPER_TOO_YOUNG
    assert families.refusal(families.guards, child, child) == errors.ONESELF


@pytest.mark.parametrize(("status", "because"), [("deceased", "death"), ("closed", "account_ended")])
@pytest.mark.parametrize("whose", ["mother", "daughter"])
def test_death_and_the_end_of_an_account_end_it(families, mother, daughter, whose, status, because):
    """Of either, with offers, and each has a record of it."""
    who = {"mother": mother, "daughter": daughter}[whose]
    made, offer = families.helps(daughter, mother), families.asks(who, families.stranger(80))
    change_status(families, who, status)
    assert families.check(daughter, mother) is None
    assert {families.one(each, who).ended_because for each in (made, offer)} == {because}
    assert {row.person_id for row in records(families, "end")} == {mother.id, daughter.id}


def test_incapacity_ends_it(families, mother, daughter):
    """The account is stopped and the helper, whom the mother had chosen, acts no longer, even if it is enabled."""
    made = families.helps(daughter, mother)
    with families.database.transaction() as c:
        person_status.lose_capacity(c, families.people, mother.id, actor="operator:1", now=families.clock())
    change_status(families, mother, "active")
    assert families.check(daughter, mother) is None
    assert families.one(made, daughter).ended_because == "incapacity"


@pytest.mark.parametrize("whose", ["mother", "daughter"])
def test_who_is_disabled_neither_helps_nor_is_helped_meanwhile(families, mother, daughter, whose):
    """The relation waits, and holds again when the account does."""
    families.helps(daughter, mother)
    who = {"mother": mother, "daughter": daughter}[whose]
    change_status(families, who, "disabled")
    assert families.check(daughter, mother) is None
    change_status(families, who, "active")
    assert families.check(daughter, mother) is not None


def test_each_act_is_on_record_for_both(families, mother, daughter):
    """With who acted, where that was the other one; the record has keys only."""
    made = families.helps(daughter, mother)
    families.act("end", made, mother)
    (offered,) = records(families, "offer")
    assert (offered.person_id, offered.actor) == (mother.id, None)
    for name, by in (("accept", daughter), ("end", mother)):
        found = {row.person_id: row.actor for row in records(families, name)}
        other = mother if by is daughter else daughter
        assert found == {by.id: None, other.id: by.id}
        assert all(row.detail["relation"] == made for row in records(families, name))


def test_a_relation_is_seen_by_its_two_only(families, mother, daughter):
    """For a third person it does not exist, in any list."""
    made = families.helps(daughter, mother)
    other = families.person(19, name="外人")
    assert families.one(made, other) is None
    assert families.relations(other) == families.offers(other) == []
    assert families.refusal(families.act, "end", made, other) == errors.NOT_THEIRS


@pytest.mark.parametrize(
    "broken",
    [
        {"is_guardianship": True},
        {"proof": "court_decision"},
        {"helped_id": None},
        {"ended_because": "death"},
        {"relation": "friend"},
    ],
)
def test_the_database_keeps_the_rules(families, mother, daughter, broken):
    """A guardian without a paper, a paper without a place, one person alone, an end without a time: all refused."""
    made = families.helps(daughter, mother)
    change = sa.update(helper_relations).where(helper_relations.c.id == sa.bindparam("of")).values(**broken)
    with pytest.raises(Conflict), families.database.transaction() as c:
        c.execute(Statement(change), of=made)


@pytest.mark.parametrize("born", [date(2008, 2, 29), date(2010, 7, 1), date(2000, 1, 1), date(2012, 12, 31)])
@pytest.mark.parametrize("years", [14, 16, 18])
def test_an_age_begins_at_midnight_in_china(born, years):
    """A microsecond before the moment one is a year younger."""
    at = comes_of(years, born)
    assert (age(born, at), age(born, at - timedelta(microseconds=1))) == (years, years - 1)
    assert at.astimezone(UTC) == at > datetime(2000, 1, 1, tzinfo=UTC)


def test_the_question_costs_one_statement(families, mother, daughter):
    """Asked at each redemption and refresh of a helper's tokens, and of nobody else."""
    families.helps(daughter, mother)
    seen = []
    families.database.count = lambda: seen.append(1)
    assert families.check(daughter, mother) is not None
    assert len(seen) == 1
