"""Release of claims: what may be released for a request, what UserInfo answers and what an ID token carries.

Everything is limited to the ceiling that the client is registered for today. All functions are pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Protocol

from idp.oidc.consent.claims import BY_NAME, CLAIMS, ClaimSources, RequestedClaims, Sensitivity, by_names


class ClientCeiling(Protocol):
    """What this module reads of a client (`idp.oidc.clients.registry.Client` is one)."""

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes the client may ask for."""

    @property
    def claims_ceiling(self) -> tuple[str, ...]:
        """The claims the client may ever be given."""

    @property
    def purpose(self) -> str:
        """The registered purpose of the claims."""

    @property
    def legal_basis(self) -> str:
        """The registered basis, such as `statutory_duty` or `consent`."""


_BY_SCOPE = {scope: tuple(c.name for c in CLAIMS if c.scope == scope) for scope in {c.scope for c in CLAIMS}}


def granted(scopes: Iterable[str], requested: RequestedClaims, client: ClientCeiling) -> tuple[str, ...]:
    """The claims that may be released: the requested ones within the client's ceiling, in the catalogue's order.

    A request for more is no error (OpenID Connect Core §5.5): the rest is left out.
    """
    return within_ceiling(_requested(scopes, requested), client)


def within_ceiling(names: Iterable[str], client: ClientCeiling) -> tuple[str, ...]:
    """The claims that the client may have today. Its ceiling may have been lowered since the release."""
    has_basis = bool(client.purpose and client.legal_basis)
    return _under(frozenset(names), client.scopes, client.claims_ceiling, has_basis)


@lru_cache(maxsize=4096)  # keys are names of the catalogue and registered values only
def _under(
    names: frozenset[str],
    scopes: tuple[str, ...],
    ceiling: tuple[str, ...],
    has_basis: bool,  # noqa: FBT001 - a key
) -> tuple[str, ...]:
    """A sensitive claim needs a purpose and a basis."""
    return tuple(
        claim.name
        for claim in by_names(names)
        if claim.name in ceiling
        and claim.scope in scopes
        and (has_basis or claim.sensitivity is not Sensitivity.SENSITIVE)
    )


def scopes_within_ceiling(scopes: Iterable[str], client: ClientCeiling) -> tuple[str, ...]:
    """Of the scopes given once, those that the client is registered for today."""
    return tuple(scope for scope in scopes if scope in client.scopes)


def userinfo_names(
    released: Iterable[str], scopes: Iterable[str], requested: RequestedClaims | None = None
) -> tuple[str, ...]:
    """Of the released claims, those that UserInfo answers: a scope or the `userinfo` member asked for them."""
    wanted, named = frozenset(scopes), (requested or {}).get("userinfo", {})
    rows = (BY_NAME[name] for name in released if name in BY_NAME)
    return tuple(c.name for c in rows if c.scope in wanted or (c.name in named and not c.only_by_scope))


def id_token_names(released: Iterable[str], requested: RequestedClaims | None = None) -> tuple[str, ...]:
    """Of the released claims, those in the ID token: named by the `id_token` member, and not sensitive."""
    named = (requested or {}).get("id_token", {})
    return tuple(
        c.name
        for c in by_names(name for name in released if name in named)
        if not c.only_by_scope and c.sensitivity is not Sensitivity.SENSITIVE
    )


def values(names: Iterable[str], facts: ClaimSources) -> dict[str, Any]:
    """Each claim's value. An unknown fact is left out, not null (OpenID Connect Core §5.3.2)."""
    found = {name: BY_NAME[name].source(facts) for name in names if name in BY_NAME}
    return {name: value for name, value in found.items() if value is not None}


def id_token_claims(released: Iterable[str], requested: RequestedClaims | None, facts: ClaimSources) -> dict[str, Any]:
    """The released claims in the ID token, besides its own."""
    return values(id_token_names(released, requested), facts)


def _requested(scopes: Iterable[str], requested: RequestedClaims) -> frozenset[str]:
    """The claims of these scopes, and those that the parameter names. One `only_by_scope` needs its scope."""
    by_scope = _of_each(tuple(scopes))
    if not requested:
        return by_scope
    by_name = (name for member in requested.values() for name in member)
    return by_scope | {claim.name for claim in by_names(by_name) if not claim.only_by_scope}


@lru_cache(maxsize=1024)  # keys are registered scopes only
def _of_each(scopes: tuple[str, ...]) -> frozenset[str]:
    return frozenset(name for scope in scopes for name in _BY_SCOPE.get(scope, ()))
