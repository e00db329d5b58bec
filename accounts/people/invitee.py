"""Whom an invitation names: a number and the name that must belong to it, sealed, and found by the number's index.

The invitation is shown to the person who has exactly these two, whether or not they have an account yet, and the
inviter never learns which. Once it is answered, both are erased from its row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from accounts.errors import InvalidName
from accounts.identifiers import Identifier, IdentifierKind, Uscc, parse
from accounts.identifiers.names import person_name
from accounts.vault import Vault

FORGOTTEN: Mapping[str, None] = {"invitee": None, "invitee_index": None, "invitee_kind": None}


@dataclass(frozen=True, slots=True)
class Invitee:
    """A number, and the name as the inviter wrote it."""

    number: Identifier
    name: str = field(repr=False)

    def text(self) -> str:
        """What a row seals, at the place that is its column."""
        return orjson.dumps([self.number.canonical, self._recorded()]).decode()

    def columns(self, vault: Vault, sealed: bytes) -> dict[str, Any]:
        """The values of the three columns of a row, with the sealed `text`."""
        kind = self.number.kind.value
        index = vault.index(self.number.canonical, kind=kind)
        return {"invitee": sealed, "invitee_kind": kind, "invitee_index": index}

    def _recorded(self) -> str:
        """The name as accounts record it. An organisation's name is only shown, and found by its code."""
        if isinstance(self.number, Uscc):
            return self.name
        try:
            return person_name(self.name)
        except InvalidName:
            return self.name  # it names nobody, and the inviter must not learn that


def opened(vault: Vault, row: Any, *, place: str) -> Invitee | None:
    """The invitee of a row, or None once the invitation was answered. Raises SealBroken."""
    if row.invitee is None:
        return None
    canonical, name = orjson.loads(vault.open(row.invitee, place=place))
    return Invitee(parse(IdentifierKind(row.invitee_kind), canonical), name)


def indexed_number(sealed: str) -> str:
    """Of an opened invitee, the number that is indexed."""
    canonical: str = orjson.loads(sealed)[0]
    return canonical
