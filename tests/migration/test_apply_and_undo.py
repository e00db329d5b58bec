"""apply, killed at any point and continued, gives the same as one apply; undo after apply restores everything."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import evidence, merging
from accounts.database import Statement
from accounts.identifiers import CitizenId
from accounts.merging import RunRefused, RunTaken, linking
from accounts.merging.linking import linked_accounts
from accounts.people import NewPerson, People
from migration_tools.errors import MergeRefused, PlanRefused
from tests.migration.bench import Killed, number, row

A, B, C, D = (number(n) for n in (101, 202, 303, 404))
ROWS = (
    row(1, "李明", A, "first-word"),
    row(2, "王芳", B, "second-word"),
    row(3, "张三", ""),
    row(4, "李明", A, "fourth-word"),
    row(5, "赵六", C),
    row(6, "钱七", D),
    row(7, "孙八", D),
)


def test_apply_creates_the_planned_persons_and_links(bench):
    """One person for each number, one link for each account, with the plan's ids, and nothing else."""
    plan = bench.plan(*ROWS)
    run = bench.apply(plan, batch=2)
    assert (run.state, run.persons, run.links, run.skipped) == ("applied", 3, 4, 0)
    planned = {(line.uid, line.person) for line in plan.lines() if line.person}
    assert {(x[1], x[2]) for x in bench.meaning()[2]} == planned
    assert [p[0] for p in bench.meaning()[0]] == sorted({person for _, person in planned})


def test_applying_again_changes_nothing(bench):
    """Applying a finished plan again makes 0 changes, even after its source is gone."""
    plan = bench.plan(*ROWS)
    run = bench.apply(plan)
    before = bench.state()
    (bench.path / "forum.csv").unlink()
    assert bench.apply(plan) == run
    assert bench.state() == before


def test_planning_again_finds_everything_linked(bench):
    """The same export, planned again after it was applied, has only the parked rows left."""
    bench.apply(bench.plan(*ROWS))
    plan = bench.plan(*ROWS)
    assert plan.links == 0
    assert plan.manifest["counts"]["already_linked"] == 4
    before = bench.state()
    assert bench.apply(plan).links == 0
    assert bench.state() == before


def test_a_changed_source_is_refused(bench):
    """Only the approved source is applied."""
    plan = bench.plan(*ROWS)
    source = bench.path / "forum.csv"
    source.write_bytes(source.read_bytes().replace("王芳".encode(), "王方".encode()))
    with pytest.raises(PlanRefused, match="has changed"):
        bench.apply(plan)
    assert bench.meaning() == ([], [], [])


def test_killed_before_any_statement_the_same_command_finishes_the_same(bench):
    """Wherever the process ends, nothing is half written, and the next run completes exactly the plan."""
    plan = bench.plan(*ROWS)
    bench.apply(plan, batch=2)
    whole = bench.meaning()
    bench.undo(merging.run_of_plan(bench.database.connection(), plan.digest))
    killed = 0
    for statement in range(1, 200):
        plan = bench.plan(*ROWS)
        bench.killed_at(statement)
        try:
            bench.apply(plan, batch=2)
        except Killed:
            killed += 1
            bench.alive()
        else:
            break
        run = bench.apply(plan, batch=2)
        assert (run.state, run.persons, run.links, run.skipped) == ("applied", 3, 4, 0)
        assert [len(part) for part in bench.meaning()] == [len(part) for part in whole]
        bench.undo(run)
        assert bench.meaning() == ([], [], [])
    bench.alive()
    assert killed > 15


def test_killed_while_undoing_the_same_command_finishes(bench):
    """Undo may be killed at any statement, and the next undo finishes."""
    before = bench.state()
    killed = 0
    for statement in range(1, 200):
        run = bench.apply(bench.plan(*ROWS), batch=2)
        bench.killed_at(statement)
        try:
            bench.undo(run, batch=2)
        except Killed:
            killed += 1
        else:
            bench.alive()
            break
        bench.alive()
        assert bench.undo(run, batch=2).run.state == "undone"
        assert bench.state() == before
    assert killed > 15


