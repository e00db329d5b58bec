"""A city prepared by the commands of the how-to, and one fixture for each kind of plan."""

import base64
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.conformance.suite import ISSUER, Module, configuration, prepared
from tests.conftest import Clock
from tests.fixtures.site import Site

STATIC, DYNAMIC = "static-client", "dynamic-client"
PLANS = [(config, form_post) for form_post in (False, True) for config in (STATIC, DYNAMIC)]


def _id(plan: tuple[str, bool]) -> str:
    return f"{plan[0]}-{'form_post' if plan[1] else 'query'}"


@pytest.fixture
def site(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A provider at a public https origin, and the environment in which `yitong` works on its database."""
    key = f"test:{base64.b64encode(secrets.token_bytes(32)).decode()}"
    chosen = {
        "ENVIRONMENT": "test",
        "ENV_FILE": "",
        "ISSUER": ISSUER,
        "DATABASE_URL": database_url,
        "VAULT_KEYS": key,
        "ARGON2_MEMORY_KIB": "8",
        "ARGON2_PASSES": "1",
    }
    for name, value in chosen.items():
        monkeypatch.setenv(f"YITONG_{name}", value)
    made = Site(database_url, Clock(datetime.now(UTC)), issuer=ISSUER, settings={"vault_keys": key})
    yield made
    made.database.close()


@pytest.fixture
def told(site: Site) -> dict[str, str]:
    """The output of the how-to's commands, after running them."""
    return prepared()


def _module(request: pytest.FixtureRequest, site: Site, told: dict[str, str]) -> Iterator[Module]:
    config, form_post = request.param
    name = request.node.originalname.removeprefix("test_").replace("_", "-")
    made = Module(name, site, configuration(config, told), form_post)
    yield made
    made.leave()


@pytest.fixture(params=PLANS, ids=_id)
def module(request: pytest.FixtureRequest, site: Site, told: dict[str, str]) -> Iterator[Module]:
    """A module of the Basic and Form Post plans, with either kind of client, named after its test."""
    yield from _module(request, site, told)


@pytest.fixture(params=[plan for plan in PLANS if plan[0] == DYNAMIC], ids=_id)
def registering(request: pytest.FixtureRequest, site: Site, told: dict[str, str]) -> Iterator[Module]:
    """A module of those plans for self-registering clients only."""
    yield from _module(request, site, told)


@pytest.fixture(params=[plan for plan in PLANS if not plan[1]], ids=_id)
def leaving(request: pytest.FixtureRequest, site: Site, told: dict[str, str]) -> Iterator[Module]:
    """A module of the logout plans."""
    yield from _module(request, site, told)
