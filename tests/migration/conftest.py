from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from migration_tools.commands import merge
from tests.migration.bench import Bench


@pytest.fixture
def bench(database, vault, clock, tmp_path) -> Bench:
    return Bench(database, vault, clock, tmp_path)


@pytest.fixture
def write(tmp_path) -> Callable[[str, str | bytes], Path]:
    def written(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


@pytest.fixture
def ended():
    return []


@pytest.fixture
def yitong(bench, ended):
    here = SimpleNamespace(
        database=bench.database,
        vault=bench.vault,
        now=bench.clock(),
        persons_changed=lambda c, persons, now: ended.extend(persons),
    )
    return lambda *arguments: CliRunner().invoke(merge, [str(a) for a in arguments], obj=here)
