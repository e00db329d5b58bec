"""Faults in real exports: each is refused with file, line and reason, and no personal data is repeated."""

import pytest

from tests.migration.bench import MAPPING, row
from tests.migration.faulty import SECOND, SECRETS, WHOLE, A, lines
from tests.migration.formats import SAMPLES

FAULTS = [(kind, fault) for kind, sample in SAMPLES.items() for fault in sample.file_faults]


@pytest.mark.parametrize(("kind", "fault"), FAULTS)
def test_a_fault_is_refused_by_line_and_reason_and_repeats_nobodys_data(yitong, bench, write, tmp_path, kind, fault):
    """Exit code 3; code, cause and cure on standard error; no plan, no write, no traceback, no value of a row."""
    content, line, reason = SAMPLES[kind].file_faults[fault]
    mapping = write(f"{kind}.toml", SAMPLES[kind].mapping)
    answer = yitong("plan", mapping, write(f"export.{kind}", content), "--out", tmp_path / "plans")
    assert answer.exit_code == 3, answer.output
    assert answer.stderr.startswith(f"source_refused: export.{kind}, line {line}: ")
    assert reason in answer.stderr
    assert len(answer.stderr.partition("→ ")[2]) > 15
    assert [value for value in SECRETS if value in answer.output] == []
    assert list((tmp_path / "plans").iterdir()) == []
    assert bench.meaning() == ([], [], [])


@pytest.mark.parametrize(
    "content",
    [
        WHOLE.replace("\n", "\r\n"),
        WHOLE.replace("\n", "\r"),
        WHOLE.replace("\n", "\r\n", 1),
        WHOLE.replace("\n", "\r\n", 2).replace("\r\n", "\r", 1),
        WHOLE.rstrip("\n"),
        WHOLE.encode("utf-8-sig"),
        WHOLE.encode("gb18030"),
        ("\ufeff" + WHOLE).encode("gb18030"),
        WHOLE.replace(",sex,", ',"sex",').replace("\n", "\n\n"),
    ],
)
def test_line_ends_marks_and_blank_lines_are_notation(bench, content):
    """Line ends, byte order marks and blank lines do not change the two accounts."""
    mapping, source = bench.path / "forum.toml", bench.path / "forum.csv"
    mapping.write_text(MAPPING)
    source.write_bytes(content if isinstance(content, bytes) else content.encode())
    plan = bench.plan_of(mapping, source)
    assert [(line.uid, line.kind) for line in plan.lines()] == [("1", "auto"), ("2", "auto")]


def test_a_rare_character_of_four_bytes_does_not_turn_the_encoding(bench):
    """Names of real people have four-byte characters of GB18030, beside thousands of common ones."""
    mapping, source = bench.path / "forum.toml", bench.path / "forum.csv"
    mapping.write_text(MAPPING)
    source.write_bytes(lines(row(1, "㐂𠮷王", A), SECOND).encode("gb18030"))
    bench.apply(bench.plan_of(mapping, source))
    assert sorted(p[2].partition('"name":"')[2][:2] for p in bench.meaning()[0]) == sorted(["㐂𠮷", "王芳"])


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (('key = "id"', ""), "source.key"),
        (('key = "id"', "key = 7"), "source.key"),
        (('key = "id"', 'key = "id"\nexpect_rows = ["many", 3]'), "source.expect_rows.0"),
        (('key = "id"', 'key = "id"\nexpect_rows = [9, 3]'), "source.expect_rows"),
        (('key = "id"', 'key = "id"\ndelimiter = ",,"'), "source.delimiter"),
        (('key = "id"', 'key = "id"\ndelimiter = "\\n"'), "source.delimiter"),
        (('key = "id"', 'key = "id"\ndelimiter = \'"\''), "source.delimiter"),
        (('key = "id"', 'key = "id"\nencoding = "utf-16"'), "source.encoding"),
        (('key = "id"', 'key = "id"\ncolour = 1'), "source.colour"),
        (('id_no = "number"', 'id_no = ["number"]'), "fields.id_no"),
        (('salt = "d"', 'salt = "d", hint = "x"'), "password.tests.0.hint"),
        (('password = "abc"', "password = 123"), "password.tests.0.password"),
        (('password = "abc"', 'password = "abd"'), "password.tests[0]"),
        (('hash = "e2fc', 'hash = "e3fc'), "password.tests[0]"),
        (("tests = [{", "# tests = [{"), "password.tests"),
        (('recipe = "hex(md5(p+s))"', ""), "password.recipe"),
        (('recipe = "hex(md5(p+s))"', 'recipe = "hex(md4(p+s))"'), "password.recipe"),
        (("[system]", "[system"), "file"),
        (("[system]", "deep = " + "[" * 3000 + "\n[system]"), "file"),
    ],
)
def test_a_wrong_mapping_is_refused_by_file_and_key(yitong, write, tmp_path, change, key):
    """Exit code 2, the key, the cause and the cure; no traceback, and no known password or hash repeated."""
    assert change[0] in MAPPING
    mapping = write("forum.toml", MAPPING.replace(*change, 1))
    answer = yitong("plan", mapping, write("forum.csv", WHOLE), "--out", tmp_path / "plans")
    assert answer.exit_code == 2, answer.output
    assert answer.stderr.startswith(f"mapping_refused: forum.toml, {key}: ")
    assert len(answer.stderr.partition("→ ")[2]) > 10
    assert "fc714c47" not in answer.output
    assert not (tmp_path / "plans").exists()


def test_a_place_that_cannot_be_written_ends_without_a_traceback(yitong, write, tmp_path):
    """The operator can cure a full or closed disk, so it is reported like any other fault."""
    taken = write("plans", "a file, not a directory")
    answer = yitong("plan", write("forum.toml", MAPPING), write("forum.csv", WHOLE), "--out", taken / "below")
    assert answer.exit_code == 1
    assert answer.stderr.startswith("file: ")
    assert "→ " in answer.stderr
