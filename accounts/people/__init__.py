"""The persons we know: natural persons, their identifiers and phones. Numbers are sealed and found by blind index.

The database, not this code, keeps an active identifier unique. Everywhere else a random key stands for the person.
Legal persons (accounts.organisations) are reached through the same class, for callers that know only People.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any

import orjson
import sqlalchemy as sa

from accounts.database import Connection, Statement, UtcDateTime, metadata, new_id
from accounts.errors import Conflict
from accounts.identifiers import Identifier, IdentifierKind, Mobile, Uscc, parse
from accounts.organisations import LegalPerson, LegalPersonAttributes, LegalPersons, NewLegalPerson
from accounts.people.restriction import restrictions
from accounts.vault import Vault
from accounts.vault.blind_index import matches, terms

OWN_PAGES = ("active", "restricted")  # statuses with which a person may see their own account

MOST_HOLDERS = 5  # per phone and answer: families share a number, and nobody may make us list thousands


natural_persons = sa.Table(
    "natural_persons",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("attributes", sa.LargeBinary, nullable=False),  # sealed JSON: name, birth date, sex, e-mail, address
    sa.Column("merged_into", sa.Text, sa.ForeignKey("natural_persons.id"), index=True),
    sa.Column("restriction_id", sa.Text, sa.ForeignKey(restrictions.c.id)),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.CheckConstraint("status IN ('active', 'restricted', 'disabled', 'deceased', 'merged', 'closed')", name="status"),
    sa.CheckConstraint("(status = 'restricted') = (restriction_id IS NOT NULL)", name="restriction"),
)

person_identifiers = sa.Table(
    "person_identifiers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("blind_index", sa.LargeBinary, nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime),
)
sa.Index(
    "uq_person_identifiers_active",
    person_identifiers.c.kind,
    person_identifiers.c.blind_index,
    unique=True,
    sqlite_where=person_identifiers.c.until.is_(None),
    postgresql_where=person_identifiers.c.until.is_(None),
)

person_phones = sa.Table(
    "person_phones",
    metadata,
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), primary_key=True),
    sa.Column("blind_index", sa.LargeBinary, primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("is_primary", sa.Boolean, nullable=False),
    sa.Column("verified_at", UtcDateTime),
    sa.Column("created_at", UtcDateTime, nullable=False),
)
sa.Index("ix_person_phones_blind_index", person_phones.c.blind_index)

ATTRIBUTES = "natural_persons.attributes"
IDENTIFIER = "person_identifiers.sealed"
PHONE = "person_phones.sealed"


@dataclass(frozen=True, slots=True)
class NewPerson:
    """A person as proofing found them. Each identifier becomes active; the first phone becomes the primary one."""

    name: str = field(repr=False)
    identifiers: tuple[Identifier, ...]
    phones: tuple[Mobile, ...] = ()
    birth_date: date | None = field(default=None, repr=False)
    sex: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    address: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class PersonAttributes:
    """The content of a person's seal."""

    name: str = field(repr=False)
    birth_date: date | None = field(default=None, repr=False)
    sex: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    address: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class NaturalPerson:
    """A person's row; `attributes` is sealed and opened by `People.attributes`."""

    id: str
    status: str
    attributes: bytes = field(repr=False)
    merged_into: str | None
    restriction_id: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class PersonIdentifier:
    """One number a person has or had. `until` is None while it is active."""

    id: str
    kind: IdentifierKind
    canonical: str = field(repr=False)
    since: datetime
    until: datetime | None

    @property
    def identifier(self) -> Identifier:
        """The number as an Identifier."""
        return parse(self.kind, self.canonical)


@dataclass(frozen=True, slots=True)
class PersonPhone:
    """One phone of a person, E.164. Only a verified phone (`verified_at`) ever finds its holder."""

    canonical: str = field(repr=False)
    is_primary: bool
    verified_at: datetime | None


