from collections.abc import Callable
from pathlib import Path

import pytest

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
