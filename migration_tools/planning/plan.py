"""A merge plan: a directory that never changes. It says what would happen to every row, and writes nothing else.

`manifest.json` has the counts and the digests of source, mapping, rules and the other files. `lines.jsonl` has one line
for each account: its key in its own system, its class and, for a link, the ids that `apply` will use. `refused.csv` has
one line for each row that is no account. No name, number, phone or hash is in any of them: apply reads the source
again, and refuses one that has changed by a byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from accounts.vault import Vault
from migration_tools import mapping as mappings
from migration_tools.errors import PlanRefused, RowsRefused
from migration_tools.planning import refusals
from migration_tools.planning.matching import AUTO, CONTESTED, PARKED, REFUSED, RULES_VERSION
from migration_tools.readers import FORMATS
from migration_tools.readers.legacy_account import RefusedRow

FORMAT = 3  # of a plan's files, and of what a reader takes for a row
MANIFEST, LINES, MAPPING = "manifest.json", "lines.jsonl", "mapping.toml"
_PARTS = (("lines", LINES), ("refused", refusals.NAME), ("mapping", MAPPING))  # each with its digest in the manifest
_PURPOSE = "merge plan"
_AGAIN = "Make a new plan with `yitong merge plan`."
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class LeaveOut:
    """An agreement that refused rows may be left out: how many at most, and who agreed."""

    most: int
    by: str


@dataclass(frozen=True, slots=True)
class Line:
    """The outcome of one account. `person`, `rule` and `password` are set only where it is linked."""

    row: int
    uid: str
    kind: str
    reason: str | None = None
    rule: str | None = None
    person: str | None = None
    is_new: bool = False
    password: str | None = None
    evidence: Mapping[str, str] | None = None

    def to_json(self) -> bytes:
        """One line, without what is None."""
        held = {name: getattr(self, name) for name in self.__slots__}
        return orjson.dumps({name: value for name, value in held.items() if value is not None and value is not False})


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan as its directory has it, with every digest checked."""

    path: Path
    manifest: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """The digest that is approved and applied."""
        return str(self.manifest["digest"])

    @property
    def run_id(self) -> str:
        """The id of this plan's run. It is reserved, so that applying twice has the effect of applying once."""
        return str(self.manifest["run_id"])

    @property
    def system(self) -> str:
        """The older system."""
        return str(self.manifest["system"])

    @property
    def rows(self) -> int:
        """How many rows the source has, refused ones too."""
        return int(self.manifest["source"]["rows"])

    @property
    def refused(self) -> int:
        """How many rows of the source are no accounts."""
        return int(self.manifest["counts"][REFUSED])

    @property
    def leave_out(self) -> LeaveOut | None:
        """Who agreed to leave out how many refused rows."""
        said = self.manifest["refused"]["leave_out"]
        return LeaveOut(**said) if said else None

    @property
    def parked(self) -> int:
        """How many accounts wait for their owners."""
        counts = self.manifest["counts"]
        return sum(int(counts[kind]) for kind, _ in PARKED)

    @property
    def links(self) -> int:
        """How many rows would be linked."""
        return int(self.manifest["counts"][AUTO])

    @property
    def steps(self) -> int:
        """How many rows `apply` acts on: links, and numbers to remember as contested."""
        return self.links + int(self.manifest["counts"][CONTESTED])

    def lines(self) -> Iterator[Line]:
        """Every account's line, in the order of the source."""
        with (self.path / LINES).open("rb") as file:
            for raw in file:
                yield Line(**orjson.loads(raw))

    def refusals(self) -> Iterator[RefusedRow]:
        """Every refused row, in the order of the source."""
        return refusals.read(self.path)

    def check_refused(self) -> None:
        """Every row is an account, or somebody agreed to leave it out. Raises RowsRefused."""
        most = self.leave_out.most if self.leave_out else None
        if self.refused > (most or 0):
            raise RowsRefused(self.refused, self.rows, most)

    def mapping(self) -> mappings.Mapping:
        """The mapping that the plan was made with."""
        return mappings.load(self.path / MAPPING, FORMATS)

    def check_vault(self, vault: Vault) -> None:
        """The plan is unchanged, and was made under a key that this vault has. Raises PlanRefused."""
        said = {name: value for name, value in self.manifest.items() if name != "vault"}
        if not vault.signed(_digest(said).encode(), bytes.fromhex(self.manifest["vault"]), purpose=_PURPOSE):
            raise PlanRefused("the plan was made under other vault keys than these", _AGAIN)

    def check_source(self, source: Path) -> None:
        """The source is the planned one, byte for byte. Raises PlanRefused."""
        if not source.is_file():
            raise PlanRefused(f"the source {source.name} is not there", "Name it with --source.")
        if file_digest(source) != self.manifest["source"]["sha256"]:
            raise PlanRefused(f"the source {source.name} has changed since the plan was made", _AGAIN)


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def sealed_manifest(manifest: Mapping[str, Any], vault: Vault) -> dict[str, Any]:
    """The manifest with the vault's signature, so that it serves that vault's database alone, and its own digest."""
    unsigned = {name: value for name, value in manifest.items() if name != "vault"}
    signed = unsigned | {"vault": vault.sign(_digest(unsigned).encode(), purpose=_PURPOSE).hex()}
    return signed | {"digest": _digest(signed)}


def _digest(manifest: Mapping[str, Any]) -> str:
    held = {name: value for name, value in manifest.items() if name != "digest"}
    return hashlib.sha256(orjson.dumps(held, option=orjson.OPT_SORT_KEYS)).hexdigest()


def describe(plan_id: str, system: str, now: datetime) -> dict[str, Any]:
    """The manifest's head."""
    return {"format": FORMAT, "rules": RULES_VERSION, "run_id": plan_id, "system": system, "made_at": now.isoformat()}


def load(path: Path) -> Plan:
    """The plan in that directory. Raises PlanRefused if anything in it has changed."""
    try:
        manifest = orjson.loads((path / MANIFEST).read_bytes())
        if not isinstance(manifest, dict) or manifest.get("digest") != _digest(manifest):
            raise PlanRefused("the manifest was changed", _AGAIN)
        if (manifest["format"], manifest["rules"]) != (FORMAT, RULES_VERSION):
            raise PlanRefused("the plan was made by other rules than this program's", _AGAIN)
        for part, name in _PARTS:
            if file_digest(path / name) != manifest[part]["sha256"]:
                raise PlanRefused(f"{name} was changed since the plan was made", _AGAIN)
    except (OSError, ValueError):
        raise PlanRefused(f"{path.name} is no plan", "Name the directory that `yitong merge plan` printed.") from None
    return Plan(path, manifest)
