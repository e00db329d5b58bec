"""Every place that makes a file or a directory uses `accounts.private_files`, or is listed as an exception."""

import ast

import pytest

from tests.architecture.tracked import text_of, tracked

MAKES = {
    "write_text",
    "write_bytes",
    "mkdir",
    "makedirs",
    "touch",
    "mkdtemp",
    "mkstemp",
    "copyfile",
    "copy",
    "copytree",
}
MAKES |= {"NamedTemporaryFile", "TemporaryFile", "TemporaryDirectory", "FileHandler", "RotatingFileHandler", "umask"}
COPIES_OF_OBJECTS = {"copy"}  # dict.copy(), when it has no argument
# These make files of the repository, without personal data: they go to git, not to a deployment.
NOT_OURS = {
    "accounts/private_files.py",  # makes the private files itself
    "idp/i18n/catalogues.py",  # translations
    "demo/legacy/generate.py",  # invented exports
}
OURS = tracked("accounts/*.py", "idp/*.py", "migration_tools/*.py", "demo/*.py", "examples/*.py", "wsgi.py")


def writes(call):
    """Whether a call of `open` may write. A variable mode counts for the builtin only: vaults have `open`, too."""
    by_name = isinstance(call.func, ast.Name)
    given = [k.value for k in call.keywords if k.arg == "mode"] + call.args[by_name:][:1]
    modes = [part.value if isinstance(part, ast.Constant) else "w" * by_name for part in given]
    return any(isinstance(mode, str) and set(mode) & set("wax+") for mode in modes)


def makes(call):
    """Whether the call makes a file or a directory by itself."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in COPIES_OF_OBJECTS:
        return bool(call.args)
    if name == "touch":  # Path.touch takes no argument; a session's touch takes its database
        return not call.args
    if ast.unparse(call.func) == "os.open":
        return "O_CREAT" in ast.unparse(call) and ast.unparse(call.args[-1]) != str(0o600)
    return name in MAKES or (name == "open" and writes(call))


def makers(source):
    return [ast.unparse(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and makes(node)]


def test_files_are_made_in_one_place():
    """Reports, backups and logs are made by `private_files`, so the umask does not matter."""
    found = {name: makers(text_of(name)) for name in OURS if name not in NOT_OURS}
    assert {name: calls for name, calls in found.items() if calls} == {}


def test_the_exceptions_still_make_something():
    """An exception that is no longer needed would hide the next file made there."""
    assert [name for name in NOT_OURS if not makers(text_of(name))] == []


@pytest.mark.parametrize(
    "call",
    ["Path('x').open('w')", "open(path, 'ab')", "open(path, mode)", "Path('x').write_text('y')", "os.mkdir('x')",
     "tempfile.mkstemp()", "shutil.copy(a, b)", "os.open(path, os.O_CREAT, 0o644)", "logging.FileHandler('x')"],
)  # fmt: skip
def test_the_check_knows_a_maker(call):
    """The check can fail."""
    assert len(makers(call)) == 1


@pytest.mark.parametrize("call", ["Path('x').open('rb')", "open(path)", "vault.open(sealed, place=P)", "d.copy()"])
def test_the_check_lets_a_reader_be(call):
    """Reading is not reported."""
    assert makers(call) == []
