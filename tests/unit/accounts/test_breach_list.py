import hashlib
import random
from datetime import UTC, datetime

import pytest

from accounts.credentials.password_rules import breach_list, breach_list_building
from accounts.credentials.password_rules.blocklist import LIST
from accounts.credentials.password_rules.breach_list import (
    HEADER,
    WIDTH,
    BreachList,
    BreachListRefused,
    CompromisedPasswords,
)
from accounts.credentials.password_rules.breach_list_building import SourceNotReadable, build

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
WORDS = [f"word-{i}" for i in range(3000)]


def lines(words):
    return [f"{word}\n".encode() for word in words]


def hashes(words):
    return [f"{hashlib.sha1(word.encode()).hexdigest().upper()}:{i + 1}\r\n".encode() for i, word in enumerate(words)]


def built(tmp_path, *sources, piece=500):
    made = build(sources, tmp_path / "list", now=NOW, piece=piece)
    return made, BreachList(tmp_path / "list")


@pytest.mark.parametrize("as_lines", [lines, hashes])
@pytest.mark.parametrize("piece", [7, 500, 10_000])
def test_every_word_is_found_and_no_other(tmp_path, as_lines, piece):
    """Words and Pwned-Passwords lines build the same list, however small the sorted pieces are."""
    made, listed = built(tmp_path, as_lines(WORDS), piece=piece)
    assert (made.lines, made.records, listed.count, listed.built_at) == (3000, 3000, 3000, NOW)
    assert all(word in listed for word in WORDS)
    assert not any(f"{word}~" in listed for word in WORDS)


def test_the_file_is_sorted_and_each_record_is_there_once(tmp_path):
    """Repeated and unsorted sources give one ascending file, the same whatever their order."""
    shuffled = random.Random(1).sample(WORDS, len(WORDS))
    made, _ = built(tmp_path, lines(WORDS), hashes(shuffled), lines(WORDS[:100]))
    body = (tmp_path / "list").read_bytes()[HEADER:]
    records = [body[i : i + WIDTH] for i in range(0, len(body), WIDTH)]
    assert (made.lines, made.records) == (6100, 3000)
    assert records == sorted({breach_list.digest(word) for word in WORDS})


def test_a_sorted_source_is_one_piece(tmp_path):
    """The public list ordered by hash is only copied: its pieces are joined before the merge."""
    records = sorted(breach_list.digest(word) for word in WORDS)
    with (tmp_path / "scratch").open("w+b") as scratch:
        pieces = breach_list_building._Pieces(scratch)
        pieces.fill(iter(records), 10)
        assert len(pieces._bounds) == 2
        assert list(pieces.merged()) == records


def test_both_spellings_of_one_password_are_one(tmp_path):
    """Full-width and composed forms count as the password that NFKC makes of them, in sources and in questions."""
    _, listed = built(tmp_path, lines(["ｐａｓｓ-word", "café"]))
    assert "pass-word" in listed
    assert "ｐass-word" in listed
    assert "cafe\u0301" in listed


def test_bytes_that_are_no_text_do_not_stop_the_build(tmp_path):
    """Leaked lists are dirty: such a line is counted as it is, and an empty one is left out."""
    made, listed = built(tmp_path, [b"\xff\xfe\n", b"\n", b"\r\n", b"good word\n", b"last line without an end"])
    assert made.records == 3
    assert "good word" in listed
    assert "last line without an end" in listed
    assert "" not in listed


def test_a_list_of_the_wrong_hashes_is_refused(tmp_path):
    """The NTLM edition would build a list in which nothing is ever found; the old list stays."""
    built(tmp_path, lines(WORDS))
    before = (tmp_path / "list").read_bytes()
    with pytest.raises(SourceNotReadable):
        build([[b"32ED87BDB5FDC5E9CBA88547376818D4:5\n"]], tmp_path / "list", now=NOW)
    assert (tmp_path / "list").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["list"]


def test_a_build_that_fails_at_the_end_leaves_the_old_list(tmp_path, monkeypatch):
    """A full disk in the last step leaves the old list, and no other file."""
    built(tmp_path, lines(WORDS))

    def fails(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(OSError, match="No space"):
        build([lines(["other"])], tmp_path / "list", now=NOW)
    assert "word-1" in BreachList(tmp_path / "list")
    assert [path.name for path in tmp_path.iterdir()] == ["list"]


def test_an_empty_list_holds_nothing(tmp_path):
    """A list without records is a list."""
    _, listed = built(tmp_path, [])
    assert listed.count == 0
    assert "" not in listed


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:40],
        lambda data: data[:-1],
        lambda data: data + bytes(WIDTH),
        lambda data: b"X" + data[1:],
        lambda data: data[:20] + b"\x01" + data[21:],
        lambda data: data[:70].replace(b"YTBREACH", b"SOMETHIN") + data[70:],
    ],
    ids=["empty", "cut in the header", "cut", "longer", "foreign", "count changed", "magic changed"],
)
def test_a_damaged_file_is_refused_when_it_is_opened(tmp_path, damage):
    """A truncated, foreign or changed file is never searched as if it were whole."""
    built(tmp_path, lines(WORDS))
    path = tmp_path / "list"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BreachListRefused):
        BreachList(path)


def test_a_file_of_a_later_version_is_refused(tmp_path):
    """A valid header of another version names the versions."""
    fields = breach_list._FIELDS.pack(breach_list.MAGIC, 2, WIDTH, 0, 0, 0)
    (tmp_path / "list").write_bytes(fields + hashlib.sha256(fields).digest())
    with pytest.raises(BreachListRefused, match="version 2"):
        BreachList(tmp_path / "list")


def test_a_missing_file_is_refused(tmp_path):
    """A path that names nothing stops the start instead of checking nothing."""
    with pytest.raises(BreachListRefused, match="cannot be read"):
        BreachList(tmp_path / "nothing")


def test_compromised_are_both_lists(tmp_path):
    """What guessers know is the built-in list, in any case of letters, and the breach list."""
    _, listed = built(tmp_path, lines(["river-and-lamp-9"]))
    common = LIST.read_text().splitlines()[0]
    for known in (common, common.upper(), "river-and-lamp-9"):
        assert known in CompromisedPasswords(listed)
    assert "river-and-lamp-9" not in CompromisedPasswords()
    assert "another-lamp-and-river-9" not in CompromisedPasswords(listed)
