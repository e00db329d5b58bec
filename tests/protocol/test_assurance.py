"""Assurance: methods, levels and the names of pairs."""

import itertools
from datetime import UTC, datetime

import pytest

from idp.oidc import assurance
from idp.oidc.assurance import Acr, authentication, meets, meets_any, parse


@pytest.mark.parametrize(
    ("methods", "amr", "aal"),
    [
        (("pwd",), ("pwd",), 1),
        (("pwd", "pin"), ("pwd", "pin"), 1),
        (("sms", "otp"), ("sms", "otp"), 1),
        (("pwd", "otp"), ("pwd", "otp", "mfa"), 2),
        (("pwd", "sms", "pwd"), ("pwd", "sms", "mfa"), 2),
        (("swk",), ("swk", "mfa"), 2),
        (("hwk",), ("hwk", "mfa"), 3),
        (("pwd", "swk"), ("pwd", "swk", "mfa"), 2),
        (("sc",), ("sc",), 1),
        (("sc", "pin"), ("sc", "pin", "mfa"), 3),
        (("made_up", "pwd"), ("made_up", "pwd"), 1),
        (("mfa", "pwd"), ("pwd",), 1),
    ],
)
def test_methods_become_levels(methods, amr, aal):
    """Two methods of one kind are one factor, two kinds make two, and only a hardware key makes three.

    A passkey is two factors: the device, and what unlocked it.
    """
    proven = authentication(methods, datetime(2026, 3, 2, tzinfo=UTC), 2)
    assert (proven.amr, proven.aal, proven.acr) == (amr, aal, f"urn:yitong:ial2:aal{aal}")


@pytest.mark.parametrize(("held", "given"), [(0, 0), (1, 1), (2, 1), (4, 1)])
def test_a_code_to_a_phone_alone_gives_ial1_at_most(held, given):
    """Whatever is known about the person: the number may have been reissued. Another factor ends the cap."""
    at = datetime(2026, 3, 2, tzinfo=UTC)
    assert authentication(("sms",), at, held).acr == f"urn:yitong:ial{given}:aal1"
    assert authentication(("sms", "pwd"), at, held).acr == f"urn:yitong:ial{held}:aal2"


def test_every_pair_is_compared():
    """A pair satisfies another if and only if both of its levels do."""
    pairs = [Acr(i, a) for i in range(5) for a in range(1, 4)]
    for asked, got in itertools.product(pairs, pairs):
        assert meets(str(asked), str(got)) == (got.ial >= asked.ial and got.aal >= asked.aal)


@pytest.mark.parametrize(
    "text", ["", "0", "urn:yitong:ial5:aal1", "urn:yitong:ial1:aal0", "urn:yitong:ial1:aal1 ", "x"]
)
def test_strange_levels_meet_nothing(text):
    """An unknown level satisfies nothing, and nothing satisfies it."""
    assert parse(text) is None
    assert not meets(text, "urn:yitong:ial4:aal3")
    assert not meets("urn:yitong:ial0:aal1", text)


def test_nothing_asked_is_met():
    """An empty request is satisfied by anything; of several requested values, one is enough."""
    assert meets_any((), "urn:yitong:ial0:aal1")
    assert meets_any(("gold", "urn:yitong:ial1:aal1"), "urn:yitong:ial2:aal1")
    assert not meets_any(("gold",), "urn:yitong:ial4:aal3")


def test_all_pairs_are_announced():
    """Discovery lists each pair once."""
    values = assurance.acr_values_supported()
    assert len(set(values)) == len(values) == 15
    assert all(parse(value) for value in values)
