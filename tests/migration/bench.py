"""Helpers of merge tests: a source in two lines, a plan, a run, and the database as plain values."""

import hashlib
import importlib.util
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from accounts.database import Database, Statement
from accounts.merging.linking import linked_accounts
from accounts.merging.tables import separations
from accounts.people import ATTRIBUTES, natural_persons, person_identifiers, person_phones
from accounts.vault import Vault
from migration_tools.apply import apply_plan
from migration_tools.mapping import load
from migration_tools.planning.planner import make_plan
from migration_tools.readers import FORMATS
from migration_tools.undo import undo_link, undo_run

ROOT = Path(__file__).parents[2]
LEGACY = ROOT / "demo" / "legacy"
MAPPING = """
[system]
id = "forum"
[source]
format = "csv"
key = "id"
[fields]
id_no = "number"
name = "name"
login_name = "login"
birth = "birth"
sex = "sex"
[password]
column = "hash"
salt = "salt"
recipe = "hex(md5(p+s))"
tests = [{ password = "abc", salt = "d", hash = "e2fc714c4727ee9395f324cd2e7f331f" }]
"""
HEADER = "id,login,name,number,birth,sex,hash,salt"


def generator():
    spec = importlib.util.spec_from_file_location("legacy_generate", LEGACY / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def number(sequence, born="19510203"):
    """A valid number of an area that does not exist."""
    from accounts.identifiers import checks  # noqa: PLC0415

    body = f"519999{born}{sequence:03d}"
    return body + checks.mod_11_2(body)


def row(uid, name, number, password="", *, login=None, birth="", sex=""):
    """One line of the forum's export."""
    digest = hashlib.md5(f"{password}s{uid}".encode()).hexdigest() if password else ""
    return ",".join((str(uid), login or f"user{uid}", name, number, birth, sex, digest, f"s{uid}"))


@contextmanager
def silent(title, total):
    """Progress that is not shown."""
    yield lambda rows: None


class Killed(BaseException):
    """The process was killed."""


@dataclass
class Bench:
    database: Database
    vault: Vault
    clock: object
    path: Path

    def plan(self, *rows, mapping=MAPPING, leave_out=None):
        source = self.path / "forum.csv"
        source.write_text("\n".join((HEADER, *rows)) + "\n", encoding="utf-8")
        described = self.path / "forum.toml"
        described.write_text(mapping, encoding="utf-8")
        return self.plan_of(described, source, leave_out)

    def plan_of(self, mapping, source, leave_out=None):
        return make_plan(
            self.database,
            self.vault,
            load(mapping, FORMATS),
            source,
            self.path / "plans",
            now=self.clock(),
            shown=silent,
            leave_out=leave_out,
        )

    def apply(self, plan, *, batch=1000, stop=lambda: False):
        source = Path(plan.manifest["source"]["path"])
        return apply_plan(
            self.database, self.vault, plan, source, now=self.clock, advance=lambda rows: None, stop=stop, batch=batch
        )

    def undo(self, run, *, batch=1000, changed=lambda c, persons, now: None):
        return undo_run(
            self.database,
            run.id,
            on_persons_changed=changed,
            now=self.clock,
            advance=lambda rows: None,
            stop=lambda: False,
            batch=batch,
        )

    def undo_link(self, system, uid, *, changed=lambda c, persons, now: None):
        return undo_link(self.database, system, uid, on_persons_changed=changed, now=self.clock())

    def kinds(self, plan):
        return [line.kind if line.reason is None else f"{line.kind}:{line.reason}" for line in plan.lines()]

    def rows(self, table):
        return sorted(map(tuple, self.database.connection().rows(Statement(sa.select(table)))), key=repr)

    def state(self):
        """Every row that a merge may change, byte for byte."""
        tables = (natural_persons, person_identifiers, person_phones, linked_accounts, separations)
        return {table.name: self.rows(table) for table in tables}

    def meaning(self):
        """The rows without the random parts of seals."""
        c = self.database.connection()
        persons = sorted(
            (p.id, p.status, self.vault.open(p.attributes, place=ATTRIBUTES))
            for p in c.rows(Statement(sa.select(natural_persons)))
        )
        numbers = sorted((i.person_id, i.blind_index) for i in c.rows(Statement(sa.select(person_identifiers))))
        links = sorted(
            (x.system, x.uid, x.person_id, x.login_index, x.level, x.rule, x.recipe, x.run_id)
            for x in c.rows(Statement(sa.select(linked_accounts)))
        )
        return persons, numbers, links

    def killed_at(self, statement):
        """From now on the process ends just before that statement."""
        left = statement

        def count():
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed

        self.database.count = count

    def alive(self):
        """Starts a new process: the old connection is closed, and what it did not commit is lost."""
        self.database.count = lambda: None
        self.database.close()