_INSERT_PERSON = Statement(sa.insert(natural_persons))
_INSERT_IDENTIFIER = Statement(sa.insert(person_identifiers))
_INSERT_PHONE = Statement(sa.insert(person_phones))
_BY_ID = Statement(sa.select(natural_persons).where(natural_persons.c.id == sa.bindparam("person_id")))
_FIND = Statement(
    sa.select(person_identifiers.c.person_id).where(
        person_identifiers.c.kind == sa.bindparam("identifier_kind"),
        matches(person_identifiers.c.blind_index),
        person_identifiers.c.until.is_(None),
    )
)
# The order is a rule: see find_by_phone. The key decides between people verified in the same microsecond.
PHONE_ORDER = (person_phones.c.is_primary.desc(), person_phones.c.verified_at, person_phones.c.person_id)
_FIND_BY_PHONE = Statement(
    sa.select(person_phones.c.person_id)
    .join(natural_persons, natural_persons.c.id == person_phones.c.person_id)
    .where(
        matches(person_phones.c.blind_index),
        person_phones.c.verified_at.is_not(None),
        natural_persons.c.status.in_([sa.literal(status, sa.Text) for status in OWN_PAGES]),
    )
    .order_by(*PHONE_ORDER)
    .limit(MOST_HOLDERS)
)
_IDENTIFIERS = Statement(
    sa.select(person_identifiers)
    .where(person_identifiers.c.person_id == sa.bindparam("person_id"))
    .order_by(person_identifiers.c.since, person_identifiers.c.id)
)
_KINDS_HELD = Statement(
    sa.select(person_identifiers.c.kind).where(
        person_identifiers.c.person_id == sa.bindparam("person_id"), person_identifiers.c.until.is_(None)
    )
)
_PHONES = Statement(
    sa.select(person_phones).where(person_phones.c.person_id == sa.bindparam("person_id")).order_by(*PHONE_ORDER)
)
_VERIFY_PHONE = Statement(
    sa.update(person_phones)
    .where(person_phones.c.person_id == sa.bindparam("holder"), matches(person_phones.c.blind_index))
    .values(verified_at=sa.bindparam("now", type_=UtcDateTime))
)
_CHANGE_ATTRIBUTES = Statement(
    sa.update(natural_persons)
    .where(natural_persons.c.id == sa.bindparam("person"), natural_persons.c.attributes == sa.bindparam("was"))
    .values(attributes=sa.bindparam("sealed"), updated_at=sa.bindparam("now", type_=UtcDateTime))
)
_CHANGE_STATUS = Statement(
    sa.update(natural_persons)
    .where(natural_persons.c.id == sa.bindparam("person"), natural_persons.c.status != sa.bindparam("new_status"))
    .values(
        status=sa.bindparam("new_status"),
        restriction_id=sa.bindparam("under", type_=sa.Text),
        updated_at=sa.bindparam("now", type_=UtcDateTime),
    )
)


