"""The recipes of docs/how-to/extend.md: their tables, and their steps as changes of files."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

PAGE = "docs/how-to/extend.md"
ROW = re.compile(r"^\| `(?P<path>[^`]+)` \| .+ \| `(?P<check>[^`]+)` \| `(?P<named>[^`]+)` \|$", re.MULTILINE)
STEP = re.compile(
    r"^(?:New file `(?P<new>[^`]+)`|At the end of `(?P<end>[^`]+)`|In `(?P<po>[^`]+)`, translate"
    r"|In `(?P<path>[^`]+)`, (?P<how>after|before|instead of) (?P<ticks>`+)(?P<line>.+?)(?P=ticks)):\n\n"
    r"```\w+\n(?P<text>.*?)```$",
    re.MULTILINE | re.DOTALL,
)
MESSAGE = re.compile(r"^(msgid .+)\n(msgstr .+)$", re.MULTILINE)
TESTS = re.compile(r"^.*Its tests: (.+)\.$", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """One change of one file. `change` returns the new text; translations wait for `make docs`."""

    path: str
    text: str
    change: Callable[[str], str]
    is_translation: bool = False


@dataclass(frozen=True)
class Row:
    """One file of a recipe's table: the check that fails without it, and the name in that check's output."""

    recipe: str
    path: str
    check: str
    named: str

    @property
    def paths(self) -> tuple[str, ...]:
        """`help-{zh,en}.png` is two files."""
        braces = re.search(r"\{(.+)\}", self.path)
        return tuple(self.path.replace(braces[0], each) for each in braces[1].split(",")) if braces else (self.path,)


@dataclass(frozen=True)
class Recipe:
    """How to add one thing."""

    name: str
    rows: tuple[Row, ...]
    steps: tuple[Step, ...]
    tests: tuple[str, ...] = field(default=())


def read(text: str) -> tuple[Recipe, ...]:
    """Every recipe of the page."""
    parts = re.split(r"^## (Add .+)$", text, flags=re.MULTILINE)[1:]
    return tuple(_recipe(name, part) for name, part in zip(parts[::2], parts[1::2], strict=True))


def _recipe(name: str, text: str) -> Recipe:
    rows = tuple(Row(name, found["path"], found["check"], found["named"]) for found in ROW.finditer(text))
    steps = tuple(map(_step, STEP.finditer(text)))
    assert text.count("\n```") == 2 * len(steps), f"{name}: a block that no step explains"
    return Recipe(name, rows, steps, tuple(re.findall(r"`([^`]+)`", TESTS.findall(text)[-1])))


def _step(found: re.Match[str]) -> Step:
    text = found["text"]
    if found["new"]:
        return Step(found["new"], text, lambda _: text)
    if found["end"]:
        return Step(found["end"], text, lambda old: old.rstrip("\n") + "\n" + text)
    if found["po"]:
        return Step(found["po"], text, lambda old: _translated(old, text), is_translation=True)
    return Step(found["path"], text, lambda old: _beside(old, found["how"], found["line"].strip(), text, found["path"]))


def _beside(old: str, how: str, anchor: str, text: str, path: str) -> str:
    """Puts the text after, before or instead of the first line that equals the anchor."""
    lines = old.splitlines(keepends=True)
    place = next((i for i, line in enumerate(lines) if line.strip() == anchor), None)
    assert place is not None, f"{PAGE}: {path} has no line {anchor}"
    lines[place : place + 1] = {
        "after": [lines[place], text],
        "before": [text, lines[place]],
        "instead of": [text],
    }[how]
    return "".join(lines)


def _translated(old: str, text: str) -> str:
    for source, translation in MESSAGE.findall(text):
        assert f'{source}\nmsgstr ""\n' in old, f"{PAGE}: the catalogue does not wait for {source}"
        old = old.replace(f'{source}\nmsgstr ""\n', f"{source}\n{translation}\n")
    return old
