"""Broken rows in a sound file: each is named by line and reason, the rest is planned, nothing is lost or guessed."""

import csv
import json
import re
import tracemalloc
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.audit import audit_events
from accounts.database import Statement
from migration_tools import readers
from migration_tools.errors import PlanRefused, RowsRefused
from migration_tools.mapping import load
from migration_tools.planning import plan as plans
from migration_tools.planning import refusals
from migration_tools.planning.plan import LeaveOut
from migration_tools.planning.planner import make_plan
from migration_tools.readers import FORMATS
from migration_tools.readers.legacy_account import LegacyAccount, RefusedRow
from tests.migration.bench import LEGACY, MAPPING, number, row
from tests.migration.faulty import BROKEN, ENTRY, FIRST, LDIF, NAME, SECOND, SECRETS, THIRD, A, B, between, entry, lines
from tests.migration.formats import SAMPLES

FAULTS = [(kind, fault) for kind, sample in SAMPLES.items() for fault in sample.row_faults]


@pytest.mark.parametrize(("kind", "fault"), FAULTS)
def test_a_row_is_refused_by_line_and_reason_and_the_rest_is_planned(yitong, bench, write, tmp_path, kind, fault):
    """Exit code 3, the list in the plan and on the terminal, both neighbours planned, no write, no value of the row."""
    content, line, reason = SAMPLES[kind].row_faults[fault]
    mapping, source = write(f"{kind}.toml", SAMPLES[kind].mapping), write(f"export.{kind}", content)
    answer = yitong("plan", mapping, source, "--out", tmp_path / "plans")
    assert answer.exit_code == 3, answer.output
    assert answer.stderr.startswith("rows_refused: 1 refused of 3 rows: ")
    assert "--leave-out-refused 1." in answer.stderr
    assert f"line {line}: {reason}\n    → " in answer.stdout
    (made,) = (tmp_path / "plans").iterdir()
    plan = plans.load(made)
    assert [(found.line, found.cause) for found in plan.refusals()] == [(line, reason)]
    assert [(found.row, found.kind) for found in plan.lines()] == [(1, "auto"), (3, "auto")]
    assert bench.meaning() == ([], [], [])
    told = answer.output + (made / refusals.NAME).read_text("utf-8-sig") + (made / plans.MANIFEST).read_text()
    assert [value for value in SECRETS if value in told] == []


@pytest.mark.parametrize(
    ("texts", "mapping", "refused"),
    [
        ((FIRST, "half a salt", THIRD), MAPPING, [2, 3, 4]),
        ((FIRST, "half a salt", "and the rest", THIRD), MAPPING, [2, 3, 4, 5]),
        ((FIRST, THIRD, "2 rows selected."), MAPPING, [3, 4]),
        ((FIRST, "a remark", THIRD), MAPPING[: MAPPING.index("[password]")], [3, 4]),
    ],
)
def test_half_a_value_is_never_taken_for_a_whole_one(write, texts, mapping, refused):
    """A line without a delimiter may belong to a row beside it: if that field is mapped, they are refused too."""
    found = readers.read(write("forum.csv", lines(*texts)), load(write("m.toml", mapping), FORMATS))
    assert [each.line for each in found if isinstance(each, RefusedRow)] == refused


def test_an_entry_of_another_class_is_no_row_unless_it_is_damaged(write):
    """A damaged line may have held the class, so that entry is refused; a sound entry of another class is skipped."""
    mapping = load(write("m.toml", LDIF.replace('key = "uid"', 'key = "uid"\nobject_class = "person"')), FORMATS)
    whole, damaged = "dn: ou=a\nobjectClass: unit\n", "dn: ou=b\nobjectClass: unit\ncut\n"
    source = write("l.ldif", f"{whole}\n{damaged}\n{ENTRY}objectClass: person\n")
    first, second = readers.read(source, mapping)
    assert (first, second.row) == (RefusedRow(6, "neither an attribute nor a comment", first.cure), 2)


ROWS = (FIRST, SECOND, THIRD, BROKEN, f"{SECOND},more", row(" ", "王芳", B), row("k" * 201, NAME, A))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.lists(st.integers(0, len(ROWS) - 1), min_size=1, max_size=30))
def test_every_row_is_accounted_for_once(bench, chosen):
    """Rows in = classified + refused; every line of the source is in exactly one list, in any order of faults."""
    plan = bench.plan(*(ROWS[i] for i in chosen))
    counts, refused = plan.manifest["counts"], [found.line for found in plan.refusals()]
    assert refused == [place + 2 for place, i in enumerate(chosen) if i > 2]
    assert sorted([line.row + 1 for line in plan.lines()] + refused) == list(range(2, len(chosen) + 2))
    assert sum(counts.values()) == plan.rows == len(chosen)
    reasons = plan.manifest["reasons"]
    assert counts["refused"] == len(refused) == sum(n for name, n in reasons.items() if name.startswith("refused:"))


