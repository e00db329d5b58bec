from collections.abc import Iterator

import pytest

from tests.conftest import Clock
from tests.fixtures.builders import City
from tests.fixtures.relying_party import Browser, RelyingParty


@pytest.fixture
def city(database_url: str, clock: Clock) -> Iterator[City]:
    made = City(database_url, clock)
    yield made
    made.database.close()


@pytest.fixture
def browser(city: City) -> Browser:
    return Browser(city)


@pytest.fixture
def housing(city: City) -> RelyingParty:
    return RelyingParty(city, city.system("housing"))


@pytest.fixture
def social(city: City) -> RelyingParty:
    return RelyingParty(city, city.system("social"))
