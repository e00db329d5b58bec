import pytest

from migration_tools.errors import MappingRefused
from migration_tools.mapping import load
from migration_tools.readers import FORMATS
from tests.migration.bench import MAPPING


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('id = "forum"', 'id = "Forum 1"'), "system.id"),
        (('key = "id"', ""), "source.key: Field required"),
        (('key = "id"', 'key = "id"\ncolour = 1'), "source.colour: Extra inputs are not permitted"),
        (('"csv"', '"dbf"'), "source.format"),
        (('salt = "d"', 'salt = "e"'), "password.tests[0]: the recipe does not verify this pair"),
        (('"hex(md5(p+s))"', '"hex(md5(s+p))"'), "password.tests[0]: the recipe does not verify this pair"),
        (('"hex(md5(p+s))"', '"__import__(s)"'), "password.recipe: not a recipe"),
        (('salt = "salt"', ""), "password.salt: the recipe uses s"),
        (("tests = [", "tests = []\nother = ["), "password.tests"),
        (("[system]", "[system"), "file:"),
        (("[fields]", '[subject]\nlegacy_sub = "login"\n[fields]'), "subject.legacy_sub"),
    ],
)
def test_a_mapping_that_says_too_little_is_refused_by_key_with_a_cure(write, change, told):
    """The error names the file, the key and what to write instead."""
    assert change[0] in MAPPING
    with pytest.raises(MappingRefused) as refused:
        load(write("forum.toml", MAPPING.replace(*change, 1)), FORMATS)
    assert refused.value.cause.startswith("forum.toml, ")
    assert told in refused.value.cause
    assert refused.value.cure


def test_a_password_column_without_known_pairs_is_refused(write):
    """An untested recipe would lock every person out at the first login."""
    cut = MAPPING[: MAPPING.index("tests =")]
    with pytest.raises(MappingRefused, match=r"password\.tests"):
        load(write("forum.toml", cut), FORMATS)


def test_a_mapping_that_is_no_text_is_refused(write):
    """A wrong file on the command line gets an error message, not a traceback."""
    with pytest.raises(MappingRefused, match="not UTF-8"):
        load(write("forum.toml", b"\xff\xfe\x00"), FORMATS)


def test_an_unknown_format_is_refused_with_the_list_of_formats(write):
    """The error lists the known formats."""
    with pytest.raises(MappingRefused) as refused:
        load(write("forum.toml", MAPPING.replace('"csv"', '"xlsx"')), FORMATS)
    assert refused.value.cause == f"forum.toml, source.format: no reader for it; there are {', '.join(FORMATS)}"
    assert refused.value.cure.startswith("Use one of the formats named")


@pytest.mark.parametrize("name", FORMATS)
def test_every_reader_can_be_named_by_a_mapping(write, name):
    """A reader in READERS is a format at once; there is no second list."""
    assert load(write("forum.toml", MAPPING.replace('"csv"', f'"{name}"')), FORMATS).source.format == name