@pytest.fixture
def planned(yitong, write, tmp_path):
    """Plans the given rows. Returns exit code, report and standard error."""

    def plan(content, *options):
        mapping, source = write("forum.toml", MAPPING), write("forum.csv", content)
        answer = yitong("plan", mapping, source, "--out", tmp_path / "plans", "--json", *options)
        return answer.exit_code, json.loads(answer.stdout), answer.stderr

    return plan


def test_a_plan_with_refused_rows_is_not_applied(yitong, bench, planned):
    """Without permission to leave rows behind: code 3 with and without --yes, and nothing is written."""
    code, made, _ = planned(between(BROKEN))
    assert (code, made["refused"]["rows"], made["refused"]["leave_out"]) == (3, 1, None)
    for options in ([], ["--yes"]):
        answer = yitong("apply", made["plan"], *options)
        assert answer.exit_code == 3
        assert answer.stderr.startswith("rows_refused: 1 refused of 3 rows: ")
    assert bench.meaning() == ([], [], [])


def test_rows_stay_behind_by_somebodys_word(yitong, bench, planned):
    """The plan names who permitted it, apply reports the rows left behind, and the audit has both."""
    code, made, _ = planned(between(BROKEN), "--leave-out-refused", "1")
    assert (code, made["refused"]["leave_out"]) == (0, {"most": 1, "by": "operator:tester"})
    shown = yitong("apply", made["plan"])
    assert shown.exit_code == 4
    assert "Up to 1 may stay behind: said by operator:tester" in shown.stdout
    answer = yitong("apply", made["plan"], "--yes", "--json")
    assert (answer.exit_code, json.loads(answer.stdout)["refused"]) == (5, 1)
    assert "Refused rows that stayed behind: 1." in answer.stderr
    assert made["refused"]["list"] in answer.stderr
    (event,) = bench.database.connection().rows(Statement(sa.select(audit_events)))
    assert event.detail["refused"] == 1
    assert event.detail["left_out_by"] == "operator:tester"


def test_more_refused_rows_than_somebody_has_seen_stop_the_plan(planned):
    """A permission for one row does not cover two."""
    code, _, told = planned(between(BROKEN, BROKEN), "--leave-out-refused", "1")
    assert code == 3
    assert told.startswith("rows_refused: 2 refused of 4 rows, and 1 may stay behind: ")
    assert planned(between(BROKEN), "--leave-out-refused", "2")[0] == 0


def test_nobodys_word_can_be_written_into_a_plan(bench):
    """The digest also covers the permission to leave rows behind."""
    plan = bench.plan(FIRST, BROKEN)
    with pytest.raises(RowsRefused):
        bench.apply(plan)
    file = plan.path / plans.MANIFEST
    file.write_text(file.read_text().replace('"leave_out": null', '"leave_out": {"most": 9, "by": "nobody"}'))
    assert "nobody" in file.read_text()
    with pytest.raises(PlanRefused, match="manifest was changed"):
        plans.load(plan.path)


def test_the_terminal_names_twenty_rows_and_the_list_all(yitong, write, tmp_path):
    """The report names at most twenty rows; the file beside it names all."""
    mapping, source = write("forum.toml", MAPPING), write("forum.csv", lines(FIRST, *[BROKEN] * 23))
    answer = yitong("plan", mapping, source, "--out", tmp_path / "plans")
    assert answer.stdout.count("4 fields where the header has 8\n    →") == 20
    assert "line 22:" in answer.stdout
    assert "line 23:" not in answer.stdout
    assert "and 3 more" in answer.stdout
    (table,) = (tmp_path / "plans").glob(f"*/{refusals.NAME}")
    with table.open(encoding="utf-8-sig", newline="") as file:
        named = list(csv.DictReader(file))
    assert [int(each["line"]) for each in named] == list(range(3, 26))
    assert all(each["cause"] and each["cure"] for each in named)


def test_a_file_of_broken_rows_needs_no_memory_and_every_row_is_named(bench):
    """All refused rows are listed on disk, not in memory, and the plan links nothing."""
    many = 100_000
    bench.plan(FIRST)  # memory that is loaded once does not count for this file
    (bench.path / "forum.csv").write_text(lines(*[BROKEN] * many), encoding="utf-8")
    tracemalloc.start()
    plan = bench.plan_of(bench.path / "forum.toml", bench.path / "forum.csv")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (plan.rows, plan.refused, sum(1 for _ in plan.refusals())) == (many, many, many)
    assert peak < 12 << 20  # nine MiB to read a file of any length in blocks; a hundred bytes a row would be ten more
    with pytest.raises(RowsRefused):
        bench.apply(plan)


def leaving(bench, *texts):
    """A plan that leaves its refused rows behind."""
    return bench.plan(*texts, leave_out=LeaveOut(9, "operator:tester"))


def test_applied_in_pieces_the_accounts_beside_refused_rows_stay_theirs(bench):
    """When an interrupted run continues, plan and source stay aligned across the refused rows."""
    plan = leaving(bench, BROKEN, FIRST, BROKEN, BROKEN, SECOND, THIRD, BROKEN)
    answers = iter([False, True])
    assert bench.apply(plan, batch=1, stop=lambda: next(answers)).position == 1
    assert bench.apply(plan, batch=1).links == 3
    assert {(x[1], x[2]) for x in bench.meaning()[2]} == {(line.uid, line.person) for line in plan.lines()}


