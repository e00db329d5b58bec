"""The identity level as a subquery, beside the same rule in Python."""

import random
from datetime import timedelta

import sqlalchemy as sa

from accounts import evidence
from accounts.database import Statement, UtcDateTime
from accounts.evidence import EvidenceKind
from accounts.people import NewPerson, People, natural_persons

_LEVELS = Statement(
    sa.select(
        natural_persons.c.id,
        evidence.level_of(natural_persons.c.id, sa.bindparam("now", type_=UtcDateTime)).label("level"),
    )
)
ROUNDS = 150


def test_the_statement_and_the_rule_agree(database, vault, clock):
    """For evidence of any kinds, also future, expired and withdrawn, the database computes what Python computes."""
    chance, people = random.Random(64), People(vault)
    with database.transaction() as c:
        for _ in range(ROUNDS):
            person = people.register(c, NewPerson("张三丰", ()), now=clock())
            for _ in range(chance.randrange(5)):
                at = clock() + timedelta(hours=chance.randrange(-3, 2))
                expires = chance.choice([None, at + timedelta(hours=chance.randrange(1, 6))])
                made = evidence.record(
                    c, person.id, chance.choice(list(EvidenceKind)), source="test", at=at, expires_at=expires
                )
                if chance.random() < 0.2:
                    evidence.withdraw(c, made.id, now=clock() + timedelta(hours=chance.randrange(-1, 2)))
    computed = {row.id: row.level for row in c.rows(_LEVELS, now=clock())}
    expected = {person: evidence.identity_assurance(evidence.of(c, person), clock()) for person in computed}
    assert computed == expected
    assert set(expected.values()) >= {0, 1, 2, 3, 4}


def test_together_three_checks_are_the_highest_level(database, vault, clock):
    """Chip, comparison and confirmation together are IAL4, in both forms of the rule; two of them are not."""
    people = People(vault)
    with database.transaction() as c:
        person = people.register(c, NewPerson("张三丰", ()), now=clock())
        for kind, level in (
            (EvidenceKind.CHIP_READ, 2),
            (EvidenceKind.COUNTER_COMPARISON, 3),
            (EvidenceKind.AUTHORITY_CONFIRMATION, 4),
        ):
            evidence.record(c, person.id, kind, source="test", at=clock())
            assert c.one(_LEVELS, now=clock()).level == level
            assert evidence.identity_assurance(evidence.of(c, person.id), clock()) == level
