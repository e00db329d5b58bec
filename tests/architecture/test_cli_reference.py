import re
import subprocess
import sys
from pathlib import Path

import click

from idp.cli import main
from tests.architecture.tracked import text_of, tracked

ROOT = Path(__file__).parents[2]
WORD = r"[a-z]+(?:-[a-z]+)*"
NAMED = re.compile(rf"`(?:\.venv/bin/python -m idp\.cli|yitong) ((?:{WORD} )*{WORD})")


def commands(group=main, path=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def test_the_reference_is_fresh():
    """docs/reference/cli.md matches the commands; run scripts/docs-cli."""
    command = [sys.executable, str(ROOT / "scripts" / "docs-cli"), "--check"]
    checked = subprocess.run(command, check=False, capture_output=True)
    assert checked.returncode == 0, checked.stderr.decode()


def test_every_option_says_what_it_is_for():
    """Every option has a help text."""
    silent = [
        f"{name} {param.opts[0]}"
        for name, command in commands()
        for param in command.params
        if isinstance(param, click.Option) and not param.help
    ]
    assert silent == []


def test_no_page_names_a_command_that_is_not_there():
    """Every command named on a page exists."""
    known = {name for name, _ in commands()}
    takes_words = {name for name, command in commands() if not isinstance(command, click.Group)}
    wrong = [
        (page, named)
        for page in tracked("docs/*.md", "README.md", "CHANGELOG.md", "SECURITY.md")
        for named in NAMED.findall(text_of(page))
        if named not in known and named.rpartition(" ")[0] not in takes_words
    ]
    assert wrong == []
