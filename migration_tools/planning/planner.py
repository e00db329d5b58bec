"""Making a plan: the export is checked, then its accounts are compared with the register and with one another.

The database is only read. The directory gets its name when the plan is complete, never before.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from accounts import merging, private_files
from accounts.database import Connection, Database, new_id
from accounts.identifiers import CitizenId
from accounts.merging import lookups, number_conflicts
from accounts.people import People
from accounts.vault import Vault
from migration_tools import readers
from migration_tools.errors import MergeRefused
from migration_tools.mapping import Mapping
from migration_tools.planning import normalise, plan, refusals, screening
from migration_tools.planning.batches import in_batches
from migration_tools.planning.matching import AUTO, CLASSES, REFUSED, Decision, MatchEvidence, decide
from migration_tools.planning.plan import LeaveOut, Line, Plan
from migration_tools.planning.refusals import Refusals
from migration_tools.planning.staging import StagedRow, Staging
from migration_tools.progress import Advance, Shown
from migration_tools.readers.legacy_account import LegacyAccount, RefusedRow

_CHUNK = 500
_LEAST_OF_LAST = 0.99
_ABANDONED = timedelta(days=1)


@dataclass(slots=True)
class _Tally:
    """The counts of a plan, for the waterfall and the conservation check.

    A person is counted at the first link of their number. A mark on the first row of that number needs one byte for a
    row, where a set of ids would need a hundred.
    """

    seen: bytearray
    kinds: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    passwords: Counter[str] = field(default_factory=Counter)
    new: int = 0
    known: int = 0

    def add(self, line: Line, first_row: int | None) -> None:
        """The line is counted."""
        self.kinds[line.kind] += 1
        if line.reason:
            self.reasons[f"{line.kind}:{line.reason}"] += 1
        if line.kind == AUTO and first_row is not None:
            self.passwords[line.password or screening.NONE] += 1
            fresh = not self.seen[first_row]
            self.seen[first_row] = 1
            self.new += fresh and line.is_new
            self.known += fresh and not line.is_new

    def add_refused(self, causes: Counter[str]) -> None:
        """These rows are counted as refused, by their causes."""
        self.kinds[REFUSED] += causes.total()
        self.reasons.update({f"{REFUSED}:{cause}": count for cause, count in causes.items()})


def make_plan(
    database: Database,
    vault: Vault,
    mapping: Mapping,
    source: Path,
    out: Path,
    *,
    now: datetime,
    shown: Shown,
    leave_out: LeaveOut | None = None,
) -> Plan:
    """The plan for this source is in a new directory under `out`. Nothing is written to the database.

    Rows that are no accounts are refused one by one and named in the plan; with `leave_out` it can be applied without
    them. Raises SourceRefused for a file in which rows might be lost, MergeRefused for an empty or shrunken source.
    """
    digest = plan.file_digest(source) if source.is_file() else ""
    _remove_abandoned(out, now)
    work = out / f".partial-{mapping.system.id}-{secrets.token_hex(4)}"
    private_files.make_directory(work)
    staging = Staging(work / "work.db")
    try:
        with shown(f"checking {mapping.system.id}", None) as advance, Refusals(work / refusals.NAME) as refused:
            rows = _check(source, mapping, refused, advance)
        _guard(database.connection(), mapping, rows)
        beside = (
            f", refused rows: {refused.rows:,}" if refused.rows else ""
        )  # printed now, so that the operator can stop here
        with shown(f"reading {mapping.system.id}{beside}", rows - refused.rows) as advance:
            reading = _Reading(database.connection(), vault, mapping, is_whole=leave_out is None)
            reading.stage(source, staging, advance)
        manifest = plan.describe(new_id(), mapping.system.id, now)
        manifest |= {"mapping": {"name": mapping.path.name, "sha256": mapping.digest}}
        manifest |= {"refused": _refused(work, leave_out)}
        with shown(f"comparing {mapping.system.id}", rows - refused.rows) as advance:
            staging.compare()
            manifest |= _source(source, digest, rows) | _write_lines(staging, work, rows, refused.causes, advance)
        _write(work / plan.MAPPING, mapping.path.read_bytes())
        made = plan.sealed_manifest(manifest, vault)
        _write(work / plan.MANIFEST, orjson.dumps(made, option=orjson.OPT_INDENT_2))
        staging.close()
        return plan.load(work.rename(out / f"{mapping.system.id}-{made['digest'][:12]}"))
    except BaseException:
        staging.close()
        shutil.rmtree(work, ignore_errors=True)
        raise


def _write(path: Path, content: bytes) -> None:
    with private_files.opened(path, "wb") as file:
        file.write(content)


def _remove_abandoned(out: Path, now: datetime) -> None:
    """Directories of killed planners are deleted after a day: a working table holds the keys of all accounts."""
    for left in out.glob(".partial-*"):
        if now.timestamp() - left.stat().st_mtime > _ABANDONED.total_seconds():
            shutil.rmtree(left, ignore_errors=True)


def _source(source: Path, digest: str, rows: int) -> dict[str, Any]:
    if plan.file_digest(source) != digest:
        raise MergeRefused("source_moving", f"{source.name} changed while it was read", "Plan from a finished export.")
    return {
        "source": {
            "name": source.name,
            "path": str(source.resolve()),
            "sha256": digest,
            "bytes": source.stat().st_size,
            "rows": rows,
        }
    }


def _refused(work: Path, leave_out: LeaveOut | None) -> dict[str, Any]:
    said = asdict(leave_out) if leave_out else None
    return {"sha256": plan.file_digest(work / refusals.NAME), "leave_out": said}


def _guard(c: Connection, mapping: Mapping, rows: int) -> None:
    """Refuse an empty or shrunken source: half an export must not look like half a city gone."""
    if rows == 0:
        cure = "Export again; for a directory, check source.object_class in the mapping."
        raise MergeRefused("source_empty", "the source has no rows", cure)
    if mapping.source.expect_rows is not None:
        least, most = mapping.source.expect_rows
        if not least <= rows <= most:
            cause = f"{rows:,} rows where the mapping expects {least:,} to {most:,}"
            raise MergeRefused("source_size", cause, "Export again, or correct source.expect_rows.")
        return
    last = merging.last_run(c, mapping.system.id)
    if last is not None and rows < last.rows_read * _LEAST_OF_LAST:
        cause = f"{rows:,} rows where the last run read {last.rows_read:,}"
        raise MergeRefused("source_shrunken", cause, "Export again; if it is right, say so in source.expect_rows.")


def _check(source: Path, mapping: Mapping, refused: Refusals, advance: Advance) -> int:
    """Every row can be read or is refused. Returns how many rows there are. Raises SourceRefused.

    This is a small part of a plan's time. A person who merges a city learns of an open quote now, not after an hour.
    """
    count = 0
    for rows in in_batches(readers.read(source, mapping), _CHUNK):
        refused.add(row for row in rows if isinstance(row, RefusedRow))
        count += len(rows)
        advance(len(rows))
    return count


class _Reading:
    """Each account is read and compared with the register.

    A system's complete export settles what its earlier exports contested. An export that may leave rows out settles
    nothing, because the other name may be in a row that cannot be read.
    """

    def __init__(self, c: Connection, vault: Vault, mapping: Mapping, *, is_whole: bool) -> None:
        self._c, self._vault, self._mapping = c, vault, mapping
        self._settled_by = mapping.system.id if is_whole else ""
        self._people = People(vault)
        self._recipe = mapping.recipe
        self._unsalted = screening.is_unsalted(self._recipe)

    def stage(self, source: Path, staging: Staging, advance: Advance) -> None:
        """Every account is staged."""
        found = (row for row in readers.read(source, self._mapping) if isinstance(row, LegacyAccount))
        for accounts in in_batches(found, _CHUNK):
            staging.add(self._staged(accounts))
            advance(len(accounts))

    def _staged(self, accounts: Sequence[LegacyAccount]) -> list[StagedRow]:
        persons = [_person(account) for account in accounts]
        numbers = [p.number.number for p in persons if p.number.number]
        held = lookups.holders(self._c, self._vault, numbers)
        contested = number_conflicts.contested(self._c, self._vault, self._settled_by, numbers)
        uids = [account.uid for account in accounts]
        linked = lookups.linked(self._c, self._mapping.system.id, uids)
        separated = lookups.separated(self._c, self._mapping.system.id, uids)
        return [
            self._row(account, person, held, account.uid in linked, separated, contested)
            for account, person in zip(accounts, persons, strict=True)
        ]

    def _row(
        self,
        account: LegacyAccount,
        person: normalise.Person,
        held: dict[CitizenId, lookups.NumberHolder],
        linked: bool,  # noqa: FBT001 - a fact of the row, not a choice
        separated: frozenset[tuple[str, str]],
        contested: frozenset[CitizenId],
    ) -> StagedRow:
        number = person.number.number
        holder = held.get(number) if number else None
        return StagedRow(
            row=account.row,
            uid=account.uid,
            number_key=self._key(number.canonical, "number") if number else None,
            name_key=self._key(person.name, "name") if person.name else None,
            number_problem=person.number.problem,
            number_was_old=person.number.was_old,
            birth=_agreement(person.birth_date, number.birth_date if number else None),
            sex=_agreement(person.sex, number.sex if number else None),
            key_is_personal=normalise.is_personal(account.uid),
            linked=linked,
            holder=holder.person_id if holder else None,
            holder_active=holder is not None and holder.status == "active",
            holder_name_agrees=holder is not None and self._name_of(holder) == person.name,
            separated=holder is not None and (account.uid, holder.person_id) in separated,
            contested=number in contested,
            password=screening.screened(account, person, self._recipe),
            hash_key=self._key(account.password, "hash") if self._unsalted and account.password else None,
        )

    def _name_of(self, holder: lookups.NumberHolder) -> str | None:
        return normalise.read_name(self._people.attributes(holder.attributes).name)

    def _key(self, value: str, kind: str) -> bytes:
        return self._vault.index(value, kind=f"merge_staging_{kind}")[:16]


def _person(account: LegacyAccount) -> normalise.Person:
    return normalise.Person(
        normalise.read_number(account.number),
        normalise.read_name(account.name),
        normalise.read_date(account.birth),
        normalise.read_sex(account.sex),
        normalise.read_phone(account.phone),
    )


def _agreement(said: date | str | None, of_number: date | str | None) -> str:
    """Whether two values agree. A missing value is not agreement."""
    if said is None or of_number is None:
        return "absent"
    return "agrees" if said == of_number else "contradicts"


def _write_lines(staging: Staging, work: Path, rows: int, refused: Counter[str], advance: Advance) -> dict[str, Any]:
    """Every account's class is written. Returns the manifest's counts. Raises if any row is lost."""
    seed, tally, digest = secrets.token_bytes(32), _Tally(bytearray(rows + 1)), hashlib.sha256()
    with private_files.opened(work / plan.LINES, "wb") as file:
        for count, row in enumerate(staging.rows(), 1):
            line = _line(row, decide(_facts(row)), seed)
            tally.add(line, row.first_row)
            written = line.to_json() + b"\n"
            digest.update(written)
            file.write(written)
            if count % _CHUNK == 0:
                advance(_CHUNK)
    accounts = tally.kinds.total()
    advance(accounts % _CHUNK)
    tally.add_refused(refused)
    if tally.kinds.total() != rows:
        cause = f"{rows} rows were read, {accounts} classified and {refused.total()} refused"
        raise MergeRefused("conservation", cause, "This is a fault of the program; please report it.")
    return {
        "lines": {"sha256": digest.hexdigest(), "count": accounts},
        "counts": {kind: tally.kinds[kind] for kind in CLASSES},
        "reasons": dict(sorted(tally.reasons.items())),
        "passwords": {state: tally.passwords[state] for state in screening.STATES},
        "persons": {"new": tally.new, "known": tally.known},
    }


def _facts(row: Any) -> MatchEvidence:
    return MatchEvidence(
        key_is_personal=bool(row.key_is_personal),
        key_occurs=row.key_occurs,
        linked=bool(row.linked),
        number_problem=row.number_problem,
        number_was_old=bool(row.number_was_old),
        has_name=row.name_key is not None,
        birth=row.birth,
        sex=row.sex,
        holder=row.holder,
        holder_active=bool(row.holder_active),
        holder_name_agrees=bool(row.holder_name_agrees),
        separated=bool(row.separated),
        names_on_number=row.names or 0,
        contested_before=bool(row.contested),
        confirmed_by_full_number=bool(row.full),
    )


def _line(row: Any, decision: Decision, seed: bytes) -> Line:
    if decision.kind != AUTO:
        uid = "" if decision.kind == "personal_key" else row.uid
        return Line(row.row, uid, decision.kind, decision.reason)
    reserved = hashlib.sha256(seed + row.first_row.to_bytes(8)).hexdigest()[:32]
    default = screening.DERIVABLE if row.frequent_hash is not None else row.password
    return Line(
        row=row.row,
        uid=row.uid,
        kind=AUTO,
        rule=decision.rule,
        person=row.holder or reserved,
        is_new=row.holder is None,
        password=default,
        evidence=decision.evidence,
    )
