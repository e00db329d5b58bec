"""The contract of every reader, and what each of them refuses."""

import random
from dataclasses import replace

import pytest

from migration_tools import readers
from migration_tools.errors import SourceRefused
from migration_tools.mapping import load
from migration_tools.readers import FORMATS
from tests.migration.bench import HEADER, LEGACY, MAPPING, generator, number
from tests.migration.faulty import LDIF
from tests.migration.formats import SAMPLES

DEMONSTRATION = {"forum": (LEGACY / "forum.csv", 202), "library": (LEGACY / "library.ldif", 60)}
ROWS = 20


def export(write, kind, order=range(ROWS)):
    """The format's sample rows in that order, as read."""
    sample = SAMPLES[kind]
    source = write(f"export.{kind}", sample.head + "".join(map(sample.row, order)))
    return list(readers.read(source, load(write("m.toml", sample.mapping), FORMATS)))


@pytest.mark.parametrize("kind", FORMATS)
def test_reading_twice_gives_the_same_and_every_row(write, kind):
    """A reader is repeatable, numbers its rows from 1, and loses none."""
    first, second = export(write, kind), export(write, kind)
    assert first == second
    assert [(a.row, a.uid, a.number) for a in first] == [(i + 1, str(i), number(100 + i)) for i in range(ROWS)]


@pytest.mark.parametrize("kind", FORMATS)
def test_the_order_of_the_rows_changes_no_account(write, kind):
    """A reader keeps no state from one row to the next."""
    order = random.Random(7).sample(range(ROWS), ROWS)
    first, second = (
        sorted(repr(replace(a, row=0)) + a.password + a.number for a in export(write, kind, each))
        for each in (range(ROWS), order)
    )
    assert first == second


@pytest.mark.parametrize("name", DEMONSTRATION)
def test_the_demonstrations_exports_are_read_whole(name):
    """The exports of the how-to are read with every row, by the mapping beside them."""
    source, rows = DEMONSTRATION[name]
    found = list(readers.read(source, load(LEGACY / f"{name}.toml", FORMATS)))
    assert [account.row for account in found] == list(range(1, rows + 1))


def test_the_committed_exports_are_what_the_generator_writes():
    """Generated data is not edited by hand."""
    for name, content in generator().files().items():
        assert (LEGACY / name).read_bytes() == content, name


def refused(write, content, mapping=MAPPING, name="forum.csv"):
    source = write(name, content)
    with pytest.raises(SourceRefused) as caught:
        list(readers.read(source, load(write("m.toml", mapping), FORMATS)))
    assert caught.value.cure
    return caught.value.cause


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("", "forum.csv, line 1: the file is empty"),
        ("id,login\n1,a\n", "forum.csv, line 1: no column birth, hash, name, number, salt, sex"),
        (f'{HEADER}\n1,"a,b,,,,,\n', "forum.csv, line 2: unexpected end of data"),
        (f"{HEADER},id\n1,a,b,,,,,,1\n", "forum.csv, line 1: a column name occurs twice"),
        (f"{HEADER}\n1,a,b\0,,,,,\n", "forum.csv, line 2: a NUL character"),
        (HEADER.encode() + b"\n1,\xff\xff,b,,,,,\n", "forum.csv, line 2: the text is not utf-8 or gb18030"),
    ],
)
def test_a_broken_csv_is_refused_by_line_and_reason(write, content, cause):
    """The department that exported the file can find the fault without us."""
    assert refused(write, content) == cause


def test_a_declared_encoding_is_not_guessed_around(write):
    """A file in another encoding than the mapping's is refused, not read as something else."""
    mapping = MAPPING.replace('key = "id"', 'key = "id"\nencoding = "utf-8"')
    assert "line 2: the text is not utf-8" in refused(write, f"{HEADER}\n1,a,李,,,,,\n".encode("gb18030"), mapping)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_csv_is_read_in_each_usual_encoding(write, encoding):
    """With or without a byte order mark, in UTF-8 or GB18030, a name is read the same."""
    source = write("forum.csv", f"{HEADER}\n1,a,㐂龙王,,,,,\n".encode(encoding))
    (account,) = readers.read(source, load(write("m.toml", MAPPING), FORMATS))
    assert (account.uid, account.name) == ("1", "㐂龙王")


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("dn: uid=a\nchangetype: modify\n", "l.ldif, line 2: a change record"),
        ("dn: uid=a\nuid: a\ndn: uid=b\n", "l.ldif, line 3: a dn inside a record"),
        ("dn: uid=a\nuid: a\n\nuid: b\n", "l.ldif, line 4: a record without dn"),
    ],
)
def test_a_broken_ldif_is_refused_by_line_and_reason(write, content, cause):
    """A directory export that may lack an entry is not read in part."""
    assert refused(write, content, LDIF, "l.ldif") == cause


def test_ldif_lines_fold_and_comments_do_not_count(write):
    """RFC 2849: a line that begins with a space continues the line before, also in base64 and comments."""
    content = "version: 1\n# a comment\n that goes on\ndn: uid=a\nuid: a\ncn;lang-zh:: 5p2O\n 5piO\nphoto:: /9j/\n"
    (account,) = readers.read(write("l.ldif", content), load(write("m.toml", LDIF), FORMATS))
    assert (account.uid, account.name, account.login_name) == ("a", "李明", "a")
