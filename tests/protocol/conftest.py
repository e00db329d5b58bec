"""What protocol tests share."""

import pytest

from tests.protocol.desk import Desk


@pytest.fixture
def desk(database, vault, clock) -> Desk:
    """A provider with keys and one citizen, on SQLite and on PostgreSQL."""
    return Desk(database, vault, clock)
