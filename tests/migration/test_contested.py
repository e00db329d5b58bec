"""A number that one export gave to several names belongs to nobody until somebody has checked it."""

import pytest

from accounts.identifiers import CitizenId
from accounts.merging.tables import contested_numbers
from accounts.people import NewPerson, People
from accounts.vault import Vault
from accounts.vault.resealing import Position, reseal
from migration_tools.planning.matching import AUTO
from tests.migration.bench import MAPPING, Bench, number, row

A, B = number(101), number(202)
LIBRARY = MAPPING.replace('id = "forum"', 'id = "library"')
EARLIER = "contested_number:earlier_export"


@pytest.fixture
def forum(bench):
    """The run of an export that gives A to two names, and B to one."""
    return bench.apply(bench.plan(row(1, "李明", A), row(2, "王芳", A), row(3, "赵六", B)), batch=2)


def test_the_next_export_cannot_capture_what_the_first_contested(bench, forum):
    """No name gets the number, and the run keeps its position and counts its links only."""
    assert (forum.links, forum.persons, forum.skipped, forum.position) == (1, 1, 0, 3)
    for name in ("李明", "王芳", "周七"):
        assert bench.kinds(bench.plan(row(9, name, A), row(8, "赵六", B), mapping=LIBRARY)) == [EARLIER, AUTO]


def test_a_plan_made_before_the_contest_was_known_is_held_to_it(bench):
    """Of two plans made side by side, the one applied second respects the contest that the first recorded."""
    second = bench.plan(row(9, "王芳", A), row(8, "赵六", B), mapping=LIBRARY)
    source = bench.path / "library.csv"
    source.write_bytes((bench.path / "forum.csv").read_bytes())
    bench.apply(bench.plan(row(1, "李明", A), row(2, "王芳", A)))
    (bench.path / "forum.csv").write_bytes(source.read_bytes())
    run = bench.apply(second)
    assert (run.links, run.skipped) == (1, 1)


def test_a_contest_ends_when_somebody_holds_the_number(bench, forum, vault, clock):
    """The person registered at the counter owns the number; the other name still does not."""
    with bench.database.transaction() as c:
        li = People(vault).register(c, NewPerson("李明", (CitizenId.parse(A),)), now=clock())
    plan = bench.plan(row(9, "李明", A), row(8, "王芳", A), mapping=LIBRARY)
    assert bench.kinds(plan) == [AUTO, "name_conflict"]
    assert next(plan.lines()).person == li.id


def test_a_contest_ends_when_its_own_system_corrects_it(bench, forum):
    """A system may end a contest in its own table by correcting that table."""
    corrected = MAPPING.replace('key = "id"', 'key = "id"\nexpect_rows = [1, 9]')
    assert bench.kinds(bench.plan(row(2, "王芳", A), mapping=corrected)) == [AUTO]


def test_a_contest_ends_with_the_run_that_noted_it(bench, forum):
    """Undo also removes the contest."""
    bench.undo(forum, batch=2)
    assert bench.rows(contested_numbers) == []
    assert bench.kinds(bench.plan(row(9, "王芳", A), mapping=LIBRARY)) == [AUTO]


def test_a_contest_outlives_the_key_it_was_indexed_with(database, clock, tmp_path):
    """Rotation reseals the contest: retiring a key must not give the number to the next export."""
    old, new = ("old", b"o" * 32), ("new", b"n" * 32)
    before = Bench(database, Vault.from_keys([old]), clock, tmp_path)
    before.apply(before.plan(row(1, "李明", A), row(2, "王芳", A)))
    after, position = Vault.from_keys([new, old]), Position()
    while position is not None:
        position = reseal(database.connection(), after, 20, after=position).after
    retired = Bench(database, Vault.from_keys([new]), clock, tmp_path)
    assert retired.kinds(retired.plan(row(9, "王芳", A), mapping=LIBRARY)) == [EARLIER]
