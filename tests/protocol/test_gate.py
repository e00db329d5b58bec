"""The one gate: what it says, and that everybody who hands something out asks it."""

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

import idp.oidc
from idp.cli.context import CommandContext
from idp.login import person_status
from idp.oidc.gate import Refusal, may_act_alone, may_proceed
from idp.oidc.grants import GRANTS
from tests.protocol.desk import payload

SOURCE = Path(idp.oidc.__file__).parent
GATE = {"may_proceed", "may_act_alone", "token_stands"}
MUST_ASK = {
    "grants/authorization_code.py",
    "grants/client_credentials.py",
    "grants/refresh_token.py",
    "endpoints/introspection.py",
    "endpoints/userinfo.py",
}


@dataclass(frozen=True)
class Someone:
    status: str


@pytest.mark.parametrize("withdrawn", [False, True])
@pytest.mark.parametrize("person", ["active", "disabled", "deceased", "merged", "closed", "", "Active", None])
@pytest.mark.parametrize("client", ["active", "disabled", "", "ACTIVE"])
def test_only_one_way_is_open(client, person, withdrawn):
    """An active client, an active person and a grant that stands: everything else is refused, with the first reason."""
    said = may_proceed(client=Someone(client), person_status=person, grant_withdrawn=withdrawn)
    if client != "active":
        assert said is Refusal.CLIENT_DISABLED
    elif person is None:
        assert said is Refusal.PERSON_UNKNOWN
    elif person != "active":
        assert said is Refusal.PERSON_NOT_ACTIVE
    else:
        assert said is (Refusal.GRANT_WITHDRAWN if withdrawn else None)


@pytest.mark.parametrize(("status", "open_"), [("active", True), ("disabled", False), ("", False), ("Active", False)])
def test_a_client_alone_must_be_active(status, open_):
    """A client acting for itself is asked for its own status only."""
    assert (may_act_alone(Someone(status)) is None) is open_


def calls(path):
    """The names a module calls."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in nodes
        if isinstance(node, ast.Call)
    }


def callers():
    return {
        str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if path.name != "gate.py" and calls(path) & GATE
    }


def test_everybody_who_hands_something_out_asks_the_gate():
    """The sources of the protocol are read: each grant and each reader of tokens calls the gate."""
    assert callers() >= MUST_ASK


def test_every_grant_is_among_the_callers():
    """A grant that is added later is found by this test before it is found by anybody else."""
    modules = {f"grants/{grant.redeem.__module__.rpartition('.')[2]}.py" for grant in GRANTS}
    assert modules <= callers()
    assert modules <= MUST_ASK


def test_every_reader_of_stored_tokens_is_among_the_callers():
    """A module that looks up a code or token to act on it asks the gate; revocation only ends things."""
    finders = ("FIND_APPROVED", "FIND_ACCESS_TOKEN", "FIND_ACCESS_TOKEN_WITH_PERSON", "FIND_REFRESH_TOKEN")
    found = set()
    for path in SOURCE.rglob("*.py"):
        names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        if names & set(finders):
            found.add(str(path.relative_to(SOURCE)))
    assert found - {"endpoints/revocation.py"} <= callers()


def test_no_caller_ignores_the_answer():
    """The gate's answer is compared or kept, never dropped."""
    for name in callers():
        tree = ast.parse((SOURCE / name).read_text())
        dropped = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Call)
            and getattr(node.value.func, "id", getattr(node.value.func, "attr", "")) in GATE
        ]
        assert not dropped, name


@pytest.mark.parametrize("withdrawn", [False, True])
@pytest.mark.parametrize("status", ["active", "disabled", "deceased", "merged", "closed"])
def test_the_statement_that_spends_a_code_holds_the_same_gate(desk, status, withdrawn):
    """A code is spent without reading whose it is, so its statement asks what the gate asks, and answers the same."""
    client = desk.registers()
    code = desk.code(client)
    if withdrawn:
        desk.withdraws()
    desk.person_is(status)
    is_open = may_proceed(client=client.client, person_status=status, grant_withdrawn=withdrawn) is None
    assert (desk.exchanges(client, code).status == 200) is is_open
    assert (len(desk.rows("access_tokens")) == 1) is is_open


def test_disabling_and_enabling_is_felt_everywhere_at_once(desk):
    """One statement about a person closes every place, and the opposite one opens those that only look."""
    client = desk.registers()
    bought = desk.tokens(client, ("openid", "offline_access"))
    code = desk.code(client)

    def places():
        return (
            desk.userinfo(bought["access_token"]).status == 200,
            desk.introspects(client, bought["access_token"]).json["active"],
            desk.introspects(client, bought["refresh_token"]).json["active"],
            desk.refreshes(client, bought["refresh_token"]).status == 200,
            desk.exchanges(client, code).status == 200,
        )

    desk.person_is("disabled")
    assert places() == (False,) * 5
    desk.person_is("active")
    assert places() == (True,) * 5


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
def test_an_account_that_was_stopped_brings_no_token_back(desk, method):
    """Through the one way to disable, codes and tokens of before stay dead when the person is enabled again.

    Those of offline_access have no session to end with: they end with the grant.
    """
    client = desk.registers(method=method)
    bought = desk.tokens(client, ("openid", "offline_access"))
    code = desk.code(client)
    for status in ("disabled", "active"):
        desk.clock.advance(seconds=1)
        with desk.database.transaction() as c:
            ended = person_status.change(c, desk.people, desk.person.id, status, actor="operator:x", now=desk.clock())
        assert ended == (person_status.Ended(1, 1) if status == "disabled" else person_status.Ended(0, 0))
    assert desk.userinfo(bought["access_token"]).status == 401
    assert desk.refreshes(client, bought["refresh_token"]).error == "invalid_grant"
    assert desk.exchanges(client, code).error == "invalid_grant"


def test_an_undone_merge_ends_what_it_had_let_in(desk):
    """Whoever came in by a wrong link keeps nothing: no token lives on at a service, not even for use without them."""
    client = desk.registers()
    token = desk.tokens(client, ("openid", "offline_access"))["refresh_token"]
    desk.clock.advance(seconds=1)
    with desk.database.transaction() as c:
        CommandContext().persons_changed(c, [desk.person.id], desk.clock())
    assert desk.refreshes(client, token).error == "invalid_grant"


def test_a_disabled_clients_tokens_are_dead_everywhere(desk):
    """Nothing is swept when a client is disabled: each reader asks the gate, which knows within a second."""
    client, other = desk.registers(), desk.registers("clinic", metadata={"resource_server": True})
    bought = desk.tokens(client, ("openid", "offline_access"))
    assert desk.alive() == (1, 1)
    desk.disables(client)
    assert [row.revoked_at for row in desk.rows("access_tokens")] == [None]
    assert desk.alive() == (0, 0)
    assert desk.userinfo(bought["access_token"]).status == 401
    assert desk.introspects(other, bought["access_token"]).json == {"active": False}
    assert desk.introspects(other, bought["refresh_token"]).json == {"active": False}
    assert desk.refreshes(client, bought["refresh_token"]).error == "invalid_client"


def test_a_grant_is_each_clients_own(desk):
    """Withdrawing one client's grant leaves the other's alone."""
    fund, clinic = desk.registers("fund"), desk.registers("clinic")
    mine, theirs = (desk.tokens(client, ("openid",))["access_token"] for client in (fund, clinic))
    assert payload(mine)["client_id"] == "fund"
    row = next(row for row in desk.rows("grants") if row.client_id == "fund")
    desk.withdraws_one(row.id)
    assert desk.userinfo(mine).status == 401
    assert desk.userinfo(theirs).status == 200
