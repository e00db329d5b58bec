"""A process whose vault keys differ from its database's is refused before it reads or writes anything."""

import secrets
import subprocess
import sys
import threading
from contextlib import closing
from datetime import timedelta

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from accounts.database import Database, Statement, metadata
from accounts.errors import VaultKeyMismatch
from accounts.vault import Vault
from accounts.vault.vault_keys import VaultKeys, vault_keys
from bench.load_persons import load_persons
from idp import migrations
from idp.cli import main
from tests.contracts.conftest import SMALL
from tests.contracts.conftest import vault_keys as written
from tests.contracts.test_resealing import NOW, fill
from tests.fixtures.commands import commands
from tests.fixtures.processes import PATIENCE, ROOT, free_ports
from tests.fixtures.site import citizen_number
from tests.migration.bench import LEGACY

K1, K2 = ("k1", b"1" * 32), ("k2", b"2" * 32)
FALSE_K1 = ("k1", b"9" * 32)
EVERY_KEY = Statement(sa.select(vault_keys).order_by(vault_keys.c.generation))
NUMBER = citizen_number(4)
PERSON = f"王小明\n{NUMBER}\n\n\n\ncorrect horse battery\ncorrect horse battery\n"
# Every command, with the arguments it needs to reach the database.
ARGUMENTS = {
    "audit verify": [],
    "clients add": ["x", "--name", "x", "--name-en", "x", "--purpose", "x", "--purpose-en", "x", "--redirect-uri",
                    "https://x.example/cb"],
    "clients disable": ["x"],
    "clients enable": ["x"],
    "clients end-old-secret": ["x"],
    "clients invite": [],
    "clients list": [],
    "clients secret": ["x"],
    "clients set": ["x", "--name", "y"],
    "clients show": ["x"],
    "db downgrade": ["base", "--yes"],
    "db revise": ["x"],
    "db upgrade": [],
    "deliveries": [],
    "keys reseal": ["--wait", "0"],
    "keys rotate": [],
    "merge apply": None,  # needs a plan: see below
    "merge plan": [str(LEGACY / "forum.toml")],
    "merge status": [],
    "merge undo": ["--run", "0" * 32, "--yes"],
    "people add": [],
    "people disable": ["--yes"],
    "people enable": ["--yes"],
    "passwords profile": ["mlps3"],
    "people appeals list": [],
    "people appeals refuse": ["x"],
    "people appeals show": ["x"],
    "people corrections answer": ["x"],
    "people corrections list": [],
    "people corrections show": ["x"],
    "people disputes decide": ["x", "--keep"],
    "people disputes list": [],
    "people end-passkeys": ["--yes"],
    "people end-second-factors": ["--yes"],
    "people lift": [],
    "people restrict": ["--reason", "misuse", "--papers", "x-1", "--appeal-to", "the office"],
    "releases touched": ["--client", "x"],
    "people begin-recovery": [],
    "people confirm-recovery": ["0" * 32],
    "people guardian": ["--relation", "parent", "--proof", "birth_certificate", "--reference", "51-7"],
    "people phone end": [],
    "people phone verify": [],
    "staff end-second-factor": ["--yes"],
    "staff enrol": None,  # asks the directory first, and opens the database in the same way
    "worker": [],
    "check": [],
    "serve": None,  # replaces its process: see below
}  # fmt: skip
NO_DATABASE = {"calibrate", "merge hashes test", "passwords build-list", "staff check"}


def admission(*keys, profile="international"):
    return VaultKeys(Vault.from_keys(keys, profile=profile), lambda: NOW)


def admit(url, *keys, profile="international"):
    """Opens the database as a process with these keys."""
    with closing(Database(url, admit=admission(*keys, profile=profile).admit)) as made:
        made.connection()


def recorded(database):
    return [(row.key_id, row.profile, row.retired_at is not None) for row in database.connection().rows(EVERY_KEY)]


