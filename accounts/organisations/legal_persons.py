"""Legal persons: enterprises and other organisations, found by unified social credit code or an older number.

A credit code is public, but it is sealed like a citizen's number: who acts for whom is not public.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime

import orjson
import sqlalchemy as sa

from accounts.database import Connection, Statement, UtcDateTime, metadata, new_id
from accounts.errors import Conflict
from accounts.identifiers import Identifier, Uscc
from accounts.vault import Vault
from accounts.vault.blind_index import matches, terms

legal_persons = sa.Table(
    "legal_persons",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("attributes", sa.LargeBinary, nullable=False),  # sealed JSON: name, type, address
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.CheckConstraint("status IN ('active', 'disabled', 'dissolved')", name="status"),
)

legal_person_identifiers = sa.Table(
    "legal_person_identifiers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("legal_person_id", sa.Text, sa.ForeignKey("legal_persons.id"), nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("blind_index", sa.LargeBinary, nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime),
)
sa.Index(
    "uq_legal_person_identifiers_active",
    legal_person_identifiers.c.kind,
    legal_person_identifiers.c.blind_index,
    unique=True,
    sqlite_where=legal_person_identifiers.c.until.is_(None),
    postgresql_where=legal_person_identifiers.c.until.is_(None),
)

LEGAL_ATTRIBUTES = "legal_persons.attributes"
LEGAL_IDENTIFIER = "legal_person_identifiers.sealed"


@dataclass(frozen=True, slots=True)
class LegalPersonAttributes:
    """The content of a legal person's seal. `kind` is the register's word, e.g. 有限责任公司."""

    name: str
    kind: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class NewLegalPerson:
    """A legal person as its register describes it."""

    attributes: LegalPersonAttributes
    identifiers: tuple[Identifier, ...]


@dataclass(frozen=True, slots=True)
class LegalPerson:
    """A legal person's row; `attributes` is sealed and opened by `LegalPersons.attributes`."""

    id: str
    status: str
    attributes: bytes = field(repr=False)
    created_at: datetime
    updated_at: datetime


_INSERT = Statement(sa.insert(legal_persons))
_INSERT_IDENTIFIER = Statement(sa.insert(legal_person_identifiers))
_BY_ID = Statement(sa.select(legal_persons).where(legal_persons.c.id == sa.bindparam("legal_person_id")))
_FIND = Statement(
    sa.select(legal_person_identifiers.c.legal_person_id).where(
        legal_person_identifiers.c.kind == sa.bindparam("identifier_kind"),
        matches(legal_person_identifiers.c.blind_index),
        legal_person_identifiers.c.until.is_(None),
    )
)
_USCC = Statement(
    sa.select(legal_person_identifiers.c.sealed).where(
        legal_person_identifiers.c.legal_person_id == sa.bindparam("legal_person_id"),
        legal_person_identifiers.c.kind == "uscc",
        legal_person_identifiers.c.until.is_(None),
    )
)
_DESCRIBE = Statement(
    sa.update(legal_persons)
    .where(legal_persons.c.id == sa.bindparam("legal_person_id"))
    .values(
        attributes=sa.bindparam("new_attributes", type_=sa.LargeBinary),
        updated_at=sa.bindparam("now", type_=UtcDateTime),
    )
)


class LegalPersons:
    """The register of legal persons, on one vault."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault

    def register(self, c: Connection, new: NewLegalPerson, *, now: datetime) -> LegalPerson:
        """Store the legal person as active. Raises Conflict if one of its identifiers is in use."""
        for identifier in new.identifiers:
            if self.find(c, identifier) is not None:
                raise Conflict(detail="uq_legal_person_identifiers_active")
        sealed = self._sealed(new.attributes)
        person = LegalPerson(new_id(), "active", sealed, now, now)
        c.execute(_INSERT, **{name: getattr(person, name) for name in legal_persons.columns.keys()})  # noqa: SIM118
        for identifier in new.identifiers:
            self._add_identifier(c, person.id, identifier, now)
        return person

    def by_id(self, c: Connection, legal_person_id: str) -> LegalPerson | None:
        """The legal person, whatever the status, or None."""
        row = c.one(_BY_ID, legal_person_id=legal_person_id)
        return LegalPerson(*row) if row else None

    def find(self, c: Connection, identifier: Identifier) -> str | None:
        """The id of the legal person that holds this identifier now, or None."""
        row = c.one(_FIND, identifier_kind=identifier.kind.value, **self._terms(identifier))
        return row.legal_person_id if row else None

    def uscc(self, c: Connection, legal_person_id: str) -> Uscc | None:
        """The code that the legal person holds now, opened, or None. Raises SealBroken."""
        row = c.one(_USCC, legal_person_id=legal_person_id)
        return Uscc(self.vault.open(row.sealed, place=LEGAL_IDENTIFIER)) if row else None

    def describe(
        self, c: Connection, legal_person_id: str, attributes: LegalPersonAttributes, *, now: datetime
    ) -> None:
        """The legal person has these attributes, as the register has them now."""
        c.execute(_DESCRIBE, legal_person_id=legal_person_id, new_attributes=self._sealed(attributes), now=now)

    def attributes(self, sealed: bytes) -> LegalPersonAttributes:
        """The opened content of `legal_persons.attributes`. Raises SealBroken."""
        return LegalPersonAttributes(**orjson.loads(self.vault.open(sealed, place=LEGAL_ATTRIBUTES)))

    def _sealed(self, attributes: LegalPersonAttributes) -> bytes:
        return self.vault.seal(orjson.dumps(asdict(attributes)).decode(), place=LEGAL_ATTRIBUTES)

    def _add_identifier(self, c: Connection, legal_person_id: str, identifier: Identifier, now: datetime) -> None:
        c.execute(
            _INSERT_IDENTIFIER,
            id=new_id(),
            legal_person_id=legal_person_id,
            kind=identifier.kind.value,
            sealed=self.vault.seal(identifier.canonical, place=LEGAL_IDENTIFIER),
            blind_index=self.vault.index(identifier.canonical, kind=identifier.kind.value),
            since=now,
            until=None,
        )

    def _terms(self, identifier: Identifier) -> dict[str, bytes]:
        return terms(self.vault, identifier.canonical, kind=identifier.kind.value)
