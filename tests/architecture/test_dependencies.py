import re

import pytest

from tests.architecture.tracked import text_of, tracked

NAME = re.compile(r"^([A-Za-z][A-Za-z0-9._-]*)", re.MULTILINE)
HEADING = re.compile(r"^### (.+)$", re.MULTILINE)


def direct():
    return sorted({name for file in tracked("requirements/*.in") for name in NAME.findall(text_of(file))})


@pytest.mark.parametrize("dependency", direct())
def test_every_direct_dependency_is_explained(dependency):
    """Every dependency has a reason, a licence and a way out."""
    text = text_of("docs/dependencies.md")
    sections = dict(zip(HEADING.findall(text), HEADING.split(text)[2::2], strict=True))
    assert dependency in sections
    assert all(word in sections[dependency] for word in ("Why:", "Licence:", "Way out:"))


def test_no_explained_dependency_is_gone():
    """The page lists only current dependencies."""
    assert set(HEADING.findall(text_of("docs/dependencies.md"))) <= set(direct())


@pytest.mark.parametrize("lock", tracked("requirements/*.txt"))
def test_every_locked_package_has_a_hash(lock):
    """The installed packages are the reviewed ones, byte for byte."""
    packages = re.split(r"^(?=[A-Za-z0-9])", text_of(lock), flags=re.MULTILINE)[1:]
    assert packages
    assert [package.partition(" ")[0] for package in packages if "--hash=sha256:" not in package] == []
