"""One browser for each test file: while it runs, its thread can run no other event loop."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.fixtures.chromium import launched


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser
