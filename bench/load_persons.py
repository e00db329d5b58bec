"""A city in the table: N invented persons, sealed and indexed as the product does it, copied into PostgreSQL.

Run by hand: `python bench/load_persons.py postgresql://… 5000000`. `make bench PERSONS=5000000` calls the same.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import orjson
import psycopg
from rich.progress import Progress

from accounts.database import Database, new_id
from accounts.identifiers import checks
from accounts.people import ATTRIBUTES, IDENTIFIER
from accounts.vault import Vault
from accounts.vault.vault_keys import VaultKeys

_A_DAY = 999
_FIRST_BIRTHDAY = date(1890, 1, 1)
_BATCH = 20_000


def citizen_number(n: int) -> str:
    """The n-th number of area 519999, births from 1890 on: no living person has one."""
    born = _FIRST_BIRTHDAY + timedelta(days=n // _A_DAY)
    seventeen = f"519999{born:%Y%m%d}{n % _A_DAY + 1:03}"
    return seventeen + checks.mod_11_2(seventeen)


def load_persons(url: str, vault: Vault, count: int) -> None:
    """Store that many persons, each with a name, a birth date and a citizen number that finds them."""
    if not count:
        return
    _require_own_keys(url, vault)
    now = (datetime.now(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    with psycopg.connect(url) as connection, Progress(disable=count < _BATCH) as progress:
        task = progress.add_task("persons", total=count)
        for start in range(0, count, _BATCH):
            rows = list(_persons(vault, range(start, min(start + _BATCH, count))))
            with connection.cursor().copy(
                "COPY natural_persons (id, status, attributes, created_at, updated_at) FROM STDIN (FORMAT BINARY)"
            ) as copy:
                copy.set_types(["text", "text", "bytea", "int8", "int8"])
                for person_id, sealed, _, _ in rows:
                    copy.write_row((person_id, "active", sealed, now, now))
            with connection.cursor().copy(
                "COPY person_identifiers (id, person_id, kind, sealed, blind_index, since) FROM STDIN (FORMAT BINARY)"
            ) as copy:
                copy.set_types(["text", "text", "text", "bytea", "bytea", "int8"])
                for person_id, _, number, index in rows:
                    copy.write_row((new_id(), person_id, "citizen_id", number, index, now))
            progress.update(task, completed=start + len(rows))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE natural_persons, person_identifiers")


def _require_own_keys(url: str, vault: Vault) -> None:
    """Raises VaultKeyMismatch: under other keys than the database's, the persons could not be found."""
    with closing(Database(url, admit=VaultKeys(vault, lambda: datetime.now(UTC)).admit)) as database:
        database.connection()


def _persons(vault: Vault, numbers: range) -> Iterator[tuple[str, bytes, bytes, bytes]]:
    for n in numbers:
        number = citizen_number(n)
        attributes = {"name": f"市民{n}", "birth_date": f"{number[6:10]}-{number[10:12]}-{number[12:14]}"}
        yield (
            new_id(),
            vault.seal(orjson.dumps(attributes).decode(), place=ATTRIBUTES),
            vault.seal(number, place=IDENTIFIER),
            vault.index(number, kind="citizen_id"),
        )


if __name__ == "__main__":
    from idp.services import build_services
    from idp.settings import load

    load_persons(sys.argv[1], build_services(load()).vault, int(sys.argv[2]))
