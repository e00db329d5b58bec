"""Copies of the repository in which recipes are applied and checks are run."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.architecture.tracked import ROOT, text_of, tracked
from tests.extend.recipes import MESSAGE, Recipe, Row

CHECKS = ("tests/architecture", "tests/journeys/test_pages_catalogues.py")  # of `make check`
SAMPLE = "login-wrong"  # its pictures replace those of a new page, which need a browser
GENERATED = (".mo", "/cli.md")  # `make docs` writes them
TOOLS = Path(sys.executable).parent


@dataclass
class Tree:
    """One copy, and the content of its files before the recipes."""

    root: Path
    before: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def of_the_repository(cls, root: Path) -> "Tree":
        """A copy of every tracked file, in its own git repository: the checks ask git for the files."""
        for name in tracked():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
        if (ROOT / ".mypy_cache").is_dir():
            shutil.copytree(ROOT / ".mypy_cache", root / ".mypy_cache")
        made = cls(root)
        made.git("init", "-q")
        made.git("add", "-A")
        made.git("-c", "user.name=t", "-c", "user.email=t@example.cn", "commit", "-q", "-m", "before")
        return made

    def copy(self, root: Path) -> "Tree":
        """Another tree with the same content."""
        shutil.copytree(self.root, root, symlinks=True)
        return Tree(root, self.before)

    def carry_out(self, recipes: tuple[Recipe, ...]) -> None:
        """Applies all steps of all recipes, as on the page."""
        for name in {path for recipe in recipes for row in recipe.rows for path in row.paths}:
            if (self.root / name).exists():
                self.before[name] = (self.root / name).read_bytes()
        for translations in (False, True):
            for recipe in recipes:
                for step in recipe.steps:
                    if step.is_translation == translations:
                        self.write(step.path, step.change(self.text(step.path)))
            self.make_docs()
        for recipe in recipes:
            for path in (path for row in recipe.rows for path in row.paths if path.endswith(".png")):
                shutil.copy2(self.root / f"docs/screenshots/{SAMPLE}-{path.rpartition('-')[2]}", self.root / path)
        self.git("add", "-A")

    def make_docs(self) -> None:
        """Does what `make docs` does; fails while a text is not translated."""
        self.run(sys.executable, "scripts/build-docs")

    def leave_out(self, row: Row, recipes: tuple[Recipe, ...]) -> None:
        """Restores the files of that row to what they would be without it."""
        for path in row.paths:
            now = self.text(path) if not path.endswith((".mo", ".png")) else ""
            if path not in self.before:
                (self.root / path).unlink()
            elif path.endswith(".po"):
                self.write(path, _untranslated(now, row, recipes))
            elif path.endswith(GENERATED):
                (self.root / path).write_bytes(self.before[path])
            else:
                text = self.before[path].decode()
                for recipe in recipes:
                    for step in recipe.steps:
                        if step.path == path and recipe.name != row.recipe:
                            text = step.change(text)
                self.write(path, text)

    def put_back(self, row: Row) -> None:
        """Restores the complete files of that row."""
        self.git("checkout", "-q", "--", *row.paths)

    def check(self, name: str) -> subprocess.CompletedProcess[str]:
        """Runs the check of that name: a tool of `make check`, or one of its tests."""
        if name == "mypy":
            return self.run(TOOLS / "mypy")
        return self.run(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", file_of(name))

    def text(self, path: str) -> str:
        file = self.root / path
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def git(self, *arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=self.root, check=True, capture_output=True, text=True).stdout

    def changed(self) -> set[str]:
        """Every file that the recipes changed or made."""
        return set(self.git("diff", "--cached", "--name-only").split())

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Runs the command in this tree; its output is one text."""
        environment = {**os.environ, "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            command,
            cwd=self.root,
            env=environment,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )


def file_of(test: str) -> str:
    """`tests/architecture/test_x.py::<test>`, for a test that `make check` runs."""
    files = [name for name in tracked(*(f"{check}*" for check in CHECKS)) if f"def {test}(" in text_of(name)]
    assert len(files) == 1, f"{test} is no check of `make check`"
    return f"{files[0]}::{test}"


def _untranslated(now: str, row: Row, recipes: tuple[Recipe, ...]) -> str:
    """The catalogue without the translations of that recipe."""
    for step in (step for recipe in recipes for step in recipe.steps if recipe.name == row.recipe):
        if step.is_translation:
            for source, translation in MESSAGE.findall(step.text):
                now = now.replace(f"{source}\n{translation}\n", f'{source}\nmsgstr ""\n')
    return now
