"""What strangers cause to be stored is limited, and is deleted within an hour after they stop."""

import threading
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from werkzeug.test import Client

from accounts.database import Statement, metadata
from idp.jobs import retention
from idp.migrations import load_tables
from idp.oidc.models import authorization_requests
from idp.oidc.requests import request_store
from idp.oidc.requests.request_store import MOST_FROM, MOST_OF_BROWSER
from tests.conftest import Clock
from tests.fixtures.relying_party import Browser, RelyingParty
from tests.fixtures.site import Site

load_tables()
MANY = 60
TEMPORARY = {"authorization_requests", "throttle_counters", "failed_logins", "one_time_codes", "sending_counters"}
GO_ON = threading.Event()
Stranger = Callable[[Site, RelyingParty, int], None]


@pytest.fixture
def site(database_url: str, clock: Clock) -> Iterator[Site]:
    made = Site(database_url, clock, settings={"sandbox": True, "sms_codes": True})
    yield made
    made.database.close()


def rows(site: Site) -> dict[str, int]:
    """The number of rows of each table."""
    c = site.database.connection()
    counted = {name: sa.select(sa.func.count().label("n")).select_from(of) for name, of in metadata.tables.items()}
    return {name: c.one(Statement(count)).n for name, count in counted.items()}


def browser(site: Site, serial: int) -> Browser:
    return Browser(site, source=f"198.51.{serial % 7}.{serial}")


def asks_and_goes(site: Site, housing: RelyingParty, serial: int) -> None:
    longest = {"state": "s" * 2048, "nonce": "n" * 512, "claims": '{"userinfo":{"name":null}}' + " " * 4000}
    assert browser(site, serial).get(housing.start(**longest), follow=False).status == 303


def asks_again_and_again(site: Site, housing: RelyingParty, serial: int) -> None:
    one = browser(site, 1)
    for _ in range(5):
        one.get(housing.start(), follow=False)


def cancels(site: Site, housing: RelyingParty, serial: int) -> None:
    one = browser(site, serial)
    form = one.get(housing.start()).form_with("identifier")
    assert "error=access_denied" in one.submit(form, answer="cancel").url


def guesses_at_nobody(site: Site, housing: RelyingParty, serial: int) -> None:
    one = browser(site, serial)
    form = one.get("/login").form_with("identifier")
    one.submit(form, identifier=f"nobody-{serial}", password="guess guess guess")
    one.submit(form, identifier=f"139000000{serial % 100:02}", password="guess guess guess")


def is_no_client(site: Site, housing: RelyingParty, serial: int) -> None:
    http = Client(site.wsgi)
    form = {"grant_type": "client_credentials", "token": "x", "code": "x", "client_assertion": "x.y.z"}
    for path in ("/token", "/introspect", "/revoke"):
        http.post(path, data=form, auth=(f"made-up-{serial}", "guess"))
        http.post(path, data=form, auth=("housing", "guess"))


def registers_uninvited(site: Site, housing: RelyingParty, serial: int) -> None:
    http = Client(site.wsgi)
    asked = {"redirect_uris": [f"https://s{serial}.example/cb"]}
    http.post("/register", json=asked)
    http.post("/register", json=asked, headers={"Authorization": f"Bearer made-up-{serial}"})


def wanders_about(site: Site, housing: RelyingParty, serial: int) -> None:
    one = browser(site, serial)
    for path in (f"/login/{serial}", f"/consent/{serial}", f"/continue/{serial}", "/account", "/preferences", "/x"):
        one.get(path)
    one.get(f"/end_session?client_id=housing&state={serial}")
    one.post("/login", {"identifier": "x", "password": "y", "csrf_token": "made up"})
    Client(site.wsgi).get("/userinfo", headers={"Authorization": f"Bearer yt_at_{serial}"})
    Client(site.wsgi).get(housing.start(response_type="token"))
    Client(site.wsgi).get(housing.start(client_id=f"made-up-{serial}"))


def asks_for_codes(site: Site, housing: RelyingParty, serial: int) -> None:
    one = browser(site, serial)
    for start in ("/phone-login", one.get(housing.start()).url.replace("/login/", "/phone-login/")):
        form = one.get(start).form_with("number_end")
        page = one.submit(form, phone=f"139000000{serial % 100:02}", number_end=f"{serial:04}", answer="text")
        one.submit(page.form_with("code"), code=f"{serial:06}", answer="code")


STRANGERS: tuple[Stranger, ...] = (
    asks_and_goes,
    asks_again_and_again,
    cancels,
    asks_for_codes,
    guesses_at_nobody,
    is_no_client,
    registers_uninvited,
    wanders_about,
)


@pytest.mark.parametrize("stranger", STRANGERS, ids=lambda each: each.__name__)
def test_what_strangers_leave_is_gone_within_the_hour(site: Site, housing: RelyingParty, stranger: Stranger):
    """No permanent table grows, and an hour later the purge has deleted all of it."""
    site.register_person()
    before = rows(site)
    for serial in range(MANY):
        stranger(site, housing, serial)
        site.clock.advance(seconds=1)
    left = {name: count for name, count in rows(site).items() if count != before[name]}
    assert left.keys() <= TEMPORARY
    site.clock.advance(hours=1)
    for each in retention.RETENTION_RULES:
        retention.purge(site.database, each, site.clock(), GO_ON)
    assert rows(site) == before


def test_a_browser_and_a_network_hold_so_many_requests_open(site: Site, housing: RelyingParty):
    """New requests replace the oldest of the same browser or network; others' and decided ones stay."""
    one, other = browser(site, 1), Browser(site, source="2001:db8:7:1::1")
    theirs = other.get(housing.start()).url
    for _ in range(MOST_OF_BROWSER + 5):
        mine = one.get(housing.start()).url
        site.clock.advance(seconds=1)
    assert rows(site)["authorization_requests"] == MOST_OF_BROWSER + 1
    assert [each.get(url).status for each, url in ((one, mine), (other, theirs))] == [200, 200]

    c, row = site.database.connection(), request_row(site)
    many = [row | {"id": f"{i:032x}", "created_at": site.clock.advance(seconds=1)} for i in range(MOST_FROM)]
    c.execute_many(Statement(sa.insert(authorization_requests)), many)
    statements = []
    site.database.count = lambda: statements.append(1)
    request_store.insert(c, row | {"id": "f" * 32, "created_at": site.clock()})
    request_store.insert(c, row | {"id": "e" * 32, "opened_from": "203.0.113.9", "created_at": site.clock()})
    assert len(statements) == 4
    assert request_store.find(c, site.services.vault, many[0]["id"]) is None
    assert all(request_store.find(c, site.services.vault, kept) for kept in (many[1]["id"], "f" * 32, "e" * 32))


def request_row(site: Site) -> dict[str, object]:
    """A stored request of a browser without cookies."""
    stored = site.database.connection().rows(Statement(sa.select(authorization_requests).limit(1)))[0]
    return stored._asdict() | {"browser_binding": None, "opened_from": "203.0.113.8"}
