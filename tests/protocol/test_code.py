"""What a code holds: its sealed request, but never the right to be redeemed."""

import base64
from dataclasses import replace

import pytest
import sqlalchemy as sa

from accounts.database import Statement
from accounts.vault import Vault
from idp.oidc.models import authorization_requests
from idp.oidc.requests.code import IN_A_CODE, answers_for
from idp.oidc.tokens import token_store
from idp.oidc.vocabulary import CODE_PREFIX
from tests.fixtures.messages import payload


def unread(_):
    raise AssertionError("the row was read")


def row_of(city):
    return lambda request_id: city.database.connection().one(token_store.FIND_APPROVED, of_request=request_id)


FEW = {"id_token": {"gender": None}}
LONG = {"id_token": {f"claim_{i:03}": {"value": "x" * 20} for i in range(60)} | {"gender": None}}


def test_a_code_carries_what_its_row_holds(city):
    """The token endpoint gets the same request from the code as from the row."""
    registered, scopes = city.register_client(), ("openid", "profile", "offline_access")
    short, long = (city.issue_code(registered, scopes, nonce="n-1", claims=claims) for claims in (FEW, LONG))
    carried = answers_for(city.provider.people.vault, short, unread)
    read = answers_for(city.provider.people.vault, long, row_of(city))
    assert carried == replace(read, id=carried.id, claims=FEW)


def test_a_code_says_nothing_to_others(city):
    """Base64 hides nothing, so the content of a code is sealed, and no other vault opens it."""
    code = city.issue_code(city.register_client())
    (row,) = city.rows("authorization_requests")
    raw = base64.urlsafe_b64decode(code.removeprefix(CODE_PREFIX) + "==")
    assert all(text.encode() not in raw for text in (row.sub, row.person_id, row.client_id, row.session_id))
    assert answers_for(Vault.from_keys([("test", b"another key of thirty-two bytes!")]), code, unread) is None


def test_a_long_request_stays_in_its_row(city):
    """A `claims` parameter of kilobytes still gives a code short enough for browsers and proxies, and it works."""
    registered = city.register_client()
    code = city.issue_code(registered, ("openid", "profile"), claims=LONG)
    assert len(code) < 150
    assert payload(city.exchange(registered, code).json["id_token"])["gender"] == "female"


@pytest.mark.parametrize("at", [6, 20, 60, 200, -1])
def test_a_changed_code_is_unknown(city, at):
    """A code with one changed character is unknown, and the real one stays valid."""
    registered = city.register_client()
    code = city.issue_code(registered)
    letters = list(code)
    letters[at] = "A" if letters[at] != "A" else "B"
    assert city.exchange(registered, "".join(letters)).error == "invalid_grant"
    assert city.exchange(registered, code).status == 200


def test_a_copy_of_the_facts_buys_nothing_without_the_row(city):
    """The code opens and its content fits, but it is refused because its row can no longer be redeemed."""
    registered = city.register_client()
    code = city.issue_code(registered)
    city.database.connection().execute(Statement(sa.update(authorization_requests).values(state="denied")))
    assert city.exchange(registered, code).error == "invalid_grant"
    assert city.rows("access_tokens") == []


@pytest.mark.parametrize("claims", [{}, LONG])
def test_a_code_is_good_only_as_the_one_that_went_out(city, claims):
    """The row holds the digest of its code: another seal of the same content is not that code."""
    registered = city.register_client()
    code = city.issue_code(registered, claims=claims)
    vault, raw = city.provider.people.vault, base64.urlsafe_b64decode(code.removeprefix(CODE_PREFIX) + "==")
    again = vault.seal(vault.open(raw, place=IN_A_CODE), place=IN_A_CODE)
    forged = CODE_PREFIX + base64.urlsafe_b64encode(again).rstrip(b"=").decode()
    assert answers_for(vault, forged, row_of(city)) is not None
    assert city.exchange(registered, forged).error == "invalid_grant"
    assert city.exchange(registered, code).status == 200
