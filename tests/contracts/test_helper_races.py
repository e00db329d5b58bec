"""Acts on helper relations that happen at once, on both databases: what must hold once holds whoever comes first."""

from functools import partial

import pytest

from accounts.people import People
from accounts.people.family import errors
from accounts.people.family.errors import RelationRefused
from accounts.people.family.helping import AT_MOST
from tests.fixtures.families import Families
from tests.fixtures.races import at_once

pytestmark = pytest.mark.race
ROUNDS = 5


@pytest.fixture
def families(database, vault, clock):
    return Families(database, People(vault), clock)


def results(families, *acts):
    return at_once(families.database, RelationRefused, *acts)


def test_eight_acceptances_are_one(families):
    """One offer is accepted once."""
    mother, daughter = families.person(61), families.person(62, name="李芳")
    made = families.asks(mother, daughter)
    done = results(families, *[partial(families.act, "accept", made, daughter)] * 8)
    assert done.count("done") == 1
    assert set(done) - {"done"} == {errors.OFFER_OVER}


def test_accepting_and_withdrawing_at_once_is_one_of_both(families):
    """Exactly one of them succeeds, and the helper may act only if it was the acceptance."""
    mother, daughter = families.person(63), families.person(64, name="李芳")
    for _ in range(ROUNDS):
        made = families.asks(mother, daughter)
        done = results(
            families, partial(families.act, "accept", made, daughter), partial(families.act, "withdraw", made, mother)
        )
        assert sorted(done) == sorted(["done", errors.OFFER_OVER])
        is_current = families.check(daughter, mother) is not None
        assert is_current == (done[0] == "done")
        if is_current:
            families.act("end", made, mother)


def test_both_end_it_at_once(families):
    """One of them ended it, with one reason; nobody acts afterwards."""
    mother, daughter = families.person(65), families.person(66, name="李芳")
    for _ in range(ROUNDS):
        made = families.helps(daughter, mother)
        done = results(
            families, partial(families.act, "end", made, mother), partial(families.act, "end", made, daughter)
        )
        assert sorted(done) == sorted(["done", errors.NOT_THEIRS])
        assert families.check(daughter, mother) is None


def test_two_offers_to_each_other_accepted_at_once_are_one_relation(families):
    """The mother accepts the daughter's offer while the daughter accepts the mother's: one of them is in force."""
    mother, daughter = families.person(67), families.person(68, name="李芳")
    for _ in range(ROUNDS):
        hers, theirs = families.asks(mother, daughter), families.asks(daughter, mother, is_helper=True)
        results(
            families, partial(families.act, "accept", hers, daughter), partial(families.act, "accept", theirs, mother)
        )
        assert len(families.relations(mother)) == 1
        assert families.check(daughter, mother) is not None


def test_many_offers_at_once_keep_the_limit(families):
    """Two more than allowed at the same moment: two are refused."""
    mother = families.person(69)
    asked = [families.stranger(300 + serial) for serial in range(AT_MOST + 2)]
    done = results(families, *(partial(families.asks, mother, who) for who in asked))
    assert done.count(errors.TOO_MANY) == 2
    assert len(families.relations(mother)) == AT_MOST
