import json

import pytest
import sqlalchemy as sa

from accounts.audit import audit_events
from accounts.database import Statement
from tests.migration.bench import HEADER, LEGACY, MAPPING, number, row

A, B = number(101), number(202)


@pytest.fixture
def source(write):
    return write("forum.csv", "\n".join((HEADER, row(1, "李明", A, "word-one"), row(2, "王芳", B))) + "\n")


@pytest.fixture
def mapping(write):
    return write("forum.toml", MAPPING)


def planned(yitong, mapping, source, tmp_path):
    answer = yitong("plan", mapping, source, "--out", tmp_path / "plans", "--json")
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


def test_plan_apply_undo_as_an_operator_does_it(yitong, mapping, source, tmp_path, bench, ended):
    """Nothing is written before --yes; each command reports in JSON what it did."""
    plan = planned(yitong, mapping, source, tmp_path)
    assert plan["counts"]["auto"] == 2
    assert yitong("apply", plan["plan"]).exit_code == 4
    assert bench.meaning() == ([], [], [])
    applied = yitong("apply", plan["plan"], "--yes", "--json")
    assert (applied.exit_code, json.loads(applied.stdout)["links"]) == (0, 2)
    assert yitong("apply", plan["plan"], "--yes").exit_code == 0
    run = json.loads(yitong("status", "--json").stdout)["runs"][0]
    assert (run["state"], run["links"]) == ("applied", 2)
    asked = yitong("undo", "--run", run["run"])
    assert (asked.exit_code, "is applied: 2 persons, 2 links" in asked.stdout) == (4, True)
    assert len(bench.meaning()[2]) == 2
    assert yitong("undo", "--run", run["run"], "--yes").exit_code == 0
    assert len(ended) == 2
    assert bench.meaning() == ([], [], [])
    assert "undone" in yitong("status").stdout


def test_one_account_is_unlinked(yitong, mapping, source, tmp_path, ended):
    """An account named by system and key is unlinked, and the next run does not link it again."""
    yitong("apply", planned(yitong, mapping, source, tmp_path)["plan"], "--yes")
    assert yitong("undo", "--account", "forum", "1").stdout == "This account is linked: the link would go.\n"
    assert ended == []
    assert yitong("undo", "--account", "forum", "1", "--yes").stdout == "UndoResult.\n"
    assert yitong("undo", "--account", "forum", "1").stdout == "This account is linked to nobody.\n"
    assert yitong("undo", "--account", "forum", "1", "--yes").stdout == "UndoResult before.\n"
    assert len(ended) == 1
    assert planned(yitong, mapping, source, tmp_path)["counts"]["not_the_same"] == 1


def test_rows_that_wait_are_an_exit_code_of_their_own(yitong, tmp_path):
    """A script sees that the run is done and that somebody should read the report."""
    made = json.loads(yitong("plan", LEGACY / "forum.toml", "--out", tmp_path / "plans", "--json").stdout)
    answer = yitong("apply", made["plan"], "--yes")
    assert answer.exit_code == 5
    assert "56 accounts wait for their owners." in answer.stderr


def test_the_report_a_person_reads_is_whole(yitong, tmp_path):
    """The terminal's report has every class, every reason and the sum, and no ID number."""
    text = yitong("plan", LEGACY / "forum.toml", "--out", tmp_path / "plans").output
    for part in ("auto", "contested_number", "citizen_id_check", "every row is in one class", "yitong merge apply"):
        assert part in text
    assert "519999" not in text


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        (lambda s: s.write_text(s.read_text() + '3,"broken\n'), 3, "forum.csv, line 4: unexpected end of data"),
        (lambda s: s.write_text(HEADER + "\n"), 3, "source_empty"),
    ],
)
def test_a_refused_source_ends_with_code_cause_and_cure(yitong, mapping, source, tmp_path, change, code, told):
    """An operator sees what is wrong and what to do, never a traceback."""
    change(source)
    answer = yitong("plan", mapping, source, "--out", tmp_path / "plans")
    assert answer.exit_code == code
    assert told in answer.stderr
    assert "→ " in answer.stderr
    assert "Traceback" not in answer.output


def test_a_changed_source_and_a_changed_plan_end_with_3(yitong, mapping, source, tmp_path):
    """Only what was read is applied."""
    plan = planned(yitong, mapping, source, tmp_path)
    source.write_text(source.read_text().replace("王芳", "王方"))
    answer = yitong("apply", plan["plan"], "--yes")
    assert (answer.exit_code, "has changed since the plan was made" in answer.stderr) == (3, True)


def test_wrong_usage_ends_with_2(yitong, write, source):
    """An invalid mapping, and an undo that names nothing, are errors of usage."""
    assert yitong("plan", write("bad.toml", "[system"), source).exit_code == 2
    assert yitong("undo", "--yes").exit_code == 2
    assert yitong("undo", "--yes", "--run", "nothing").exit_code == 3
    assert yitong("undo", "--run", "nothing").exit_code == 3


def test_recipes_can_be_tried_before_anything_is_read(yitong, mapping, write):
    """`hashes test` proves the known pairs, or says what is wrong with the recipe."""
    assert "1 known pairs verify" in yitong("hashes", "test", mapping).stdout
    wrong = write("wrong.toml", MAPPING.replace("hex(md5(p+s))", "hex(sha1(p+s))"))
    answer = yitong("hashes", "test", wrong)
    assert (answer.exit_code, "does not verify this pair" in answer.stderr) == (2, True)


def test_the_record_says_who_ran_the_commands(yitong, mapping, source, tmp_path, bench):
    """Applying and undoing a run, and unlinking one account, are each recorded once, with the operator's name."""
    plan = planned(yitong, mapping, source, tmp_path)
    assert yitong("apply", plan["plan"], "--yes").exit_code == 0
    assert yitong("apply", plan["plan"], "--yes").exit_code == 0
    assert yitong("undo", "--account", "forum", "1", "--yes").exit_code == 0
    run = json.loads(yitong("status", "--json").stdout)["runs"][0]["run"]
    assert yitong("undo", "--run", run, "--yes").exit_code == 0
    rows = bench.database.connection().rows(Statement(sa.select(audit_events).order_by(audit_events.c.event)))
    assert [(row.event, row.actor) for row in rows] == [
        ("merge:account:unlink", "operator:tester"),
        ("merge:run:apply", "operator:tester"),
        ("merge:run:undo", "operator:tester"),
    ]
