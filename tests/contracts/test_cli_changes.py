"""An operator's changes at a terminal: done, recorded once with the operator's name, or refused with a cure."""

import getpass
import json
import os
import pwd

import pytest
import sqlalchemy as sa
from joserfc import jwk

from accounts import audit
from accounts.database import Statement
from accounts.people import natural_persons
from idp.cli import main
from idp.cli.context import CommandContext
from idp.oidc.clients import registry
from idp.oidc.models import clients as clients_table
from idp.oidc.tokens.secret import digest
from tests.fixtures.commands import commands

NUMBER = "510502189103150020"
PHONE = "139 0000 0007"
SECRET = "lantern-river-orange-47"
ADD = (
    "clients", "add", "library", "--name", "图书馆", "--name-en", "Library", "--purpose", "借书",
    "--purpose-en", "to lend", "--redirect-uri", "https://library.example/cb",
)  # fmt: skip
MUSEUM = (*ADD[:2], "museum", *ADD[3:])
EVERY = Statement(sa.select(audit.audit_events).order_by(audit.audit_events.c.at, audit.audit_events.c.id))
PERSONS = Statement(sa.select(natural_persons))
# Each command that changes something: what is typed, its event, and whether it takes a person or a client to exist.
CHANGES = {
    "clients add": (ADD, None, "administrator:client:create"),
    "clients set": (("clients", "set", "library", "--name", "书馆"), None, "administrator:client:change"),
    "clients secret": (("clients", "secret", "library"), None, "administrator:secret:rotate"),
    "clients end-old-secret": (("clients", "end-old-secret", "library"), None, "administrator:secret:end"),
    "clients invite": (("clients", "invite"), None, "administrator:client:invite"),
    "clients disable": (("clients", "disable", "library"), None, "administrator:client:disable"),
    "clients enable": (("clients", "enable", "library"), None, "administrator:client:enable"),
    "people add": (("people", "add"), f"王秀英\n{NUMBER}\n\n\n\n{SECRET}\n{SECRET}\n", "person:account:open"),
    "people disable": (("people", "disable", "--yes"), f"{NUMBER}\n", "person:account:disable"),
    "people enable": (("people", "enable", "--yes"), f"{NUMBER}\n", "person:account:enable"),
    "people phone verify": (("people", "phone", "verify"), f"{NUMBER}\n{PHONE}\n", "person:phone:verify"),
    "people phone end": (("people", "phone", "end"), f"{NUMBER}\n{PHONE}\n", "person:phone:end"),
    "keys rotate": (("keys", "rotate"), None, "administrator:keys:rotate"),
}
# Tested elsewhere: tests/contracts/test_cli_keys.py, the schema below, tests/migration.
ELSEWHERE = {
    "people appeals refuse", "people appeals show", "people corrections answer", "people corrections show",
    "people disputes decide", "people lift", "people restrict", "releases touched",  # test_cli_requests, test_ledger
    "people end-passkeys", "people end-second-factors",
    "passwords profile", "passwords build-list",  # test_cli_passwords
    "people begin-recovery", "people confirm-recovery",
    "people guardian",
    "staff enrol", "staff end-second-factor",  # test_cli_staff_enrolment
    "keys reseal", "db upgrade", "db downgrade", "merge apply", "merge undo",
}  # fmt: skip
READS = {
    "audit verify", "calibrate", "check", "clients list", "clients show", "db revise", "deliveries",
    "merge hashes test", "merge plan", "merge status", "serve", "staff check", "worker",
    "people appeals list", "people corrections list", "people disputes list",
}  # fmt: skip
BEFORE = {
    "clients enable": ["clients disable"],
    "clients end-old-secret": ["clients secret"],
    "people enable": ["people disable"],
    "people phone end": ["people phone verify"],
}


def records(database):
    return database.connection().rows(EVERY)


