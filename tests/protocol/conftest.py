"""Fixtures that the protocol tests share."""

import pytest

from tests.fixtures.city import City


@pytest.fixture
def city(database, vault, clock) -> City:
    """A provider with keys and one citizen, on SQLite and on PostgreSQL."""
    return City(database, vault, clock)
