"""docs/how-to/extend.md is applied: with all files the checks pass, without any one of them a check names it."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

import pytest

from tests.architecture.tracked import text_of
from tests.extend.recipes import PAGE, Recipe, Row, read
from tests.extend.trees import CHECKS, GENERATED, TOOLS, Tree, file_of

RECIPES = read(text_of(PAGE))
ROWS = [row for recipe in RECIPES for row in recipe.rows]
Done = subprocess.CompletedProcess[str]
TREES = 2  # the number of checks at once: a small machine has two cores
pytestmark = pytest.mark.timeout(1800)  # the first test waits for all runs before it in the queue


class Runs:
    """All runs that this file needs, started at once; each test waits for its own."""

    def __init__(self, tree: Tree, trees: list[Tree]) -> None:
        self.free: SimpleQueue[Tree] = SimpleQueue()
        for each in trees:
            self.free.put(each)
        self.changed = tree.changed()
        self.pool = ThreadPoolExecutor(TREES)
        self.tools = self.pool.submit(self.all_tools, tree)
        self.tests = self.pool.submit(self.all_tests, tree)
        self.without: dict[Row, Future[Done]] = {row: self.pool.submit(self.one_left_out, row) for row in ROWS}

    def all_tools(self, tree: Tree) -> tuple[Done, ...]:
        sources = sorted(name for name in self.changed if name.endswith(".py"))
        formatting, lint = ("ruff", "format", "--check", *sources), ("ruff", "check", *sources)
        return tuple(tree.run(TOOLS / tool, *more) for tool, *more in (formatting, lint, ("mypy",), ("lint-imports",)))

    def all_tests(self, tree: Tree) -> Done:
        tests = sorted({test for recipe in RECIPES for test in recipe.tests})
        return tree.run(sys.executable, "-m", "pytest", "-q", "-k", "not postgresql", *CHECKS, *tests)

    def one_left_out(self, row: Row) -> Done:
        tree = self.free.get()
        try:
            tree.leave_out(row, RECIPES)
            return tree.check(row.check)
        finally:
            tree.put_back(row)
            self.free.put(tree)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    folder = tmp_path_factory.mktemp("extend")
    tree = Tree.of_the_repository(folder / "whole")
    tree.carry_out(RECIPES)
    made = Runs(tree, [tree.copy(folder / f"part-{n}") for n in range(TREES)])
    yield made
    made.pool.shutdown(cancel_futures=True)


def test_the_page_has_the_five_recipes():
    """All five recipes are read from the page; otherwise the other tests would prove nothing."""
    assert [recipe.name for recipe in RECIPES] == [
        f"Add a {x}" for x in ("claim", "reader", "grant", "page", "channel")
    ]
    assert len(ROWS) > 30


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_table_lists_every_file_that_the_steps_change(recipe: Recipe):
    """Every file that a step changes is in the table, and every row of the table has a step."""
    made = {path for row in recipe.rows for path in row.paths if path.endswith((*GENERATED, ".png"))}
    assert {step.path for step in recipe.steps} | made == {path for row in recipe.rows for path in row.paths}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.recipe}-{row.check}")
def test_the_named_check_is_part_of_make_check(row: Row):
    """`make check` reports a missing file; none of these checks waits for the long run."""
    assert row.check == "mypy" or file_of(row.check).startswith(CHECKS)


def test_nothing_but_the_listed_files_changes(runs: Runs):
    """The tables also list what `make docs` rewrites."""
    assert runs.changed == {path for row in ROWS for path in row.paths}


def test_with_every_file_style_types_and_imports_are_right(runs: Runs):
    """The examples pass ruff, mypy and the import rules of this project."""
    for done in runs.tools.result():
        assert done.returncode == 0, done.stdout[-3000:]


def test_with_every_file_checks_and_new_tests_are_green(runs: Runs):
    """With all five recipes applied, the checks and the tests that the recipes name pass."""
    done = runs.tests.result()
    assert done.returncode == 0, done.stdout[-6000:]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.recipe}: {row.path}")
def test_a_file_left_out_is_named(runs: Runs, row: Row):
    """The check of the table fails, and its output says what is missing."""
    done = runs.without[row].result()
    assert done.returncode != 0, f"{row.check} stays silent without {row.path}"
    assert row.named in done.stdout, done.stdout[-3000:]
