"""Identifiers of people and organisations: read, checked, normalised, masked (docs/reference/identifiers.md)."""

from __future__ import annotations

from accounts.errors import InvalidIdentifier
from accounts.identifiers.citizen import CitizenId, ForeignerCard, HkmoResidencePermit, TwResidencePermit
from accounts.identifiers.cures import CURES, ENGLISH
from accounts.identifiers.identifier import Identifier, IdentifierKind, normalise
from accounts.identifiers.mobile import Mobile
from accounts.identifiers.organisations import BusinessRegistration, OrganisationCode, Uscc
from accounts.identifiers.travel import HkmoTravelPermit, Passport, TwTravelPermit

KINDS: tuple[type[Identifier], ...] = (
    CitizenId,
    HkmoResidencePermit,
    TwResidencePermit,
    HkmoTravelPermit,
    TwTravelPermit,
    ForeignerCard,
    Passport,
    Uscc,
    OrganisationCode,
    BusinessRegistration,
    Mobile,
)
_BY_KIND = {cls.kind: cls for cls in KINDS}

# What the one field of a login form may contain, in the order tried. Their shapes do not overlap. Taiwan's travel
# permits are left out: eight digits are too often a login name or an employee number.
_PERSON_KINDS: tuple[type[Identifier], ...] = (
    CitizenId,
    HkmoResidencePermit,
    TwResidencePermit,
    HkmoTravelPermit,
    ForeignerCard,
    Mobile,
)
_RESIDENT_KINDS: tuple[type[Identifier], ...] = (CitizenId, HkmoResidencePermit, TwResidencePermit)


def parse(kind: IdentifierKind, text: str) -> Identifier:
    """The identifier of that kind in the text. Raises InvalidIdentifier; its code and cure say what is wrong."""
    return _BY_KIND[kind].parse(text)


def guess_person_identifier(text: str) -> Identifier | None:
    """The identifier that a person typed, or None for a login name. Never raises.

    A 15-digit citizen number is upgraded. An ambiguous one gives None.
    """
    return _first_that_reads(_PERSON_KINDS, text) or _upgraded(text)


def resident_number(text: str) -> Identifier | None:
    """A citizen's or resident's number of 18 characters, by its area, or None.

    For importers of one column with mixed kinds.
    """
    return _first_that_reads(_RESIDENT_KINDS, text)


def _first_that_reads(kinds: tuple[type[Identifier], ...], text: str) -> Identifier | None:
    for kind in kinds:
        try:
            return kind.parse(text)
        except InvalidIdentifier:
            continue
    return None


def _upgraded(text: str) -> Identifier | None:
    try:
        return CitizenId.upgrade_15(text)
    except InvalidIdentifier:
        return None


__all__ = [
    "CURES",
    "ENGLISH",
    "KINDS",
    "BusinessRegistration",
    "CitizenId",
    "ForeignerCard",
    "HkmoResidencePermit",
    "HkmoTravelPermit",
    "Identifier",
    "IdentifierKind",
    "Mobile",
    "OrganisationCode",
    "Passport",
    "TwResidencePermit",
    "TwTravelPermit",
    "Uscc",
    "guess_person_identifier",
    "normalise",
    "parse",
    "resident_number",
]
