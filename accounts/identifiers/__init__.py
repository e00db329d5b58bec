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

# What a login form's one field may hold, in the order tried; their shapes do not overlap. Taiwan's travel permits are
# left out: eight digits are too often a login name or an employee number.
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
    """The identifier of that kind that the text spells. Raises InvalidIdentifier, whose code and cure say why not."""
    return _BY_KIND[kind].parse(text)


def guess_person_identifier(text: str) -> Identifier | None:
    """What a person typed to say who they are, or None: then it is a login name. Never raises.

    A 15-digit citizen number is upgraded; an ambiguous one is None.
    """
    return _first_that_reads(_PERSON_KINDS, text) or _upgraded(text)


def resident_number(text: str) -> Identifier | None:
    """A citizen's or resident's 18 characters, whichever the area says, or None: for importers of one mixed column."""
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
