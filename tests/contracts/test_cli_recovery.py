"""`yitong people begin-recovery` and `confirm-recovery`: two clerks, one code, and no password in anybody's hands."""

import re

import pytest

from accounts import audit, evidence
from accounts.database import Database
from accounts.evidence import EvidenceKind
from accounts.identifiers import IdentifierKind, parse
from accounts.people.recovery import recoveries
from idp.cli import context
from idp.services import build_services, utc_now
from idp.settings import Settings
from tests.contracts.test_cli_changes import NUMBER, run

CODE = re.compile(r"reset code ([0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4})")


@pytest.fixture
def clerk(monkeypatch):
    """Lets the next command be run by the account of that name."""

    def be(name: str) -> None:
        monkeypatch.setattr(context, "_account", lambda: name)

    return be


def begun(yitong) -> str:
    answer = yitong("people", "begin-recovery", typed=f"{NUMBER}\n").output
    return re.search(r"recovery ([0-9a-f]{32})", answer)[1]


def test_two_clerks_hand_out_a_code_that_the_person_uses(yitong, database: Database, clerk):
    """The first one's check and the second one's are on record under their names; the code works once."""
    run(yitong, "people add")
    clerk("first")
    recovery = begun(yitong)
    clerk("second")
    code = CODE.search(yitong("people", "confirm-recovery", recovery).output)[1]
    services, c = build_services(Settings()), database.connection()
    person = services.people.find(c, parse(IdentifierKind.CITIZEN_ID, NUMBER))
    kinds = {each.kind for each in evidence.of(c, person) if each.source == "counter"}
    assert kinds == {EvidenceKind.CHIP_READ, EvidenceKind.COUNTER_COMPARISON}
    named = {each.event.name: each.actor for each in audit.recent(c, person, 20)}
    assert named["clerk:recovery:begin"] == "operator:first"
    assert named["clerk:recovery:confirm"] == "operator:second"
    with database.transaction() as spending:
        assert recoveries.use_code(spending, services.vault, person, code, now=utc_now()) == recovery
        assert recoveries.use_code(spending, services.vault, person, code, now=utc_now()) is None
    services.database.close()


def test_one_clerk_cannot_be_both(yitong, clerk):
    """Whoever began it is refused, and so is a second confirmation."""
    run(yitong, "people add")
    clerk("first")
    recovery = begun(yitong)
    assert "recovery_not_waiting" in yitong("people", "confirm-recovery", recovery).output
    clerk("second")
    assert CODE.search(yitong("people", "confirm-recovery", recovery).output)
    clerk("third")
    assert "recovery_not_waiting" in yitong("people", "confirm-recovery", recovery).output


def test_a_stopped_account_gets_no_code(yitong, clerk):
    """The clerk reads that the account must be enabled first."""
    run(yitong, "people add")
    run(yitong, "people disable")
    clerk("first")
    assert "account_not_active" in yitong("people", "begin-recovery", typed=f"{NUMBER}\n").output