NAMES = st.sampled_from(["李明", "王芳", "李 明", "", "张*"])
NUMBERS = st.sampled_from([A, B, C, A[:6] + A[8:17], "", A[:17] + "!", "１" * 3])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(st.integers(1, 9), NAMES, NUMBERS), min_size=1, max_size=12), batch=st.integers(1, 5))
def test_undo_after_apply_is_as_if_nothing_had_been(bench, rows, batch):
    """For any export, in any batches, apply then undo restores every row, byte for byte."""
    before = bench.state()
    run = bench.apply(bench.plan(*(row(uid, name, text) for uid, name, text in rows)), batch=batch)
    assert bench.undo(run, batch=batch).run.state == "undone"
    assert bench.state() == before


def test_undo_leaves_persons_who_were_known_before(bench, vault, clock):
    """A run removes what it added, never what existed before."""
    with bench.database.transaction() as c:
        People(vault).register(c, NewPerson("李明", (CitizenId.parse(A),)), now=clock())
    before = bench.state()
    bench.undo(bench.apply(bench.plan(*ROWS)))
    assert bench.state() == before


def test_undo_leaves_a_person_on_whom_something_else_hangs(bench, clock):
    """A person who has since been verified at the counter stays; only the link goes."""
    plan = bench.plan(row(1, "李明", A), row(2, "王芳", B))
    run = bench.apply(plan)
    li = next(plan.lines()).person
    with bench.database.transaction() as c:
        kind = evidence.EvidenceKind.COUNTER_COMPARISON
        evidence.record(c, li, kind, source="hall", at=clock(), expires_at=clock() + timedelta(days=1))
    bench.undo(run)
    persons, _, links = bench.meaning()
    assert [p[0] for p in persons] == [li]
    assert links == []


def test_undo_tells_whose_sessions_must_end(bench):
    """Persons who logged in by a wrong link are logged out in the same transaction."""
    told = []
    run = bench.apply(bench.plan(*ROWS))
    expected = sorted({x[2] for x in bench.meaning()[2]})

    def changed(c, persons, now):
        assert c.in_transaction
        told.extend(persons)

    bench.undo(run, changed=changed)
    assert sorted(told) == expected


def test_undoing_twice_is_success_and_changes_nothing(bench):
    """An operator may repeat the command."""
    run = bench.apply(bench.plan(*ROWS))
    assert bench.undo(run).changed
    again = bench.undo(run)
    assert not again.changed
    assert again.run.state == "undone"


def test_an_undone_plan_is_not_applied_again(bench):
    """Undone ids are never reused; a new plan draws new ones."""
    plan = bench.plan(*ROWS)
    bench.undo(bench.apply(plan))
    with pytest.raises(RunRefused):
        bench.apply(plan)
    assert bench.apply(bench.plan(*ROWS)).links == 4


def test_a_link_that_is_undone_is_remembered_as_not_the_same(bench):
    """The next run with the same export does not make the wrong link again."""
    bench.apply(bench.plan(*ROWS))
    whose = bench.undo_link("forum", "2")
    assert whose is not None
    assert bench.undo_link("forum", "2") is None
    plan = bench.plan(*ROWS)
    assert bench.kinds(plan)[1] == "not_the_same"
    assert bench.apply(plan).links == 0


def test_a_run_one_of_whose_links_was_undone_can_be_undone_whole(bench):
    """The rest of the run is undone, although one of its links was undone before."""
    run = bench.apply(bench.plan(*ROWS))
    bench.undo_link("forum", "2")
    assert bench.undo(run, batch=2).run.state == "undone"
    assert bench.meaning() == ([], [], [])


