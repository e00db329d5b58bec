import tomllib

from tests.architecture.tracked import text_of


def test_the_licence_is_there_and_named_where_tools_look():
    """The licence is one file at the top, and the package metadata names the same licence."""
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    assert (project["license"], project["license-files"]) == ("Apache-2.0", ["LICENSE"])
    text = text_of("LICENSE")
    assert "Apache License" in text[:200]
    assert "Version 2.0, January 2004" in text[:200]
    assert "END OF TERMS AND CONDITIONS" in text


def test_readers_and_contributors_are_told():
    """The readme and the contributor's page link to the licence."""
    assert all("(LICENSE)" in text_of(page) for page in ("README.md", "CONTRIBUTING.md"))
