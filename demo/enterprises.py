"""The invented enterprises of the demonstration city, as the sandbox's register has them, and who acts for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from accounts.identifiers import Uscc, parse
from accounts.organisations.delegations import Appointment, Invitee
from accounts.organisations.paths import Role
from demo.people import PERSONAS, Persona
from idp.services import Services

_YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Enterprise:
    """One enterprise. `handlers` act for it in `matters`; without any, its representative has not come yet."""

    uscc: str
    name: str
    representative: str
    shows: str
    shows_zh: str
    handlers: tuple[str, ...] = ()
    matters: frozenset[str] = frozenset()


ENTERPRISES: tuple[Enterprise, ...] = (
    Enterprise(
        "91519999MA7DEM0AXW",
        "泸州示例酿造有限责任公司",
        "李建国",
        "at the enterprise services the handler sees tax and social insurance only; the representative sees everything",
        "在企业服务，经办人只见纳税和社保两项，法定代表人可办全部；",
        handlers=("何家豪",),
        matters=frozenset({"tax", "social_insurance"}),
    ),
    Enterprise(
        "93519999MA7NARCH4R",
        "泸州示例柑橘专业合作社",
        "王秀英",
        "nobody acts for it yet: its representative types its code at /organisations and may then appoint others",
        "还没有人代表它：法定代表人在“我的单位”填统一社会信用代码，就能代表它，也能再授权别人；",
    ),
)


def load(services: Services, now: datetime) -> None:
    """Each enterprise with handlers has its representative and them, unless anybody has acted for it before.

    A later run of the demonstration changes nothing: whoever was removed stays removed.
    """
    for each in ENTERPRISES:
        uscc = Uscc.parse(each.uscc)
        known = services.people.find_legal_person(services.database.connection(), uscc)
        is_new = known is None or not services.delegations.history(services.database.connection(), known, 1)
        if each.handlers and is_new:
            _take_office(services, each, uscc, now)


def described(each: Enterprise) -> dict[str, Any]:
    """The enterprise as scripts need it."""
    told = {"uscc": each.uscc, "name": each.name, "representative": each.representative}
    return told | {"handlers": list(each.handlers), "shows": each.shows, "shows_zh": each.shows_zh}


def _take_office(services: Services, each: Enterprise, uscc: Uscc, now: datetime) -> None:
    head = _person(services, _persona(each.representative))
    organisation = services.register.claim(services.database, head, uscc, now=now)
    authority = services.authority.check(head, organisation, now).authority
    if authority is None:
        return  # the representative was disabled in an older city
    for name in each.handlers:
        persona = _persona(name)
        invitee = Invitee(parse(persona.kind, persona.number), persona.name)
        offer = Appointment(Role.HANDLER, invitee, matters=each.matters, expires_at=now + _YEAR)
        with services.database.transaction() as c:
            made = services.delegations.appoint(c, authority.delegation_id, head, offer, now=now)
            services.delegations.accept(c, made, _person(services, persona), now=now)


def _persona(name: str) -> Persona:
    return next(each for each in PERSONAS if each.name == name)


def _person(services: Services, persona: Persona) -> str:
    found = services.people.find(services.database.connection(), parse(persona.kind, persona.number))
    if found is None:
        raise LookupError(f"{persona.kind}: the persona has no account yet")
    return found