def digest(database):
    """All rows of all tables."""
    found = {}
    for table in metadata.sorted_tables:
        rows = database.connection().rows(Statement(sa.select(table)))
        found[table.name] = sorted(map(repr, rows))
    return found


@pytest.fixture
def foreign(database, monkeypatch):
    """A city under k1, and an environment whose k1 is a different key."""
    fill(database, Vault.from_keys([K1]))
    url = database.url.render_as_string(hide_password=False)
    admit(url, K1)
    for name, value in {**SMALL, "YITONG_DATABASE_URL": url, "YITONG_VAULT_KEYS": written(FALSE_K1)}.items():
        monkeypatch.setenv(name, value)
    return database


def test_every_command_is_in_the_table():
    """Each command has its arguments for this test, or is listed as opening no database."""
    assert set(ARGUMENTS) | NO_DATABASE == set(commands())


def test_every_command_refuses_another_key(foreign, tmp_path, monkeypatch):
    """Each command prints code, cause and cure, and no row of any table changes."""
    monkeypatch.chdir(tmp_path)
    before = digest(foreign)
    for name, arguments in ARGUMENTS.items():
        if arguments is None:
            continue
        typed = PERSON if name.startswith("people add") else f"{NUMBER}\n"
        answer = CliRunner().invoke(main, [*name.split(), *arguments], input=typed)
        said = " ".join(answer.output.split())
        assert answer.exit_code == (3 if name.startswith("merge") else 1), (name, said)
        assert "is another than the k1 of this database. → Use the settings" in said, name
        assert "vault_key_mismatch" in said or name == "check"
    assert digest(foreign) == before


def test_a_server_does_not_start_on_another_key(foreign):
    """The worker process ends before the first request, the server ends too, and the log gives the cause."""
    before = digest(foreign)
    command = [sys.executable, "-m", "idp.cli", "serve", "--port", str(free_ports(1)[0])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE)
    said = " ".join(done.stderr.split())
    assert (done.returncode, "vault_key_mismatch" in said, "Traceback" in said) == (1, True, False), said
    assert "→ Use the settings" in said
    assert digest(foreign) == before


def test_a_plan_serves_the_vault_it_was_made_under_alone(yitong, foreign, tmp_path, monkeypatch):
    """A plan of another vault is refused by its signature; a plan of this vault works after a rotation."""
    monkeypatch.setenv("YITONG_VAULT_KEYS", written(K1))
    answer = yitong("merge", "plan", str(LEGACY / "forum.toml"), "--out", str(tmp_path / "plans"))
    assert answer.exit_code == 0, answer.output
    (plan,) = (tmp_path / "plans").iterdir()
    monkeypatch.setenv("YITONG_VAULT_KEYS", written(FALSE_K1))
    before = digest(foreign)
    assert yitong("merge", "apply", str(plan), "--yes").exit_code == 3
    assert digest(foreign) == before
    monkeypatch.setenv("YITONG_VAULT_KEYS", written(K2, K1))
    assert yitong("merge", "apply", str(plan), "--yes").exit_code == 5


def test_the_bench_loads_nobody_under_another_key(foreign, monkeypatch):
    """Persons under another key could not be found by any search, so none are loaded."""
    if foreign.dialect == "sqlite":
        return  # the loader copies only into PostgreSQL
    with pytest.raises(VaultKeyMismatch):
        load_persons(foreign.url.render_as_string(hide_password=False), Vault.from_keys([FALSE_K1]), 1)


@pytest.mark.parametrize(
    ("keys", "profile", "cause"),
    [
        ([FALSE_K1], "international", "another than the k1"),
        ([K2], "international", "sealed under the key k1, which YITONG_VAULT_KEYS does not have"),
        ([K2, FALSE_K1], "international", "another than the k1"),
        ([K1], "gm", "seals in the profile international here, not in gm"),
    ],
)
def test_what_is_refused(database_url, database, keys, profile, cause):
    """Other bytes under the same id, a ring without the database's key, and another profile are refused."""
    admit(database_url, K1)
    with pytest.raises(VaultKeyMismatch) as refused:
        admit(database_url, *keys, profile=profile)
    assert cause in refused.value.cause
    assert recorded(database) == [("k1", "international", False)]


