"""The export of everything held about a person, as JSON (PIPL art. 45; Network Data Security Regulation art. 25).

idp/rights/exported_tables.py says what is in the copy. Only here are the person's own numbers written in full.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from accounts import audit
from accounts.database import Connection, Statement
from accounts.people import natural_persons
from accounts.vault import Vault
from idp.rights.exported_tables import EXPORTED, NOT_EXPORTED, ExportedTable

FORMAT = "yitong-account-export"
VERSION = 1
EVENT = "person:export:download"
_person: sa.BindParameter[str] = sa.bindparam("person", type_=sa.Text)


def reference() -> str:
    """The text of docs/reference/export.md: every member of the file, and what is left out."""
    head = (
        "# The export · 导出文件\n\n"
        "Written from `idp/rights/exported_tables.py` by `scripts/docs-export`; a test fails when it is stale.\n"
        "A person downloads it at `/account/export` after a login of the last twenty minutes. The download is on "
        "record and is never cached. The file is UTF-8 JSON; times are RFC 3339 in UTC.\n\n"
        "| member | |\n|---|---|\n"
        f"| `format`, `version` | `{FORMAT}`, {VERSION}. Within a version members are added, never changed |\n"
        "| `issuer`, `exported_at` | who wrote it, and when |\n"
        "| `data` | an object with one list for each heading below; each entry is an object |\n"
        "| `left_out` | what is not in the file, each with the reason |\n\n"
        "Rows about accounts that were merged into the person's are in the same lists.\n\nNot in the file:\n\n"
    )
    left_out = "".join(f"- `{name}`: {why}.\n" for name, why in NOT_EXPORTED.items())
    return head + left_out + "".join(map(_section, EXPORTED))


def _section(each: ExportedTable) -> str:
    members = ", ".join(f"`{name}`" for name in each.copied())
    missing = "".join(f"- `{name}`: {why}.\n" for name, why in each.left_out.items())
    return f"\n## {each.name}\n\n{each.about}\n\nMembers: {members}.\n" + (
        f"\nLeft out:\n\n{missing}" if missing else ""
    )


_ABSORBED = (
    sa.select(natural_persons.c.id).where(natural_persons.c.merged_into == _person).cte("absorbed", recursive=True)
)
_MERGED = Statement(
    sa.select(
        _ABSORBED.union(
            sa.select(natural_persons.c.id).join(_ABSORBED, natural_persons.c.merged_into == _ABSORBED.c.id)
        ).c.id
    )
)


def export(c: Connection, vault: Vault, person_id: str, *, issuer: str, now: datetime) -> dict[str, Any]:
    """Everything held about the person, and about the accounts that were merged into theirs. Raises SealBroken.

    Times are UTC. The call is recorded in the caller's transaction.
    """
    persons = [person_id, *(row.id for row in c.rows(_MERGED, person=person_id))]
    audit.append(c, EVENT, now=now, person=person_id)
    return {
        "format": FORMAT,
        "version": VERSION,
        "issuer": issuer,
        "exported_at": now,
        "data": {each.name: list(_rows(c, vault, each, persons)) for each in EXPORTED},
        "left_out": {
            **NOT_EXPORTED,
            **{f"{each.name}.{name}": why for each in EXPORTED for name, why in each.left_out.items()},
        },
    }


def as_json(document: Mapping[str, Any]) -> bytes:
    """The document as UTF-8 JSON, indented, so that a person can read it, too."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS  # names of columns are their own type
    return orjson.dumps(document, option=options)


def _rows(c: Connection, vault: Vault, each: ExportedTable, persons: Iterable[str]) -> Iterator[dict[str, Any]]:
    for person_id in persons:
        for row in c.rows(each.rows, person=person_id):
            yield each.copied_row(vault, row)