def test_a_number_registered_since_planning_is_skipped_and_journalled(bench, vault, clock):
    """A person who registered between plan and apply keeps their number."""
    plan = bench.plan(*ROWS)
    with bench.database.transaction() as c:
        li = People(vault).register(c, NewPerson("李明", (CitizenId.parse(A),)), now=clock())
    run = bench.apply(plan, batch=2)
    assert (run.links, run.skipped) == (2, 2)
    assert li.id not in {x[2] for x in bench.meaning()[2]}
    bench.undo(run)
    assert [p[0] for p in bench.meaning()[0]] == [li.id]


def test_a_person_disabled_since_planning_is_skipped(bench, vault, clock):
    """A person who was disabled after planning gets no link."""
    people = People(vault)
    with bench.database.transaction() as c:
        li = people.register(c, NewPerson("李明", (CitizenId.parse(A),)), now=clock())
    plan = bench.plan(*ROWS)
    with bench.database.transaction() as c:
        people.change_status(c, li.id, "disabled", now=clock())
    assert bench.apply(plan).skipped == 2


def test_two_processes_on_one_run_do_its_work_once(bench, vault, clock):
    """The position in the run's row is the lock: the slower process is refused, and its batch is not written."""
    plan = bench.plan(*ROWS)
    with bench.database.transaction() as c:
        run = merging.open_run(
            c, plan.run_id, plan_digest=plan.digest, system="forum", rows_read=plan.rows, now=clock()
        )
    bench.apply(plan)
    before = bench.state()
    with pytest.raises(RunTaken), bench.database.transaction() as c:
        merging.absorb(c, vault, run, [], now=clock())
    assert bench.state() == before


def test_asked_to_stop_it_stops_between_batches_and_continues(bench):
    """After Ctrl-C the run stays open at its position."""
    plan = bench.plan(*ROWS)
    answers = iter([False, True])
    run = bench.apply(plan, batch=2, stop=lambda: next(answers))
    assert (run.state, run.position) == ("applying", 2)
    assert bench.apply(plan, batch=2).links == 4


def test_undoing_an_unknown_run_is_refused(bench):
    """A mistyped id gets an error message."""
    with pytest.raises(MergeRefused, match="there is no such run"):
        bench.undo(type("Unknown", (), {"id": "nothing"}))


def test_one_account_cannot_be_two_peoples(bench):
    """The database, not the code, keeps (system, key) unique."""
    from accounts.errors import Conflict  # noqa: PLC0415

    bench.apply(bench.plan(*ROWS))
    found = bench.database.connection().rows(Statement(sa.select(linked_accounts)))[0]
    with pytest.raises(Conflict):
        bench.database.connection().execute(Statement(sa.insert(linked_accounts)), **found._asdict())


def test_the_old_user_id_is_told_only_where_it_was_proven(bench, clock):
    """A link by rule alone releases no user id of another system; our real-name check or a confirmation does."""
    plan = bench.plan(row(1, "李明", A, "first-word"))
    bench.apply(plan)
    person, c = next(plan.lines()).person, bench.database.connection()
    assert linking.legacy_sub(c, person, "forum") is None
    evidence.record(
        c, person, evidence.EvidenceKind.COUNTER_COMPARISON, source="legacy:forum", at=clock(), expires_at=None
    )
    assert linking.legacy_sub(c, person, "forum") is None
    evidence.record(c, person, evidence.EvidenceKind.COUNTER_COMPARISON, source="hall", at=clock(), expires_at=None)
    assert linking.legacy_sub(c, person, "forum") == "1"
    assert linking.legacy_sub(c, person, "library") is None


def test_a_confirmed_link_tells_the_old_user_id(bench):
    """At level 2 the person has confirmed the link, and the caller has made a check."""
    plan = bench.plan(row(1, "李明", A), row(2, "李明", A))
    bench.apply(plan)
    person, c = next(plan.lines()).person, bench.database.connection()
    assert linking.confirm(c, person) == 2
    assert linking.legacy_subs(c, person, "forum") == ("1", "2")
