"""`yitong people guardian` and the loss of capacity: what a counter records, after it has seen a paper."""

from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from accounts import audit
from accounts.database import Database, Statement
from accounts.people.family.family_store import helper_relations
from accounts.registration.ages import comes_of
from tests.contracts.test_cli_changes import NUMBER, SECRET, run
from tests.fixtures.city import number

RELATIONS = Statement(sa.select(helper_relations))
PAPER = ("--relation", "parent", "--proof", "birth_certificate", "--reference", "51-2026-7")


def child_of(years: int) -> tuple[str, date]:
    """A number of somebody who became that old half a year ago, and their date of birth."""
    today = date.today() - timedelta(days=183)  # noqa: DTZ011 - the command runs with the time of today
    born = date(today.year - years, today.month, 1)
    return number(f"{born:%Y%m%d}", 81), born


def with_child(yitong, years: int) -> tuple[str, date]:
    run(yitong, "people add")
    typed, born = child_of(years)
    assert yitong("people", "add", typed=f"王小明\n{typed}\n\n\n\n{SECRET}\n{SECRET}\n").exit_code == 0
    return typed, born


@pytest.mark.parametrize(("years", "until", "accepted"), [(9, 14, True), (15, 18, False)])
def test_a_guardian_is_recorded(yitong, database: Database, years: int, until: int, accepted: bool):  # noqa: FBT001 - parametrized
    """Under 14 it is in force, from 14 it waits for the child; the record names the operator and keeps the paper."""
    child, born = with_child(yitong, years)
    done = yitong("people", "guardian", *PAPER, typed=f"{NUMBER}\n{child}\n")
    assert done.exit_code == 0, done.output
    assert ("acts until" if accepted else "the child must accept it") in done.output
    (row,) = database.connection().rows(RELATIONS)
    assert (row.relation, row.proof, row.proof_reference) == ("parent", "birth_certificate", "51-2026-7")
    assert (row.is_guardianship, row.expires_at) == (True, comes_of(until, born))
    assert (row.accepted_at is not None) == accepted
    found = [each for each in audit.recent(database.connection(), row.helper_id, 20) if "helper" in each.event.name]
    assert {each.actor[:9] for each in found} == {"operator:"}


@pytest.mark.parametrize(
    ("first", "second", "paper", "code"),
    [
        (NUMBER, NUMBER, PAPER, "guardian_refused"),
        ("child", NUMBER, PAPER, "guardian_refused"),
        (NUMBER, "child", (*PAPER[:-1], " "), "reference_missing"),
        (NUMBER, number("19900101", 99), PAPER, "unknown_person"),
    ],
)
def test_a_mistake_is_named_and_changes_nothing(yitong, database: Database, first, second, paper, code):
    """One person twice, a child as guardian, no reference, a number that nobody holds: each with its cure."""
    child, _ = with_child(yitong, 9)
    typed = "\n".join(child if each == "child" else each for each in (first, second))
    refused = yitong("people", "guardian", *paper, typed=f"{typed}\n")
    assert refused.exit_code == 1
    assert code in refused.output
    assert database.connection().rows(RELATIONS) == []


@pytest.mark.parametrize(("option", "because"), [("--incapable", "incapacity"), ("--deceased", "death")])
def test_death_and_incapacity_end_what_there_is(yitong, database: Database, option: str, because: str):
    """The account is stopped, the relation has ended with its reason, and enabling does not bring it back."""
    child, _ = with_child(yitong, 9)
    assert yitong("people", "guardian", *PAPER, typed=f"{NUMBER}\n{child}\n").exit_code == 0
    assert yitong("people", "disable", option, "--yes", typed=f"{NUMBER}\n").exit_code == 0
    assert run(yitong, "people enable").exit_code == 0
    (row,) = database.connection().rows(RELATIONS)
    assert row.ended_because == because


def test_who_was_stopped_before_still_loses_their_helpers(yitong, database: Database):
    """The loss of capacity of a disabled person ends relations, too, and the command says so."""
    child, _ = with_child(yitong, 9)
    assert yitong("people", "guardian", *PAPER, typed=f"{NUMBER}\n{child}\n").exit_code == 0
    run(yitong, "people disable")
    assert "their helpers have ended" in yitong("people", "disable", "--incapable", "--yes", typed=f"{NUMBER}\n").output
    (row,) = database.connection().rows(RELATIONS)
    assert row.ended_because == "incapacity"
