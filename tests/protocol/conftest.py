"""What protocol tests share."""

import pytest

from tests.protocol.city import City, build
from tests.protocol.desk import Desk


@pytest.fixture
def desk(database, vault, clock) -> Desk:
    """A provider with keys and one citizen, on SQLite and on PostgreSQL."""
    return Desk(database, vault, clock)


@pytest.fixture
def city(database, vault, clock) -> City:
    """A provider with one relying system, on SQLite and on PostgreSQL."""
    made = build(database, vault, clock)
    made.registers()
    return made
