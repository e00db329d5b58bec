"""`yitong keys` on both databases."""

import os
import signal

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from accounts import audit
from accounts.database import Statement
from accounts.vault import Vault
from idp.cli.context import CommandContext
from idp.cli.keys import keys
from idp.jobs.resealing import SEALED
from tests.contracts.conftest import vault_keys
from tests.contracts.test_resealing import NEW, NOW, OLD, fill, stale

EVERY = Statement(sa.select(audit.audit_events).order_by(audit.audit_events.c.at))


@pytest.fixture
def filled(database, monkeypatch):
    """Everything is sealed with the old key, and the new key is first."""
    fill(database, Vault.from_keys([OLD]))
    monkeypatch.setenv("YITONG_VAULT_KEYS", vault_keys(NEW, OLD))
    return database


def recorded(database, event):
    rows = database.connection().rows(EVERY)
    return [row for row in rows if row.event == event]


def test_reseal_moves_everything_and_says_which_key_may_go(yitong, filled):
    """Afterwards nothing needs the old key, and the output names the key that may be retired."""
    answer = yitong("keys", "reseal", "--wait", "0")
    assert answer.exit_code == 0, answer.output
    assert "k1 may leave YITONG_VAULT_KEYS" in answer.output
    assert stale(filled, Vault.from_keys([NEW]))[0] == []
    (record,) = recorded(filled, "administrator:vault:reseal")
    assert record.actor.startswith("operator:")
    assert record.detail["rows"] >= len(SEALED)
    assert (record.detail["key"], record.detail["complete"]) == ("k2", True)


def test_reseal_again_changes_and_records_nothing(yitong, filled):
    """A second run only reads, and records no event."""
    yitong("keys", "reseal", "--wait", "0")
    again = yitong("keys", "reseal", "--wait", "0")
    assert (again.exit_code, "0 rows moved" in again.output) == (0, True)
    assert len(recorded(filled, "administrator:vault:reseal")) == 1


def test_reseal_without_the_old_key_is_refused(yitong, filled, monkeypatch):
    """If the old key was removed too early, the error says to put it back, and nothing is lost."""
    monkeypatch.setenv("YITONG_VAULT_KEYS", vault_keys(NEW))
    answer = yitong("keys", "reseal", "--wait", "0")
    assert (answer.exit_code, "vault_key_mismatch" in answer.output) == (1, True)
    assert recorded(filled, "administrator:vault:reseal") == []


def chained(database, vault):
    with database.transaction() as c:
        audit.append(c, "person:session:open", now=NOW)
        audit.seal(c, vault, now=NOW)


def test_the_audit_stands_without_the_old_key(yitong, filled, monkeypatch):
    """What the old key signed is countersigned, so retiring it loses no evidence."""
    chained(filled, Vault.from_keys([OLD]))
    answer = yitong("keys", "reseal", "--wait", "0")
    assert (answer.exit_code, "1 audit batches countersigned" in answer.output) == (0, True), answer.output
    monkeypatch.setenv("YITONG_VAULT_KEYS", vault_keys(NEW))
    assert "records in 1 batches stand" in yitong("audit", "verify").output


def test_a_broken_audit_keeps_every_key(yitong, filled):
    """The key that proves a forgery may not be retired; the resealing before it is recorded all the same."""
    chained(filled, Vault.from_keys([OLD]))
    filled.connection().execute(Statement(sa.update(audit.audit_events).values(actor="somebody")))
    answer = yitong("keys", "reseal", "--wait", "0")
    assert (answer.exit_code, "audit_broken" in answer.output) == (1, True)
    assert "may leave" not in answer.output
    assert recorded(filled, "administrator:vault:reseal")[0].detail["complete"] is False


def test_an_interrupted_reseal_ends_with_75_and_goes_on(yitong, filled):
    """A signal between two batches ends the command; running it again finishes."""
    here, statements = CommandContext(), iter(range(1000))
    here.database.connection()
    here.database.count = lambda: os.kill(os.getpid(), signal.SIGTERM) if next(statements) == 1 else None
    answer = CliRunner().invoke(keys, ["reseal", "--wait", "0"], obj=here)
    assert (answer.exit_code, "run the same command again" in answer.output) == (75, True)
    assert recorded(filled, "administrator:vault:reseal")[0].detail["complete"] is False
    left, counts = stale(filled, Vault.from_keys([NEW, OLD]))
    assert 0 < len(left) < sum(counts.values())
    assert yitong("keys", "reseal", "--wait", "0").exit_code == 0
    assert stale(filled, Vault.from_keys([NEW]))[0] == []


def test_rotating_the_signing_keys_is_on_record(yitong, database):
    """The audit names once who published new keys, and which."""
    answer = yitong("keys", "rotate")
    assert answer.exit_code == 0, answer.output
    (record,) = recorded(database, "administrator:keys:rotate")
    assert record.actor.startswith("operator:")
    assert all(kid in answer.output for kid in record.detail["published"])
