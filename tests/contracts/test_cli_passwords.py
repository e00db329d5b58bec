import hashlib

import pytest
import sqlalchemy as sa

from accounts.audit import audit_events
from accounts.credentials.password_rules.history import password_profiles
from accounts.database import Statement
from tests.fixtures.site import citizen_number


@pytest.fixture
def word_list(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("river-and-lamp-9\nbamboo-and-mist-7\n")
    return path


def test_the_list_is_built_from_files_and_the_standard_input(yitong, tmp_path, word_list):
    """Words from a file and hashes from a pipe become one list, and the command says how many."""
    piped = f"{hashlib.sha1(b'piped-and-mist-7').hexdigest()}:12\n"
    done = yitong("passwords", "build-list", str(word_list), "-", "-o", str(tmp_path / "list"), typed=piped)
    assert done.exit_code == 0, done.output
    assert "3 passwords from 3 lines" in done.output


def test_check_says_which_list_is_active(yitong, tmp_path, word_list, monkeypatch):
    """An operator sees how many passwords the list has and when it was built, or that there is none."""
    monkeypatch.setenv("YITONG_DATABASE_URL", f"sqlite:///{tmp_path / 'city.db'}")
    assert yitong("db", "upgrade").exit_code == 0
    assert "no breach list" in yitong("check").output
    yitong("passwords", "build-list", str(word_list), "-o", str(tmp_path / "list"))
    monkeypatch.setenv("YITONG_BREACH_LIST", str(tmp_path / "list"))
    assert "breach list: 2 passwords, built 20" in yitong("check").output


def test_a_damaged_list_refuses_the_start(yitong, tmp_path, monkeypatch):
    """`yitong check` fails with the code and the cure when the list that the settings name is not whole."""
    (tmp_path / "list").write_bytes(b"YTBREACH")
    monkeypatch.setenv("YITONG_BREACH_LIST", str(tmp_path / "list"))
    done = yitong("check")
    assert done.exit_code != 0
    assert "Build the list again" in done.output.replace("\n", " ")


def test_what_cannot_be_read_is_refused_with_a_cure(yitong, tmp_path, word_list):
    """A missing source, a missing folder and a list of other hashes end with a code and a cure, and write nothing."""
    into = str(tmp_path / "list")
    missing = yitong("passwords", "build-list", str(tmp_path / "nothing"), "-o", into)
    nowhere = yitong("passwords", "build-list", str(word_list), "-o", str(tmp_path / "no" / "list"))
    assert [done.exit_code for done in (missing, nowhere)] == [1, 1]
    assert all("breach_list_not_built" in done.output for done in (missing, nowhere))
    word_list.write_text("32ED87BDB5FDC5E9CBA88547376818D4:5\n")
    other = yitong("passwords", "build-list", str(word_list), "-o", into)
    assert other.exit_code == 1
    assert "breach_source_refused" in other.output
    assert not (tmp_path / "list").exists()


def test_a_persons_profile_is_set_and_recorded(yitong, database):
    """The number is asked for; the profile holds, the audit has it once, and a second time changes nothing."""
    number, secret = citizen_number(7), "lantern-river-orange-47"
    added = yitong("people", "add", typed=f"李建国\n{number}\n\n\n\n{secret}\n{secret}\n")
    assert added.exit_code == 0, added.output
    first, again = (yitong("passwords", "profile", "mlps3", typed=f"{number}\n") for _ in range(2))
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "nothing was changed" in again.output
    c = database.connection()
    assert [row.profile for row in c.rows(Statement(sa.select(password_profiles.c.profile)))] == ["mlps3"]
    written = Statement(sa.select(audit_events.c.event).where(audit_events.c.event.like("administrator:password%")))
    assert len(c.rows(written)) == 1
    assert yitong("passwords", "profile", "citizen", typed=f"{number}\n").exit_code == 0
    assert c.rows(Statement(sa.select(password_profiles.c.profile))) == []
