"""The `yitong` command as an operator uses it: what works, and what errors contain."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from rich.cells import cell_len

from accounts.database import Database, Statement
from accounts.people import People, natural_persons
from idp import settings
from idp.cli import main
from idp.oidc.clients.registry import ClientCache
from idp.oidc.tokens import token_store
from idp.oidc.tokens.secret import digest
from idp.services import build_services

ENVIRONMENT = {
    "YITONG_ENVIRONMENT": "test",
    "YITONG_ENV_FILE": "",
    "YITONG_ARGON2_MEMORY_KIB": "8",
    "YITONG_ARGON2_PASSES": "1",
}
ADD = (
    "clients", "add", "library", "--name", "图书馆", "--name-en", "Library", "--purpose", "借书",
    "--purpose-en", "to lend", "--redirect-uri", "https://library.example/cb",
)  # fmt: skip
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on its own SQLite database."""
    for name, value in {**ENVIRONMENT, "YITONG_DATABASE_URL": f"sqlite:///{tmp_path / 'cli.db'}"}.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments, typed=None: CliRunner().invoke(main, arguments, input=typed)


@pytest.fixture
def ready(run: Run) -> Run:
    assert run("db", "upgrade").exit_code == 0
    return run


@pytest.fixture
def database(ready: Run, tmp_path: Path) -> Iterator[Database]:
    """The database the commands work on."""
    made = Database(f"sqlite:///{tmp_path / 'cli.db'}")
    yield made
    made.close()


def test_help_needs_no_settings(run, monkeypatch):
    """`--help` works without any configuration, and names every command."""
    monkeypatch.setenv("YITONG_ENVIRONMENT", "nonsense")
    answer = run("--help")
    assert answer.exit_code == 0
    for name in ("db", "serve", "worker", "clients", "people", "keys", "audit", "check", "calibrate", "deliveries"):
        assert name in answer.output


@pytest.mark.parametrize("charset", ["ascii", "gbk"])
def test_a_terminal_without_a_character_ends_no_command(ready, charset):
    """On a terminal without ✓ or Chinese the command does its work and shows `?`."""
    assert ready(*ADD).exit_code == 0
    for arguments in (("--help",), ("check",), ("clients", "list")):
        answer = CliRunner(charset=charset).invoke(main, arguments)
        assert answer.exit_code == 0, answer.exception
    assert "library" in answer.output


def test_bad_settings_say_what_to_change(run, monkeypatch):
    """Refused settings end with exit code 2 and their cure, without a traceback."""
    monkeypatch.setenv("YITONG_ENVIRONMENT", "production")
    answer = run("clients", "list")
    assert answer.exit_code == 2
    assert "settings_refused" in answer.output
    assert "YITONG_ISSUER must be https" in answer.output
    assert "Traceback" not in answer.output


def test_a_database_without_tables_is_told_apart(run):
    """Before `db upgrade` a command reports it as an error to retry later."""
    answer = run("clients", "list")
    assert (answer.exit_code, "yitong db upgrade" in answer.output) == (75, True)


def test_check_names_what_is_missing_and_then_nothing(run):
    """`check` fails on a new database, and passes once it is migrated."""
    before = run("check")
    assert before.exit_code == 1
    assert "schema" in before.output
    assert run("db", "upgrade").exit_code == 0
    after = run("check")
    assert (after.exit_code, "✗" in after.output) == (0, False)
    assert "a password check takes" in after.output


def test_check_says_what_the_gateways_file_lacks(ready, monkeypatch, tmp_path):
    """An operator sees before the start which template is missing, and that the file is open to others."""
    file = tmp_path / "sms.toml"
    file.write_text('kind = "aliyun"\n[text]\nlogin_code = "SMS_1"\n', "utf-8")
    file.chmod(0o644)
    monkeypatch.setenv("YITONG_SMS_GATEWAY", str(file))
    answer = ready("check")
    assert answer.exit_code == 1
    assert "The table text has no phone_code" in " ".join(answer.output.split())
    assert "is open to other accounts" in " ".join(answer.output.split())


def test_a_client_is_added_once_and_its_secret_shown_once(ready):
    """The secret is printed once, when it is made; the same id again is a conflict."""
    made = ready(*ADD)
    assert "yt_cs_" in made.output
    listed = ready("clients", "list")
    assert "library" in listed.output
    assert "yt_cs_" not in listed.output
    again = ready(*ADD)
    assert (again.exit_code, "conflict" in again.output) == (1, True)
    assert "yt_cs_" in ready("clients", "secret", "library").output