class People:
    """The register of persons, on one vault. It holds no connection and no state, so threads may share it."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self._organisations = LegalPersons(vault)

    def register(self, c: Connection, new: NewPerson, *, now: datetime) -> NaturalPerson:
        """Store the person as active, with every identifier and phone (phones unverified).

        Needs an open transaction (otherwise RuntimeError: half a person must not remain). Raises Conflict if somebody
        already holds an active identifier; then the transaction must end.
        """
        _require_transaction(c)
        for identifier in new.identifiers:  # the unique index covers the current key, this covers older keys
            if self.find(c, identifier) is not None:
                raise Conflict(detail="uq_person_identifiers_active")
        sealed = self.vault.seal(_attributes_json(new), place=ATTRIBUTES)
        person = NaturalPerson(new_id(), "active", sealed, None, None, now, now)
        c.execute(_INSERT_PERSON, **_person_row(person))
        for identifier in new.identifiers:
            self.add_identifier(c, person.id, identifier, now=now)
        for position, phone in enumerate(new.phones):
            c.execute(_INSERT_PHONE, **self._phone_row(person.id, phone, now) | {"is_primary": position == 0})
        return person

    def by_id(self, c: Connection, person_id: str) -> NaturalPerson | None:
        """The person, whatever the status, or None."""
        row = c.one(_BY_ID, person_id=person_id)
        return NaturalPerson(*row) if row else None

    def find(self, c: Connection, identifier: Identifier) -> str | None:
        """The id of the person who holds this identifier now, whatever their status, or None."""
        row = c.one(_FIND, identifier_kind=identifier.kind.value, **self.terms(identifier))
        return row.person_id if row else None

    def find_by_phone(self, c: Connection, phone: Mobile) -> tuple[str, ...]:
        """The active persons who verified this phone: primary holders first, then who verified it earliest.

        At most MOST_HOLDERS. A phone is not a person: use the first one only to ask for a secret.
        """
        return tuple(row.person_id for row in c.rows(_FIND_BY_PHONE, **self.terms(phone)))

    def change_contact(
        self, c: Connection, person_id: str, *, email: str | None, address: str | None, now: datetime
    ) -> bool:
        """Set e-mail and address, which nobody proves. Proven facts stay as they are.

        False if the person does not exist, or if their row was changed in this moment by somebody else.
        """
        person = self.by_id(c, person_id)
        if person is None:
            return False
        changed = asdict(self.attributes(person.attributes)) | {"email": email, "address": address}
        sealed = self.vault.seal(_json(changed), place=ATTRIBUTES)
        return c.execute(_CHANGE_ATTRIBUTES, person=person_id, was=person.attributes, sealed=sealed, now=now) == 1

    def sealed_name(self, name: str) -> bytes:
        """Attributes of which only the name is left."""
        return self.vault.seal(_json({"name": name}), place=ATTRIBUTES)

    def attributes(self, sealed: bytes) -> PersonAttributes:
        """The opened content of `natural_persons.attributes`. Raises SealBroken."""
        return _attributes(orjson.loads(self.vault.open(sealed, place=ATTRIBUTES)))

    def identifiers(self, c: Connection, person_id: str) -> tuple[PersonIdentifier, ...]:
        """Every identifier the person has or had, oldest first, opened. Raises SealBroken."""
        return tuple(
            PersonIdentifier(
                row.id, IdentifierKind(row.kind), self.vault.open(row.sealed, place=IDENTIFIER), row.since, row.until
            )
            for row in c.rows(_IDENTIFIERS, person_id=person_id)
        )

    def kinds_held(self, c: Connection, person_id: str) -> frozenset[IdentifierKind]:
        """The kinds of the identifiers that the person holds now. Nothing is opened."""
        return frozenset(IdentifierKind(row.kind) for row in c.rows(_KINDS_HELD, person_id=person_id))

    def phones(self, c: Connection, person_id: str) -> tuple[PersonPhone, ...]:
        """The person's phones, primary first, opened. Raises SealBroken."""
        return tuple(
            self.opened_phone(row.sealed, is_primary=row.is_primary, verified_at=row.verified_at)
            for row in c.rows(_PHONES, person_id=person_id)
        )

    def opened_phone(self, sealed: bytes, *, is_primary: bool, verified_at: datetime | None) -> PersonPhone:
        """A phone from its row, opened. Raises SealBroken."""
        return PersonPhone(self.vault.open(sealed, place=PHONE), is_primary, verified_at)

    def add_identifier(self, c: Connection, person_id: str, identifier: Identifier, *, now: datetime) -> None:
        """The person also holds this identifier from now on. Raises Conflict if it is in use."""
        c.execute(
            _INSERT_IDENTIFIER,
            id=new_id(),
            person_id=person_id,
            kind=identifier.kind.value,
            sealed=self.vault.seal(identifier.canonical, place=IDENTIFIER),
            blind_index=self.vault.index(identifier.canonical, kind=identifier.kind.value),
            since=now,
            until=None,
        )

    def add_phone(
        self, c: Connection, person_id: str, phone: Mobile, *, now: datetime, is_primary: bool = False
    ) -> None:
        """Add an unverified phone. It finds nobody until `phone_verified`. Raises Conflict if it is there already."""
        c.execute(_INSERT_PHONE, **self._phone_row(person_id, phone, now) | {"is_primary": is_primary})

    def phone_verified(self, c: Connection, person_id: str, phone: Mobile, *, now: datetime) -> bool:
        """Record that the person has just proven to hold this phone. False if the person does not have it."""
        return c.execute(_VERIFY_PHONE, holder=person_id, now=now, **self.terms(phone)) > 0

    def change_status(
        self, c: Connection, person_id: str, status: str, *, now: datetime, restriction_id: str | None = None
    ) -> bool:
        """Set the status. False if the person had it before, or does not exist.

        Raises Conflict for a status the table does not know, and for `restricted` without its restriction. Sessions and
        grants stay open: use `idp.login.person_status`, which ends them too.
        """
        return c.execute(_CHANGE_STATUS, person=person_id, new_status=status, under=restriction_id, now=now) == 1

    def register_legal_person(self, c: Connection, new: NewLegalPerson, *, now: datetime) -> LegalPerson:
        """As accounts.organisations.LegalPersons.register."""
        _require_transaction(c)
        return self._organisations.register(c, new, now=now)

    def find_legal_person(self, c: Connection, identifier: Identifier) -> str | None:
        """As accounts.organisations.LegalPersons.find."""
        return self._organisations.find(c, identifier)

    def legal_person_by_id(self, c: Connection, legal_person_id: str) -> LegalPerson | None:
        """As accounts.organisations.LegalPersons.by_id."""
        return self._organisations.by_id(c, legal_person_id)

    def legal_person_attributes(self, sealed: bytes) -> LegalPersonAttributes:
        """As accounts.organisations.LegalPersons.attributes."""
        return self._organisations.attributes(sealed)

    def uscc(self, c: Connection, legal_person_id: str) -> Uscc | None:
        """As accounts.organisations.LegalPersons.uscc."""
        return self._organisations.uscc(c, legal_person_id)

    def describe_legal_person(
        self, c: Connection, legal_person_id: str, attributes: LegalPersonAttributes, *, now: datetime
    ) -> None:
        """As accounts.organisations.LegalPersons.describe."""
        self._organisations.describe(c, legal_person_id, attributes, now=now)

    def terms(self, identifier: Identifier) -> dict[str, bytes]:
        """The parameters of `accounts.vault.blind_index.matches` for this identifier or phone."""
        return terms(self.vault, identifier.canonical, kind=identifier.kind.value)

    def _phone_row(self, person_id: str, phone: Mobile, now: datetime) -> dict[str, Any]:
        return {
            "person_id": person_id,
            "blind_index": self.vault.index(phone.canonical, kind=phone.kind.value),
            "sealed": self.vault.seal(phone.canonical, place=PHONE),
            "verified_at": None,
            "created_at": now,
        }


def _require_transaction(c: Connection) -> None:
    if not c.in_transaction:
        raise RuntimeError("a person is registered inside a transaction, so that half a person never remains")


def _person_row(person: NaturalPerson) -> dict[str, Any]:
    return {name: getattr(person, name) for name in natural_persons.columns.keys()}  # noqa: SIM118 - column names


def _attributes_json(new: NewPerson) -> str:
    held = {name: getattr(new, name) for name in PersonAttributes.__dataclass_fields__}
    return _json(held)


def _json(held: Mapping[str, Any]) -> str:
    return orjson.dumps({key: value for key, value in held.items() if value is not None}).decode()


def _attributes(held: Mapping[str, Any]) -> PersonAttributes:
    born = held.get("birth_date")
    return PersonAttributes(
        name=held["name"],
        birth_date=date.fromisoformat(born) if born else None,
        sex=held.get("sex"),
        email=held.get("email"),
        address=held.get("address"),
    )
