"""Organisations: who they are, who may act for them, and what the enterprise register says of both.

`legal_persons` has the organisations themselves and is re-exported here. `delegations` has the rules of appointing,
accepting and removing, `register` follows the enterprise register, and `authority` answers whether a person may act for
an organisation now.
"""

from __future__ import annotations

from accounts.organisations.legal_persons import (
    LEGAL_ATTRIBUTES,
    LEGAL_IDENTIFIER,
    LegalPerson,
    LegalPersonAttributes,
    LegalPersons,
    NewLegalPerson,
    legal_person_identifiers,
    legal_persons,
)

__all__ = [
    "LEGAL_ATTRIBUTES",
    "LEGAL_IDENTIFIER",
    "LegalPerson",
    "LegalPersonAttributes",
    "LegalPersons",
    "NewLegalPerson",
    "legal_person_identifiers",
    "legal_persons",
]
