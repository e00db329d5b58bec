"""The `claims` parameter (OpenID Connect Core §5.5): read, and reduced to what has an effect here.

Relying systems write what they know of a person into it: a number as `value` of `identity_number`, a phone. Nothing
here compares these values, so they are dropped. Kept are the names of our claims, `essential`, our levels for `acr`,
and the required `sub`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from idp.oidc import assurance
from idp.oidc.consent import claims
from idp.oidc.consent.claims import RequestedClaims
from idp.oidc.errors import InvalidRequest, UnmetAuthenticationRequirements
from idp.oidc.untrusted_json import UnreadableJson, read_object

Requested = dict[str, dict[str, Any]]
_MEMBERS = ("userinfo", "id_token")
_MOST_CLAIMS = 50
_MOST_SECONDS = 2**31 - 1  # 68 years: no check is older


def read_claims(text: str | None) -> Requested:
    """What is asked. Raises InvalidRequest, or UnmetAuthenticationRequirements if no essential `acr` is a level."""
    if text is None:
        return {}
    try:
        document = read_object(text)
    except UnreadableJson as error:
        raise InvalidRequest(f"claims cannot be read ({error}); see OpenID Connect Core 5.5") from None
    wishes = {member: _read_member(document[member]) for member in _MEMBERS if document.get(member)}
    _check_acr_and_sub(wishes.get("id_token", {}))
    if essential_acr(wishes) and not any(map(assurance.parse, essential_acr(wishes))):
        raise UnmetAuthenticationRequirements("no essential acr value is one of acr_values_supported")
    return {member: _effective(member, asked) for member, asked in wishes.items()}


def with_subject(requested: RequestedClaims, subject: str | None) -> Requested:
    """The same claims with the required `sub`. None leaves them unchanged."""
    asked = {member: {**wishes} for member, wishes in requested.items()}
    if subject is not None:
        asked.setdefault("id_token", {})["sub"] = {"value": subject}
    return asked


def without_subject(requested: RequestedClaims) -> Requested:
    """The same claims without the `sub`. The client wrote it, so it is stored sealed and not here."""
    asked = {member: {**wishes} for member, wishes in requested.items()}
    if requested_subject(requested) is not None:
        asked["id_token"]["sub"] = None
    return asked


def _read_member(member: Any) -> dict[str, Any]:
    if not isinstance(member, dict) or len(member) > _MOST_CLAIMS:
        raise InvalidRequest(f"each member of claims must be an object of at most {_MOST_CLAIMS} claims")
    return {name: _wish(wish) for name, wish in member.items()}


def _wish(wish: Any) -> dict[str, Any] | None:
    """The request for one claim: null, or those of `essential`, `value` and `values` that it has."""
    if wish is None:
        return None
    well_formed = isinstance(wish, dict) and isinstance(wish.get("essential", False), bool)
    if not well_formed or not isinstance(wish.get("values", []), list):
        raise InvalidRequest("claims: each claim is null or an object with essential, value or values")
    return {key: wish[key] for key in ("essential", "value", "values", "max_age") if key in wish}


def _check_acr_and_sub(wishes: Mapping[str, dict[str, Any] | None]) -> None:
    """Raises InvalidRequest for a malformed `acr` or `sub`, because any person could meet a misread one."""
    acr, sub = (wishes.get(name) or {} for name in ("acr", "sub"))
    named = [*acr.get("values", ()), *(wish["value"] for wish in (acr, sub) if wish.get("value") is not None)]
    _check_age(acr)
    if acr.get("values") == [] or not all(isinstance(text, str) for text in named):
        raise InvalidRequest("claims: acr and sub take strings, and values holds at least one")
    if "values" in sub:
        raise InvalidRequest("claims: sub takes one person; send value instead of values")


def _check_age(acr: Mapping[str, Any]) -> None:
    """Raises InvalidRequest unless `max_age` is a number of seconds and comes with `essential`, which it limits."""
    age = acr.get("max_age")
    if age is None:
        return
    if isinstance(age, bool) or not isinstance(age, int) or age < 0 or acr.get("essential") is not True:
        raise InvalidRequest("claims: max_age of acr is a whole number of seconds, 0 or more, with essential: true")


def _effective(member: str, wishes: Mapping[str, dict[str, Any] | None]) -> dict[str, Any]:
    known = claims.claims_supported()
    return {name: _kept(member, name, wish or {}) for name, wish in wishes.items() if name in known}


def _kept(member: str, name: str, wish: Mapping[str, Any]) -> dict[str, Any] | None:
    kept: dict[str, Any] = {"essential": True} if wish.get("essential") else {}
    if member == "id_token" and name == "sub" and wish.get("value") is not None:
        kept["value"] = wish["value"]
    if member == "id_token" and name == "acr":
        levels = [level for level in requested_acr({"id_token": {"acr": wish}}) if assurance.parse(level)]
        kept |= {"values": list(dict.fromkeys(levels))} if levels else {}
        kept |= {"max_age": min(wish["max_age"], _MOST_SECONDS)} if levels and wish.get("max_age") is not None else {}
    return kept or None


def essential_acr(requested: RequestedClaims) -> tuple[str, ...]:
    """The `acr` values of which one must be met. Empty if none is essential (OpenID Connect Core §5.5.1.1)."""
    return requested_acr(requested) if _wish_for(requested, "acr").get("essential") is True else ()


def essential_evidence_age(requested: RequestedClaims) -> timedelta | None:
    """The greatest age of the evidence for an essential `acr` (`max_age`, a member from OpenID Identity Assurance)."""
    age = _wish_for(requested, "acr").get("max_age")
    return timedelta(seconds=age) if isinstance(age, int) and essential_acr(requested) else None


def requested_acr(requested: RequestedClaims) -> tuple[str, ...]:
    """The `acr` values the `id_token` member names, essential or not."""
    member = _wish_for(requested, "acr")
    wished = member.get("values") or [member.get("value")]
    return tuple(value for value in wished if isinstance(value, str))


def requested_subject(requested: RequestedClaims) -> str | None:
    """The `sub` that `claims.id_token.sub.value` requires, or None."""
    value = _wish_for(requested, "sub").get("value")
    return value if isinstance(value, str) else None


def _wish_for(requested: RequestedClaims, name: str) -> Mapping[str, Any]:
    return requested.get("id_token", {}).get(name) or {}