def test_a_rotation_goes_through_with_two_keys_in_every_ring(database_url, database):
    """Each step of a rotation admits the step before; a ring that missed a step is refused."""
    admit(database_url, K1)
    admit(database_url, K1, K2)
    assert recorded(database) == [("k1", "international", False)]  # no value is sealed under k2 yet
    admit(database_url, K1)
    admit(database_url, K2, K1, profile="gm")  # another profile comes with another key
    assert recorded(database) == [("k1", "international", False), ("k2", "gm", False)]
    admit(database_url, K1, K2)
    with pytest.raises(VaultKeyMismatch, match="k2"):
        admit(database_url, K1)
    assert admission(K2, K1).retire_older(database.connection()) == 1
    admit(database_url, K2, profile="gm")
    admit(database_url, K2, K1, profile="gm")
    with pytest.raises(VaultKeyMismatch, match="was retired"):
        admit(database_url, K1, K2)
    with pytest.raises(VaultKeyMismatch, match="another than the k1"):
        admit(database_url, K2, FALSE_K1, profile="gm")


def test_a_process_that_runs_notices(database_url, database, monkeypatch):
    """After another process put a key in use that a ring lacks, its open connection is refused at the next use."""
    monkeypatch.setattr("accounts.database.ADMITTED_FOR", timedelta(0))
    with closing(Database(database_url, admit=admission(K1).admit)) as old:
        old.connection().rows(EVERY_KEY)
        admit(database_url, K2, K1)
        with pytest.raises(VaultKeyMismatch, match="k2"):
            old.connection()


def test_a_database_of_an_earlier_release_is_tried(database_url, database):
    """With no key on record a sealed value must open; then every key of the ring counts as in use."""
    fill(database, Vault.from_keys([K1]))
    with pytest.raises(VaultKeyMismatch, match="does not open"):
        admit(database_url, K2)
    assert recorded(database) == []
    admit(database_url, K2, K1)
    assert [key for key, *_ in recorded(database)] == ["k1", "k2"]


def test_an_upgrade_under_another_key_changes_no_schema(database_url, database):
    """The earlier release has no table of keys, so its sealed rows are opened before any migration."""
    fill(database, Vault.from_keys([K1]))
    engine = database.engine()
    vault_keys.drop(engine)
    with closing(Database(database_url, admit=admission(K2).admit)) as foreign, pytest.raises(VaultKeyMismatch):
        migrations.upgrade(foreign)
    vault_keys.create(engine)
    engine.dispose()
    assert recorded(database) == []


@pytest.mark.parametrize("same_id", [True, False])
def test_of_many_first_starts_one_key_wins(database_url, database, same_id):
    """Eight processes with eight keys open an empty database at once: one key is recorded, seven are refused."""
    rings = [("k" if same_id else f"k{n}", secrets.token_bytes(32)) for n in range(8)]
    refused, start = [], threading.Barrier(len(rings))

    def first_start(key):
        start.wait()
        try:
            admit(database_url, key)
        except VaultKeyMismatch:
            refused.append(key)

    threads = [threading.Thread(target=first_start, args=(key,)) for key in rings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == len(rings) - 1
    (winner,) = [key for key in rings if key not in refused]
    admit(database_url, winner)
    assert len(recorded(database)) == 1


def test_a_check_value_tells_nothing_of_its_key(database_url, database):
    """It is a digest with its own purpose: no seal, index or signature of the vault equals it."""
    vault = Vault.from_keys([K1])
    value = vault.check_value("k1", "international")
    others = {vault.index("", kind="check"), vault.pepper(b"", purpose="check"), vault.sign(b"", purpose="check")[-32:]}
    assert value not in {*others, K1[1]}
    assert vault.check_value("k9", "international") is None
