from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from accounts.authentication import PasswordAuthentication
from accounts.credentials.password import PasswordHasher
from accounts.credentials.throttle import Limit, Limits, Throttle
from accounts.merging.linking import Linking
from accounts.people import People
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
        actor="operator:tester",
        persons_changed=lambda c, persons, now: ended.extend(persons),
    )
    return lambda *arguments: CliRunner().invoke(merge, [str(a) for a in arguments], obj=here)


@pytest.fixture
def log_in(bench):
    hasher = PasswordHasher(memory_kib=8, passes=1, wait=timedelta(seconds=5))
    many = Limit(1000, timedelta(minutes=1))
    throttle = Throttle(Limits(pair=many, again=many, source=many, newcomer=many, stranger=many))
    door = PasswordAuthentication(People(bench.vault), hasher, throttle, Linking(bench.vault))

    def attempt(name, password):
        return door.authenticate(
            bench.database, name, password, source="192.0.2.1", channel="web", now=bench.clock()
        ).person_id

    return attempt