def test_a_repaired_export_brings_those_who_stayed_behind(bench):
    """They are new rows of the next plan, the others are linked already; each run can be undone by itself."""
    first = bench.apply(leaving(bench, FIRST, BROKEN))
    plan = bench.plan(FIRST, SECOND)
    assert bench.kinds(plan) == ["already_linked", "auto"]
    second = bench.apply(plan)
    assert (first.rows_read, second.rows_read, second.links) == (2, 2, 1)
    bench.undo(first)
    assert [x[1] for x in bench.meaning()[2]] == ["2"]
    assert bench.kinds(bench.plan(FIRST, SECOND)) == ["auto", "already_linked"]
    bench.undo(second)
    assert bench.meaning() == ([], [], [])


def test_undoing_the_first_run_keeps_whom_the_repaired_row_needs(bench):
    """The repaired row is the same person's second account, so the person stays while it is linked."""
    first = bench.apply(leaving(bench, FIRST, BROKEN))
    second = bench.apply(bench.plan(FIRST, row(2, NAME, A)))
    bench.undo(first)
    persons, _, links = bench.meaning()
    assert [(x[1], x[2]) for x in links] == [("2", persons[0][0])]
    assert bench.undo(second).run.state == "undone"
    assert bench.meaning()[2] == []


def test_who_stays_behind_does_not_testify(bench):
    """A name in a refused row contests no number; once repaired the row waits and takes nothing."""
    bench.apply(leaving(bench, FIRST, row(2, "王芳", A) + ",more"))
    assert bench.kinds(bench.plan(FIRST, row(2, "王芳", A))) == ["already_linked", "name_conflict"]


def test_a_plan_that_may_leave_rows_behind_settles_no_contest(bench):
    """The refused row may hold the second name; only a complete export with one name ends the contest."""
    contested = row(2, "王芳", A)
    bench.apply(bench.plan(FIRST, contested))
    assert bench.kinds(leaving(bench, FIRST, f"{contested},more")) == ["contested_number:earlier_export"]
    assert bench.kinds(bench.plan(FIRST, THIRD)) == ["auto", "auto"]


def test_whoever_waits_hears_of_refused_rows_at_the_beginning(bench):
    """Once the file is checked, the progress shows the refused count, and its totals count accounts."""
    told = []

    @contextmanager
    def shown(title, total):
        done = []
        yield done.append
        told.append((title, total, sum(done)))

    bench.plan(FIRST, BROKEN, THIRD)
    mapping, source, out = (bench.path / name for name in ("forum.toml", "forum.csv", "plans"))
    make_plan(bench.database, bench.vault, load(mapping, FORMATS), source, out, now=bench.clock(), shown=shown)
    assert told == [("checking forum", None, 3), ("reading forum, refused rows: 1", 2, 2), ("comparing forum", 2, 2)]


def test_the_report_adds_rare_reasons_up(yitong, write, tmp_path):
    """For any number of kinds of faults the waterfall stays one page and its counts add up."""
    many = [entry("uid: r2\n" * n) for n in range(1, 25)]
    mapping, source = write("library.toml", LDIF), write("export.ldif", "\n".join(many))
    answer = yitong("plan", mapping, source, "--out", tmp_path / "plans")
    counted = re.findall(r"^ +(\d+) +(?:uid has \d+ values|4 other reasons)", answer.stdout, re.MULTILINE)
    assert (len(counted), sum(map(int, counted))) == (21, 24)


def test_refused_rows_are_rows_of_the_source(bench):
    """Broken rows do not make a file shrunken: the last run is compared by rows, not by accounts."""
    sound = [row(i, "李明", number(i)) for i in range(100, 120)]
    bench.apply(bench.plan(*sound))
    assert bench.plan(*sound[:10], *[BROKEN] * 10).refused == 10


def test_a_reader_hands_on_rows_in_the_order_of_the_file(write):
    """Accounts are numbered over all rows, so a row keeps its number when it is repaired later."""
    found = list(readers.read(write("forum.csv", between(BROKEN)), load(write("m.toml", MAPPING), FORMATS)))
    assert [each.row if isinstance(each, LegacyAccount) else each.line for each in found] == [1, 3, 3]


def test_the_demonstrations_broken_export_loses_one_row(bench):
    """As the how-to shows: line 58 is refused, and every other account is planned as from the sound export."""
    sound, broken = (bench.plan_of(LEGACY / "forum.toml", LEGACY / name) for name in ("forum.csv", "forum-broken.csv"))
    (refused,) = broken.refusals()
    assert (refused.line, broken.rows, broken.refused) == (58, sound.rows, 1)
    kinds = {line.row: line.kind for line in sound.lines() if line.row != 57}
    assert {line.row: line.kind for line in broken.lines()} == kinds