def test_the_list_cuts_no_name_and_no_id(ready):
    """A name of wide characters is folded to the terminal's width, and an id stays in one piece to be copied."""
    name, client_id = "泸州市不动产登记中心网上办事大厅统一服务平台", "0123456789abcdef0123456789abcdef"
    assert ready(*ADD[:2], client_id, "--name", name, *ADD[5:]).exit_code == 0
    listed = ready("clients", "list").output
    cells = [line.split("│") for line in listed.splitlines() if line.startswith("│")]
    assert "".join(row[2].strip() for row in cells) == name
    assert [row[1].strip() for row in cells if row[1].strip()] == [client_id]
    assert {cell_len(line) for line in listed.splitlines()} == {80}


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        (("--redirect-uri", "http://library.example/cb"), "invalid_redirect_uri"),
        (("--division", "999999"), "unknown_division"),
        (("--auth-method", "none", "--without-pkce"), "invalid_client_metadata"),
    ],
)
def test_an_unsafe_client_is_refused_with_a_cure(ready, extra, code):
    """The command refuses what registration refuses, with the same text, and nothing is written."""
    answer = ready(*ADD, *extra)
    assert answer.exit_code != 0
    assert code in answer.output
    assert "→" in answer.output
    assert "library" not in ready("clients", "list").output


def test_an_unknown_client_has_no_secret(ready):
    """Rotating the secret of an unknown client is refused."""
    answer = ready("clients", "secret", "nobody")
    assert (answer.exit_code, "unknown_client" in answer.output) == (1, True)


def test_an_invitation_is_a_token_with_our_prefix(ready):
    """`clients invite` prints one initial access token."""
    assert ready("clients", "invite").output.startswith("yt_ia_")


def test_pkce_is_left_out_only_when_asked_for(ready, database):
    """A client, also an invited one, must use PKCE and gets ES256 unless the operator sets it otherwise."""
    ready(*ADD)
    ready(*ADD[:2], "old-library", *ADD[3:], "--without-pkce", "--id-token-alg", "RS256")
    known = ClientCache(database)
    made = [known.get("library"), known.get("old-library")]
    assert [(c and c.require_pkce, c and c.id_token_signed_response_alg) for c in made] == [
        (True, "ES256"),
        (False, "RS256"),
    ]
    tokens = [ready("clients", "invite", *more).output.strip() for more in ((), ("--without-pkce",))]
    c = database.connection()
    policies = [c.one(token_store.FIND_INITIAL_ACCESS, of_digest=digest(token)).policy for token in tokens]
    assert [policy["require_pkce"] for policy in policies] == [True, False]


def test_a_person_is_added_without_the_number_on_the_command_line(ready):
    """Personal data is typed at prompts; the output holds neither number nor password."""
    typed = (
        "王秀英\n510502189103150020\n\nxiuying@example.cn\n江阳区某街1号\n"
        "lantern-river-orange-47\nlantern-river-orange-47\n"
    )
    answer = ready("people", "add", typed=typed)
    assert answer.exit_code == 0, answer.output
    assert "person " in answer.output
    assert "510502189103150020" not in answer.output
    assert "lantern" not in answer.output


@pytest.mark.parametrize(
    ("number", "password", "code"),
    [("510502189103150021", "lantern-river-orange-47", "→"), ("510502189103150020", "123456", "password_too_short")],
)
def test_a_wrong_number_or_weak_password_is_refused(ready, number, password, code):
    """An error names its cure and repeats neither the number nor the password."""
    answer = ready("people", "add", typed=f"王秀英\n{number}\n\n\n\n{password}\n{password}\n")
    assert answer.exit_code == 1
    assert code in answer.output
    assert number not in answer.output
    assert password not in answer.output


@pytest.mark.parametrize("name", ["王\u202e秀英", "王\t秀英", "王*英"])
def test_a_name_that_nobody_can_read_is_refused(ready, name):
    """With a text-direction mark an officer would see another name than the recorded one."""
    answer = ready("people", "add", typed=f"{name}\n")
    assert answer.exit_code == 1
    assert "\n→ " in answer.output


def test_blanks_around_a_name_are_not_part_of_it(ready, database):
    """Blanks from a copied table cell do not change the name."""
    typed = "\u3000王秀英\t\n510502189103150020\n\n\n\nlantern-river-orange-47\nlantern-river-orange-47\n"
    assert ready("people", "add", typed=typed).exit_code == 0
    person = database.connection().one(Statement(sa.select(natural_persons)))
    vault = build_services(settings.load()).vault
    assert People(vault).attributes(person.attributes).name == "王秀英"


def test_keys_rotate_and_the_audit_trail_stands(ready):
    """New keys are published by name; an untouched audit trail verifies."""
    assert ready("keys", "rotate").output.count("published") >= 1
    assert "stand" in ready("audit", "verify").output


def test_nothing_waits_in_a_new_outbox(ready):
    """`deliveries` shows an empty table."""
    assert ready("deliveries").exit_code == 0


def test_sqlite_is_served_by_one_worker(ready):
    """More than one worker on SQLite is refused before the server listens."""
    answer = ready("serve", "--workers", "2")
    assert (answer.exit_code, "one_worker_with_sqlite" in answer.output) == (2, True)


def test_calibrate_proposes_settings_and_names_the_build(run):
    """The output can be copied into the settings: the build and its cost are in a comment."""
    lines = run("calibrate", "--milliseconds", "10").output.splitlines()
    assert [line.partition("=")[0] for line in lines if not line.startswith("#")] == [
        "YITONG_ARGON2_MEMORY_KIB",
        "YITONG_ARGON2_PASSES",
    ]
    assert "Argon2 is" in lines[0]
