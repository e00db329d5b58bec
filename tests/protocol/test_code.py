"""What a code carries: its request, sealed, and never the right to be spent."""

import base64

import pytest
import sqlalchemy as sa

from accounts.db import Statement
from accounts.vault import Vault
from idp.oidc.code import carried, of_row
from idp.oidc.models import authorization_requests
from idp.oidc.vocabulary import CODE_PREFIX
from tests.protocol.desk import payload

LONG = {"id_token": {f"claim_{i:03}": {"value": "x" * 20} for i in range(60)} | {"gender": None}}


def test_a_code_carries_what_its_row_holds(desk):
    """The token endpoint sees the same request whether it opens the code or reads the row."""
    code = desk.code(desk.registers(), ("openid", "profile", "offline_access"), nonce="n-1")
    (row,) = desk.rows("authorization_requests")
    assert carried(desk.provider.people.vault, code) == of_row(row)


def test_a_code_says_nothing_to_others(desk):
    """Base64 hides nothing: what is in a code is sealed, and opens under no other vault."""
    code = desk.code(desk.registers())
    (row,) = desk.rows("authorization_requests")
    raw = base64.urlsafe_b64decode(code.removeprefix(CODE_PREFIX) + "==")
    assert all(text.encode() not in raw for text in (row.sub, row.person_id, row.client_id, row.session_id))
    assert carried(Vault.from_keys([("test", b"another key of thirty-two bytes!")]), code) is None


def test_a_long_request_stays_in_its_row(desk):
    """A `claims` parameter of kilobytes makes no address longer than browsers and proxies take, and works as well."""
    registered = desk.registers()
    code = desk.code(registered, ("openid", "profile"), claims=LONG)
    assert len(code) == len(CODE_PREFIX) + 43
    assert carried(desk.provider.people.vault, code) is None
    assert payload(desk.exchanges(registered, code).json["id_token"])["gender"] == "female"


@pytest.mark.parametrize("at", [6, 20, 60, 200, -1])
def test_a_changed_code_is_unknown(desk, at):
    """One other character anywhere is another code, and the real one stays good."""
    registered = desk.registers()
    code = desk.code(registered)
    letters = list(code)
    letters[at] = "A" if letters[at] != "A" else "B"
    assert desk.exchanges(registered, "".join(letters)).error == "invalid_grant"
    assert desk.exchanges(registered, code).status == 200


def test_a_code_whose_key_was_retired_is_read_from_its_row(desk):
    """Whoever retires a vault key breaks no login under way: the row still knows."""
    registered = desk.registers()
    code = desk.code(registered)
    assert carried(Vault.from_keys([("next", b"n" * 32)]), code) is None
    desk.provider.people.vault = Vault.from_keys([("next", b"n" * 32)])
    assert desk.exchanges(registered, code).status == 200


def test_a_copy_of_the_facts_buys_nothing_without_the_row(desk):
    """The code opens and everything in it fits, but only the row may be spent: once it is gone, so is the code."""
    registered = desk.registers()
    code = desk.code(registered)
    desk.database.connection().execute(Statement(sa.update(authorization_requests).values(state="denied")))
    assert desk.exchanges(registered, code).error == "invalid_grant"
    assert desk.rows("access_tokens") == []