def run(yitong, name):
    arguments, typed, _ = CHANGES[name]
    answer = yitong(*arguments, typed=typed)
    assert answer.exit_code == 0, answer.output
    return answer


@pytest.fixture
def peopled(yitong):
    run(yitong, "clients add")
    run(yitong, "people add")
    return yitong


def client(database):
    return registry.read(database.connection(), "library")


def test_every_command_either_changes_or_only_reads():
    """Each command is listed with its event, as tested elsewhere, or as one that only reads."""
    assert set(commands()) == {*CHANGES, *ELSEWHERE, *READS}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_on_record_once_with_who_made_it(yitong, database, name):
    """Each command that changes something writes exactly one record, with the account that ran it."""
    for earlier in ["clients add", "people add", *BEFORE.get(name, [])] if not name.endswith(" add") else []:
        run(yitong, earlier)
    before = {record.id for record in records(database)}
    run(yitong, name)
    new = [record for record in records(database) if record.id not in before]
    assert [(record.event, record.actor) for record in new] == [(CHANGES[name][2], CommandContext().actor)]


def test_the_actor_is_the_account_of_the_system_whatever_the_environment_says(monkeypatch):
    """Anybody can set LOGNAME and USER, so the record has the account of the process."""
    monkeypatch.setenv("LOGNAME", "somebody-else")
    monkeypatch.setenv("USER", "somebody-else")
    monkeypatch.delenv("SUDO_USER", raising=False)
    assert getpass.getuser() == "somebody-else"
    assert CommandContext().actor == f"operator:{pwd.getpwuid(os.getuid()).pw_name}"


def test_a_refused_change_leaves_no_record(peopled, database):
    """A refused change writes no record."""
    before = len(records(database))
    assert peopled(*ADD).exit_code == 1
    assert peopled("clients", "set", "library", "--redirect-uri", "http://library.example/").exit_code == 1
    assert peopled("clients", "set", "library", "--division", "999999").exit_code == 2
    assert peopled("clients", "set", "library").exit_code == 2
    assert peopled("clients", "disable", "nobody").exit_code == 1
    assert peopled("people", "disable", "--yes", typed="510502189103150021\n").exit_code == 1
    assert len(records(database)) == before


@pytest.mark.parametrize("name", ["clients disable", "people disable", "clients set", "clients end-old-secret"])
def test_the_same_again_changes_and_records_nothing(peopled, database, name):
    """A repeated command changes nothing and records no second event."""
    for earlier in (*BEFORE.get(name, []), name):
        run(peopled, earlier)
    before = records(database)
    assert "nothing was changed" in run(peopled, name).output
    assert records(database) == before


def test_a_reissued_number_ends_for_its_earlier_holder(peopled, database):
    """The clerk declares it; the earlier holder's account keeps everything but the phone."""
    other, secret = "510521189307090014", "bamboo-ferry-copper-82"
    assert peopled("people", "add", typed=f"李建国\n{other}\n\n\n\n{secret}\n{secret}\n").exit_code == 0
    run(peopled, "people phone verify")
    shared = peopled("people", "phone", "verify", typed=f"{other}\n{PHONE}\n")
    assert "others hold it, too" in shared.output
    moved = peopled("people", "phone", "verify", "--reissued", typed=f"{other}\n{PHONE}\n")
    assert "ended for 1 other" in moved.output
    assert "nothing was changed" in run(peopled, "people phone end").output
    assert not {NUMBER, other, PHONE, PHONE.replace(" ", "")} & set(moved.output.split())


def test_a_client_is_disabled_and_enabled(peopled, database):
    """The gate reads this status."""
    run(peopled, "clients disable")
    assert client(database).status == "disabled"
    run(peopled, "clients enable")
    assert client(database).status == "active"


