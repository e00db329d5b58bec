"""The audit's chain under a new vault key: it verifies without the old key, and a change is still found."""

import pytest
import sqlalchemy as sa

from accounts import audit
from accounts.audit import audit_batches, audit_events
from accounts.audit.key_rotation import ChainBroken, countersign
from accounts.database import Statement
from accounts.vault import Vault

ONE, TWO, THREE = (Vault.from_keys([(f"k{i}", bytes([i]) * 32)]) for i in (1, 2, 3))
BOTH = Vault.from_keys([("k2", bytes([2]) * 32), ("k1", bytes([1]) * 32)])
LATER = Vault.from_keys([("k3", bytes([3]) * 32), ("k2", bytes([2]) * 32)])


def write(database, clock, vault, batches):
    for _ in range(batches):
        with database.transaction() as c:
            for _ in range(3):
                audit.append(c, "person:session:open", now=clock.advance(seconds=1), person="p")
            audit.seal(c, vault, now=clock.now)


@pytest.fixture
def chain(database, clock):
    """Three batches signed with the first key, and two with the second."""
    write(database, clock, ONE, 3)
    write(database, clock, BOTH, 2)
    return database


def countersigned(database, vault, most=2):
    written, after = 0, 0
    while after is not None:
        done = countersign(database.connection(), vault, most, after=after)
        written, after = written + done.written, done.after
    return written


def broken(database, vault):
    return audit.verify(database.connection(), vault).broken


def change(database, statement):
    database.connection().execute(Statement(statement))


def third_record(database):
    query = sa.select(audit_events.c.id).where(audit_events.c.batch == 2, audit_events.c.position == 2)
    return database.connection().one(Statement(query)).id


def test_a_chain_of_a_retired_key_does_not_stand_by_itself(chain):
    """Without the key the chain cannot be verified, and it is not reported as intact."""
    assert broken(chain, BOTH) is None
    assert broken(chain, TWO) == audit.BrokenRecord(1, 0, None, "key_missing")


def test_countersigned_it_stands_without_the_old_key(chain, clock):
    """A chain of the old key verifies under the new one, and so do the batches chained after it."""
    assert countersigned(chain, BOTH) == 3
    assert audit.verify(chain.connection(), TWO) == audit.VerificationResult(15, 5)
    assert audit.verify(chain.connection(), BOTH) == audit.VerificationResult(15, 5)
    write(chain, clock, TWO, 1)
    assert audit.verify(chain.connection(), TWO) == audit.VerificationResult(18, 6)


def test_it_is_done_once_and_again_under_the_next_key(chain):
    """A second run signs nothing; the next rotation countersigns the old batches by their countersignatures."""
    countersigned(chain, BOTH)
    assert countersigned(chain, BOTH) == 0
    assert countersigned(chain, LATER) == 5
    assert broken(chain, THREE) is None


@pytest.mark.parametrize("column", ["event", "outcome", "actor", "person_id", "client_id", "channel", "source"])
def test_a_changed_record_is_found_without_the_old_key(chain, column):
    """The batch is named; with the old key in the list the record is named too."""
    countersigned(chain, BOTH)
    victim = third_record(chain)
    change(chain, sa.update(audit_events).where(audit_events.c.id == victim).values({column: "failure"}))
    assert broken(chain, TWO) == audit.BrokenRecord(2, 0, None, "batch_changed")
    assert broken(chain, BOTH) == audit.BrokenRecord(2, 2, victim, "changed")


@pytest.mark.parametrize(
    "damage",
    [
        sa.delete(audit_events).where(audit_events.c.batch == 2, audit_events.c.position == 2),
        sa.update(audit_events).where(audit_events.c.batch == 2, audit_events.c.position == 1).values(seal=b"x" * 50),
        sa.update(audit_events).where(audit_events.c.batch == 2, audit_events.c.position == 1).values(seal=sa.null()),
        sa.update(audit_batches).where(audit_batches.c.number == 2).values(records=2),
        sa.update(audit_batches).where(audit_batches.c.number == 2).values(seal=b"x" * 50),
    ],
)
def test_other_damage_is_found_without_the_old_key(chain, damage):
    """A changed record, signature or count breaks its batch."""
    countersigned(chain, BOTH)
    change(chain, damage)
    assert broken(chain, TWO).batch == 2
    assert broken(chain, BOTH).batch == 2


def test_a_countersignature_taken_away_or_moved_does_not_help(chain):
    """A batch without its countersignature, or with another batch's, does not verify."""
    countersigned(chain, BOTH)
    first = chain.connection().one(Statement(sa.select(audit_batches).where(audit_batches.c.number == 1)))
    second = sa.update(audit_batches).where(audit_batches.c.number == 2)
    change(chain, second.values(countersigned=first.countersigned))
    assert broken(chain, TWO) == audit.BrokenRecord(2, 0, None, "batch_changed")
    change(chain, second.values(countersigned=sa.null()))
    assert broken(chain, TWO) == audit.BrokenRecord(2, 0, None, "key_missing")


def test_a_batch_that_does_not_stand_is_never_countersigned(chain):
    """Signing a broken batch again would make a forgery valid."""
    change(chain, sa.update(audit_events).where(audit_events.c.id == third_record(chain)).values(event="x:y:z"))
    with pytest.raises(ChainBroken, match="batch 2, record 2: changed"):
        countersigned(chain, BOTH)
    assert broken(chain, BOTH).batch == 2
    assert broken(chain, TWO).batch == 2
