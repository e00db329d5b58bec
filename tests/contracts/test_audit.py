import re

import pytest
import sqlalchemy as sa

from accounts import audit
from accounts.audit import EVENTS, audit_batches, audit_events
from accounts.database import Statement
from accounts.vault import Vault

OPEN = "person:session:open"


def write(database, clock, count):
    with database.transaction() as c:
        for _ in range(count):
            audit.append(c, OPEN, now=clock.advance(seconds=1), person="p", channel="web", detail={"n": 1})


def seal(database, vault, clock):
    with database.transaction() as c:
        return audit.seal(c, vault, now=clock.now)


@pytest.fixture
def chained(database, vault, clock):
    for _ in range(3):
        write(database, clock, 4)
        assert seal(database, vault, clock) == 4
    return database


def at(database, batch, position):
    found = sa.select(audit_events.c.id).where(audit_events.c.batch == batch, audit_events.c.position == position)
    return database.connection().one(Statement(found)).id


def run(database, clause):
    assert database.connection().execute(Statement(clause, columns=[])) == 1


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_every_event_follows_the_grammar_and_speaks_two_languages(event):
    """An event is subject:object:action, with a text for persons in Chinese and in English."""
    assert re.fullmatch(r"[a-z]+:[a-z_]+:[a-z_]+", event.name)
    assert re.search(r"[\u4e00-\u9fff]", event.zh)
    assert event.en.isascii()


def test_no_event_is_named_twice():
    """No event is in the vocabulary twice."""
    assert len({event.name for event in EVENTS}) == len(EVENTS)


def test_an_unknown_event_cannot_be_appended(database, clock):
    """An event outside the vocabulary is a programming error."""
    with pytest.raises(ValueError, match="EVENTS"):
        audit.append(database.connection(), "person:lunch:eat", now=clock.now)


def test_recent_tells_the_newest_first(database, clock):
    """The account page gets the person's own newest events as text, and no other person's."""
    write(database, clock, 3)
    audit.append(database.connection(), "person:session:end", now=clock.advance(seconds=1), person="p")
    audit.append(database.connection(), OPEN, now=clock.now, person="q")
    told = audit.recent(database.connection(), "p", 2)
    assert [r.event.name for r in told] == ["person:session:end", OPEN]
    assert told[0].event.zh == "退出了登录"
    assert told[1].detail == {"n": 1}


def test_an_honest_chain_stands(chained, vault, clock):
    """Batches are chained, rows wait for the next run, and an intact chain has no broken record."""
    write(chained, clock, 1)
    assert audit.verify(chained.connection(), vault) == audit.VerificationResult(12, 3)
    assert seal(chained, vault, clock) == 1
    assert seal(chained, vault, clock) == 0
    assert audit.verify(chained.connection(), vault) == audit.VerificationResult(13, 4)


@pytest.mark.parametrize("column", ["event", "outcome", "actor", "person_id", "client_id", "channel", "source"])
def test_a_changed_record_is_pointed_at(chained, vault, column):
    """A change of one field is reported at its record."""
    victim = at(chained, 2, 1)
    run(chained, sa.update(audit_events).where(audit_events.c.id == victim).values({column: "failure"}))
    assert audit.verify(chained.connection(), vault).broken == audit.BrokenRecord(2, 1, victim, "changed")


def test_a_removed_record_is_pointed_at(chained, vault):
    """A removed record leaves a gap, in the middle and at the end of a batch."""
    run(chained, sa.delete(audit_events).where(audit_events.c.id == at(chained, 3, 3)))
    assert audit.verify(chained.connection(), vault).broken == audit.BrokenRecord(3, 3, None, "missing")
    run(chained, sa.delete(audit_events).where(audit_events.c.id == at(chained, 2, 0)))
    assert audit.verify(chained.connection(), vault).broken == audit.BrokenRecord(2, 0, None, "missing")


def test_a_removed_batch_is_pointed_at(chained, vault):
    """A removed batch is reported."""
    run(chained, sa.delete(audit_batches).where(audit_batches.c.number == 2))
    assert audit.verify(chained.connection(), vault).broken == audit.BrokenRecord(2, 0, None, "batch_missing")


def test_a_forger_without_the_key_cannot_chain(chained, vault):
    """Signatures of another vault are not valid in ours, so rewriting the chain needs the key."""
    forger = Vault.from_keys([("test", b"f" * 32)])
    assert audit.verify(chained.connection(), forger).broken == audit.BrokenRecord(1, 0, at(chained, 1, 0), "changed")


def test_a_rolled_back_fact_leaves_no_record(database, clock):
    """The record is committed with the change it describes, or not at all."""
    with pytest.raises(ZeroDivisionError):
        _record_and_fail(database, clock)
    assert audit.recent(database.connection(), "p", 9) == ()


def _record_and_fail(database, clock):
    with database.transaction() as c:
        audit.append(c, OPEN, now=clock.now, person="p")
        raise ZeroDivisionError