def test_an_old_secret_ends_and_the_new_one_stays(peopled, database):
    """After a change-over or a leak one secret is left; before, `show` reports two."""
    first = client(database).secret_digest
    fresh = run(peopled, "clients secret").output.strip()
    assert client(database).previous_secret_digest == first
    assert peopled("clients", "show", "library").output.split()[-2:] == ["old_secret_live", "True"]
    run(peopled, "clients end-old-secret")
    assert client(database).previous_secret_digest is None
    assert client(database).secret_digest == digest(fresh)
    assert peopled("clients", "show", "library").output.split()[-2:] == ["old_secret_live", "False"]


def key_file(directory, **changes):
    key = jwk.ECKey.generate_key("P-256").as_dict(private=False) | changes
    path = directory / f"{key['x'][:8]}.json"
    path.write_text(json.dumps({"keys": [key]}))
    return str(path)


def test_a_system_that_signs_is_registered_with_its_keys(peopled, database, tmp_path):
    """Its public keys come from a file and can be replaced; without keys it could not authenticate."""
    signs = (*MUSEUM, "--auth-method", "private_key_jwt")
    assert "private_key_jwt needs jwks" in peopled(*signs).output
    assert peopled(*signs, "--jwks", key_file(tmp_path)).exit_code == 0
    first = registry.read(database.connection(), "museum").metadata["jwks"]
    assert peopled("clients", "set", "museum", "--jwks", key_file(tmp_path)).exit_code == 0
    second = registry.read(database.connection(), "museum").metadata["jwks"]
    assert len(second["keys"]) == 1
    assert second != first


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"d": "AA"}, "public EC or RSA keys only"), ({"crv": "P-384"}, "P-256"), ({"y": "AA"}, "cannot be read")],
)
def test_keys_that_cannot_be_used_are_refused_in_the_words_of_the_registration(peopled, tmp_path, changes, says):
    """A private key above all: nobody expects one to be stored there."""
    answer = peopled(*MUSEUM, "--auth-method", "private_key_jwt", "--jwks", key_file(tmp_path, **changes))
    assert answer.exit_code == 1
    assert says in " ".join(answer.output.split())


def test_a_file_that_holds_no_keys_is_said_so(peopled, tmp_path):
    """A file that is not JSON has its own cure."""
    path = tmp_path / "key.pem"
    path.write_text("-----BEGIN PUBLIC KEY-----")
    answer = peopled("clients", "set", "library", "--jwks", str(path))
    assert (answer.exit_code, "keys_unreadable" in answer.output) == (2, True)


@pytest.mark.parametrize("method", ["none", "private_key_jwt"])
def test_who_proves_itself_otherwise_gets_no_secret(peopled, database, tmp_path, method):
    """A useless secret would be trusted and stored somewhere."""
    keys = ("--jwks", key_file(tmp_path)) if method == "private_key_jwt" else ()
    assert peopled(*MUSEUM, "--auth-method", method, *keys).exit_code == 0
    answer = peopled("clients", "secret", "museum")
    assert (answer.exit_code, "no_secret" in answer.output, "yt_cs_" in answer.output) == (1, True, False)
    assert registry.read(database.connection(), "museum").secret_digest is None


def test_what_is_not_named_stays(peopled, database):
    """`clients set` changes only the named settings, and the secret stays valid."""
    before = client(database)
    answer = peopled(
        "clients", "set", "library", "--home-uri", "https://library.example/", "--resource-server",
        "--legacy-system", "library", "--post-logout-redirect-uri", "https://library.example/bye", "--without-pkce",
    )  # fmt: skip
    assert answer.exit_code == 0, answer.output
    after = client(database)
    assert after.metadata["resource_server"] is True
    assert (after.home_uri, after.legacy_system) == ("https://library.example/", "library")
    assert (after.post_logout_redirect_uris, after.require_pkce) == (("https://library.example/bye",), False)
    same = ("secret_digest", "redirect_uris", "scopes", "claims_ceiling", "sector", "status", "name")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]
    (record,) = [r for r in records(database) if r.event == "administrator:client:change"]
    assert set(record.detail["changed"]) == {
        "home_uri", "legacy_system", "metadata", "post_logout_redirect_uris", "require_pkce",
    }  # fmt: skip


