import ast
import re
from pathlib import PurePath

import pytest

from tests.architecture.tracked import text_of, tracked

VAGUE = {"utils", "util", "helpers", "helper", "common", "core", "base", "manager", "managers", "misc"}
# Written in pieces, so that this file does not contain what it forbids.
PLACES = re.compile(
    "|".join(["/wo" + "rk/", "/tmp" + "/w/", "py" + r"pi\.org", "python" + "hosted", "npm" + r"js\.(org|com)"])
)


def test_no_module_has_a_vague_name():
    """A module with a vague name collects unrelated code."""
    assert [
        name for name in tracked("*.py") if VAGUE & {part.removesuffix(".py") for part in PurePath(name).parts}
    ] == []


@pytest.mark.parametrize("name", tracked())
def test_no_file_names_a_machine_or_a_registry(name):
    """A clone works anywhere: behind a mirror, and on any other machine."""
    assert PLACES.search(text_of(name)) is None


@pytest.mark.parametrize("name", tracked("tests/**/test_*.py"))
def test_every_test_says_which_truth_it_guards(name):
    """A newcomer reads a test's one sentence when it fails."""
    tree = ast.parse(text_of(name))
    tests = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")]
    assert [test.name for test in tests if not ast.get_docstring(test)] == []
