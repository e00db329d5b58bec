from collections.abc import Iterator

import pytest

from tests.conftest import Clock
from tests.fixtures.relying_party import Browser, RelyingParty
from tests.fixtures.site import Site


@pytest.fixture
def site(database_url: str, clock: Clock) -> Iterator[Site]:
    made = Site(database_url, clock)
    yield made
    made.database.close()


@pytest.fixture
def browser(site: Site) -> Browser:
    return Browser(site)


@pytest.fixture
def housing(site: Site) -> RelyingParty:
    return RelyingParty(site, site.register_client("housing"))


@pytest.fixture
def social(site: Site) -> RelyingParty:
    return RelyingParty(site, site.register_client("social"))
