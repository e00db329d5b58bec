"""Which person owns a row's account, by rules and never by scores. A decision has a class, a rule and its evidence.

A row is linked only if number and name agree and nothing contradicts. A missing value is not agreement. All other rows
wait for their owners, in the class that names what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

RULES_VERSION = "1"  # part of every plan's digest: a plan is applied by the rules that made it

AUTO = "auto"
ALREADY_LINKED = "already_linked"
CONTESTED = "contested_number"
REFUSED = "refused"  # no account was read, so no rule decides
PARKED: tuple[tuple[str, str], ...] = (
    ("personal_key", "the system's key is itself a citizen ID number or a phone"),
    ("duplicate_in_system", "the key occurs more than once in the export"),
    ("no_number", "no citizen ID number"),
    ("bad_number", "the number cannot be one: see the reason"),
    ("no_name", "no usable name beside the number"),
    ("contradiction", "birth date, sex or the owner's status contradicts"),
    ("not_the_same", "somebody has said before that this pair is not the same"),
    ("name_conflict", "the number's owner has another name"),
    (CONTESTED, "this export, or an earlier one, gives the number to several names"),
    ("old_number_unconfirmed", "a 15-digit number that no second source confirms"),
)
CLASSES: tuple[str, ...] = (AUTO, ALREADY_LINKED, *(name for name, _ in PARKED), REFUSED)

BY_NUMBER_AND_NAME = f"number_and_name/{RULES_VERSION}"
BY_OLD_NUMBER_CONFIRMED = f"old_number_confirmed/{RULES_VERSION}"


@dataclass(frozen=True, slots=True)
class MatchEvidence:
    """What the row, the register and the rest of the export say about one account, without a personal value."""

    key_is_personal: bool
    key_occurs: int
    linked: bool
    number_problem: str | None
    number_was_old: bool
    has_name: bool
    birth: str  # agrees | contradicts | absent
    sex: str
    holder: str | None  # id of the person who holds the number already
    holder_active: bool
    holder_name_agrees: bool
    separated: bool
    names_on_number: int
    contested_before: bool
    confirmed_by_full_number: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """The class of one row. `rule` is set only where it is linked, `reason` where the class does not say enough."""

    kind: str
    rule: str | None = None
    reason: str | None = None
    evidence: Mapping[str, str] | None = None


def decide(facts: MatchEvidence) -> Decision:
    """The one class of this row: the first that applies. Reasons for doubt come before agreement."""
    return _of_the_key(facts) or _of_the_row(facts) or _of_the_number(facts)


def _of_the_key(facts: MatchEvidence) -> Decision | None:
    if facts.key_is_personal:
        return Decision("personal_key")
    if facts.key_occurs > 1:
        return Decision("duplicate_in_system")
    return Decision(ALREADY_LINKED) if facts.linked else None


def _of_the_row(facts: MatchEvidence) -> Decision | None:
    if facts.number_problem == "no_number":
        return Decision("no_number")
    if facts.number_problem:
        return Decision("bad_number", reason=facts.number_problem)
    if not facts.has_name:
        return Decision("no_name")
    for what in ("birth", "sex"):
        if getattr(facts, what) == "contradicts":
            return Decision("contradiction", reason=what)
    return None


def _of_the_number(facts: MatchEvidence) -> Decision:
    if facts.holder is not None:
        return _of_the_holder(facts)
    if facts.names_on_number > 1:
        return Decision(CONTESTED)
    if facts.contested_before:
        return Decision(CONTESTED, reason="earlier_export")
    if facts.number_was_old and not facts.confirmed_by_full_number:
        return Decision("old_number_unconfirmed")
    return _linked(facts)


def _of_the_holder(facts: MatchEvidence) -> Decision:
    if facts.separated:
        return Decision("not_the_same")
    if not facts.holder_active:
        return Decision("contradiction", reason="owner_not_active")
    return _linked(facts) if facts.holder_name_agrees else Decision("name_conflict")


def _linked(facts: MatchEvidence) -> Decision:
    rule = BY_OLD_NUMBER_CONFIRMED if facts.number_was_old else BY_NUMBER_AND_NAME
    evidence = {
        "number": "15 digits, confirmed" if facts.number_was_old else "agrees",
        "name": "exact",
        "birth": facts.birth,
        "sex": facts.sex,
        "person": "known" if facts.holder else "new",
    }
    return Decision(AUTO, rule, None, evidence)
