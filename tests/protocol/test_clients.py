"""The cache of clients: a change is seen within a second, and an old row never returns."""

import threading
from dataclasses import replace

import pytest

from accounts.errors import Conflict
from idp.oidc.clients import client, registry
from idp.oidc.clients.registry import ClientCache
from idp.oidc.errors import InvalidClientMetadata, InvalidRedirectUri
from idp.oidc.tokens import token_store


def changes(city, status, client_id="fund"):
    with city.database.transaction() as c:
        return registry.change_status(c, client_id, status, now=city.clock())


def test_a_disabled_client_is_seen_in_every_process_within_a_second(city):
    """Every process, not only the one that disabled the client, sees it within its second."""
    city.register_client()
    processes = [ClientCache(city.database, monotonic=city.ticks) for _ in range(3)]
    assert {cache.get("fund").status for cache in processes} == {"active"}
    assert changes(city, "disabled")
    city.ticks.now += 1.0
    assert {cache.get("fund").status for cache in processes} == {"disabled"}
    assert changes(city, "active")
    city.ticks.now += 1.0
    assert {cache.get("fund").status for cache in processes} == {"active"}


def test_within_its_second_a_cache_asks_nothing(city):
    """Within a second a hundred look-ups take no statement."""
    city.register_client()
    city.provider.clients.get("fund")
    with city.count_statements() as seen:
        for _ in range(100):
            assert city.provider.clients.get("fund")
    assert seen == []


def test_a_new_client_is_known_at_once(city):
    """A client id that was unknown a moment ago is looked up again."""
    assert city.provider.clients.get("late") is None
    city.register_client("late")
    city.ticks.now -= 1.01
    assert city.provider.clients.get("late") is not None


def test_a_client_nobody_knows_cannot_be_disabled(city):
    """The administrator learns that no client has that id."""
    assert not changes(city, "disabled", "nobody")


def test_a_row_read_before_a_change_does_not_enter_the_cache_made_after_it(city, monkeypatch):
    """A slow reader that read the client before it was disabled must not put it back into the cache."""
    city.register_client()
    cache = ClientCache(city.database, monotonic=city.ticks)
    read, go_on = threading.Event(), threading.Event()
    real = client.from_row

    def slowly(row):
        read.set()
        assert go_on.wait(10)
        return real(row)

    def reader():
        cache.get("fund")
        city.database.close()

    monkeypatch.setattr(client, "from_row", slowly)
    slow = threading.Thread(target=reader)
    slow.start()
    assert read.wait(10)
    monkeypatch.setattr(client, "from_row", real)
    changes(city, "disabled")
    city.ticks.now += 1.0
    assert cache.get("other") is None  # this look-up renews the cache
    go_on.set()
    slow.join()
    assert cache.get("fund").status == "disabled"


@pytest.mark.parametrize(
    "client_id", ["\x00", "fund\x00", "\ud800", "fund\udfff", "基金", "a\nb", "a\x7fb", "é", "\u200b", "a\tb"]
)
def test_a_name_no_client_can_have_reaches_no_driver(city, client_id):
    """Ids with NUL or lone surrogates, which a driver refuses, are simply unknown (RFC 6749 Appendix A.1)."""
    with city.count_statements() as seen:
        assert city.provider.clients.get(client_id) is None
    assert seen == []


def test_the_stamp_moves_with_every_change(city):
    """Creating, rotating, ending a secret and changing status each move the version that all processes watch."""
    client = city.register_client()
    c = city.database.connection()
    seen = [token_store.client_version(c)]
    with city.database.transaction() as t:
        registry.rotate_secret(t, client.client, now=city.clock())
    seen.append(token_store.client_version(c))
    changes(city, "disabled")
    seen.append(token_store.client_version(c))
    city.register_client("another")
    seen.append(token_store.client_version(c))
    assert seen == sorted(set(seen))


def test_a_change_that_is_rolled_back_is_none(city):
    """The stamp and the row are written in one transaction."""
    city.register_client()
    before = token_store.client_version(city.database.connection())

    def half_done():
        with city.database.transaction() as c:
            registry.change_status(c, "fund", "disabled", now=city.clock())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_done()
    city.expire_caches()
    assert city.provider.clients.get("fund").status == "active"
    assert token_store.client_version(city.database.connection()) == before


def test_every_client_is_listed_by_id(city):
    """The list for administrators is complete and ordered by id."""
    for name in ("b", "a", "c"):
        city.register_client(name)
    assert [client.client_id for client in registry.every(city.database.connection())] == ["a", "b", "c"]


def test_a_change_is_seen_within_a_second_and_leaves_the_secrets_alone(city):
    """An administrator's change holds; the secret, the status and everything else stay."""
    registered = city.register_client()
    before = city.provider.clients.get("fund")
    city.clock.advance(hours=1)
    assert city.change_client(registered, home_uri="https://fund.example/", scopes=("openid",)) == (
        "home_uri",
        "scopes",
    )
    after = city.provider.clients.get("fund")
    assert (after.home_uri, after.scopes) == ("https://fund.example/", ("openid",))
    assert replace(after, home_uri=before.home_uri, scopes=before.scopes, updated_at=before.updated_at) == before
    assert city.introspect(registered, "nothing").status == 200


def test_a_change_to_what_is_there_changes_nothing(city):
    """A change to the same value refreshes no cache, and the caller learns that there is nothing to record."""
    registered = city.register_client()
    stamp = token_store.client_version(city.database.connection())
    assert city.change_client(registered, redirect_uris=registered.client.redirect_uris) == ()
    assert token_store.client_version(city.database.connection()) == stamp


@pytest.mark.parametrize(
    "unsafe",
    [
        {"redirect_uris": ("http://fund.example/cb",)},
        {"redirect_uris": ()},
        {"home_uri": "javascript:alert(1)"},
        {"id_token_signed_response_alg": "none"},
        {"token_endpoint_auth_method": "none", "require_pkce": False},
    ],
)
def test_a_change_is_held_to_what_registration_is(city, unsafe):
    """A change to values that registration would refuse is refused, and nothing is written."""
    registered = city.register_client()
    with pytest.raises((InvalidRedirectUri, InvalidClientMetadata)):
        city.change_client(registered, **unsafe)
    assert registry.read(city.database.connection(), "fund") == registered.client


def test_of_two_who_change_one_client_the_second_is_told(city):
    """Nobody overwrites a change that somebody else made since they read the client."""
    city.register_client()
    c = city.database.connection()
    seen_by_both = registry.read(c, "fund")
    assert registry.change(c, seen_by_both, now=city.clock.advance(seconds=1), name="甲")
    with pytest.raises(Conflict):
        registry.change(c, seen_by_both, now=city.clock(), name="乙")
    assert registry.read(c, "fund").name == "甲"