def test_what_is_emptied_is_gone(peopled, database):
    """An empty value removes a URI or a right."""
    peopled("clients", "set", "library", "--home-uri", "https://library.example/", "--resource-server")
    peopled("clients", "set", "library", "--home-uri", "", "--no-resource-server")
    assert client(database).home_uri is None
    assert client(database).metadata["resource_server"] is False


def test_scopes_carry_the_ceiling_along_and_a_lowered_one_stays_low(peopled, database):
    """A new scope adds its claims, a removed one removes them, and a lowered ceiling is not raised by the way."""
    peopled("clients", "set", "library", "--claim", "name")
    peopled("clients", "set", "library", "--scope", "openid", "--scope", "profile", "--scope", "phone")
    assert client(database).claims_ceiling == ("name", "phone_number", "phone_number_verified")
    peopled("clients", "set", "library", "--scope", "openid", "--scope", "phone")
    assert client(database).claims_ceiling == ("phone_number", "phone_number_verified")


def test_a_change_of_sector_is_asked_about(peopled, database):
    """Another sector gives everybody another sub, so nothing changes without confirmation."""
    assert peopled("clients", "set", "library", "--sector", "culture", typed="n\n").exit_code == 1
    assert client(database).sector == "library"
    assert peopled("clients", "set", "library", "--sector", "culture", "--yes").exit_code == 0
    assert client(database).sector == "culture"


def test_show_tells_everything_but_secrets(peopled, database):
    """An administrator sees all settings, and no digest."""
    shown = peopled("clients", "show", "library").output
    assert "https://library.example/cb" in shown
    assert "digest" not in shown
    columns = {column.name for column in clients_table.columns if not column.name.endswith("_digest")}
    assert columns <= set(shown.split())


def status(database):
    return [row.status for row in database.connection().rows(PERSONS)]


def test_a_person_is_found_at_a_prompt_and_disabled(peopled, database):
    """The number is typed at a prompt, never an argument, and the output does not repeat it."""
    answer = run(peopled, "people disable")
    assert status(database) == ["disabled"]
    assert NUMBER not in answer.output
    parameters = {p.name for p in main.get_command(None, "people").get_command(None, "disable").params}
    assert parameters == {"kind", "why", "yes"}


def test_without_a_yes_nobody_is_disabled(peopled, database):
    """The question names the person by our key; answering no changes nothing."""
    answer = peopled("people", "disable", typed=f"{NUMBER}\nn\n")
    assert (answer.exit_code, status(database)) == (1, ["active"])
    assert NUMBER not in answer.output


def test_the_dead_can_be_recorded_and_a_mistake_corrected(peopled, database):
    """Death is its own status, and a wrong report can be corrected."""
    assert peopled("people", "disable", "--deceased", "--yes", typed=f"{NUMBER}\n").exit_code == 0
    assert status(database) == ["deceased"]
    run(peopled, "people enable")
    assert status(database) == ["active"]


@pytest.mark.parametrize("final", ["merged", "closed"])
def test_who_was_merged_or_closed_is_not_enabled(peopled, database, final):
    """A merged account must not become active beside its survivor, not even by a detour."""
    change = Statement(sa.update(natural_persons).values(status=sa.bindparam("to")))
    database.connection().execute(change, to=final)
    for verb in ("enable", "disable"):
        answer = peopled("people", verb, "--yes", typed=f"{NUMBER}\n")
        assert (answer.exit_code, "status_is_final" in answer.output) == (1, True)
        assert status(database) == [final]


def test_nobody_of_that_number_is_said_so(peopled):
    """A well-formed number without a person has another error than a mistyped one."""
    answer = peopled("people", "disable", "--kind", "passport", "--yes", typed="E00000001\n")
    assert (answer.exit_code, "→" in answer.output) == (1, True)
