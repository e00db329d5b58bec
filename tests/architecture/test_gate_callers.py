"""In the sources of the protocol everything that issues tokens or data asks the one gate and uses its answer."""

import ast
from pathlib import Path

import idp.oidc
from idp.oidc.grants import GRANTS

SOURCE = Path(idp.oidc.__file__).parent
GATE = {"may_proceed", "may_act_alone", "is_token_active"}


def calls(path):
    """The names that a module calls."""
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


def test_every_grant_is_among_the_callers():
    """This test finds a new grant that does not ask the gate."""
    modules = {f"grants/{grant.redeem.__module__.rpartition('.')[2]}.py" for grant in GRANTS}
    assert modules - callers() == set()


def test_every_reader_of_stored_tokens_is_among_the_callers():
    """A module that looks up a code or token to act on it asks the gate; revocation need not, it only ends tokens."""
    finders = ("FIND_APPROVED", "FIND_ACCESS_TOKEN", "FIND_ACCESS_TOKEN_WITH_PERSON", "FIND_REFRESH_TOKEN")
    found = set()
    for path in SOURCE.rglob("*.py"):
        names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        if names & set(finders):
            found.add(str(path.relative_to(SOURCE)))
    assert found >= {"endpoints/introspection.py", "endpoints/userinfo.py"}
    assert found - {"endpoints/revocation.py"} - callers() == set()


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
