import ast

import pytest

from tests.architecture.tracked import text_of, tracked

HISTORY = ":!idp/migrations/versions"  # a revision lists tables; it is written by a tool and never edited
PRODUCT = ("accounts/*.py", "idp/*.py", "migration_tools/*.py", "wsgi.py", HISTORY)
FILE_LINES, TEST_FILE_LINES = 400, 500  # a test file holds its tables of cases
FUNCTION_LINES, USUAL_FUNCTION_LINES = 60, 50


def functions(name):
    tree = ast.parse(text_of(name))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def lines(node):
    return node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("name", tracked("*.py", HISTORY))
def test_a_file_has_one_subject(name):
    """A file longer than four hundred lines has a second subject that needs its own file."""
    assert len(text_of(name).splitlines()) <= (TEST_FILE_LINES if name.startswith("tests/") else FILE_LINES)


@pytest.mark.parametrize("name", tracked(*PRODUCT))
def test_no_function_outgrows_a_screen(name):
    """A function of more than sixty lines should be several."""
    assert [node.name for node in functions(name) if lines(node) > FUNCTION_LINES] == []


def test_nine_functions_in_ten_are_short():
    """At most one function in ten is long."""
    sizes = [lines(node) for name in tracked(*PRODUCT) for node in functions(name)]
    assert sum(size <= USUAL_FUNCTION_LINES for size in sizes) >= 0.9 * len(sizes)
