"""What a stranger learns from registration about who has an account: nothing, by words, addresses or statements."""

import re

import pytest

from accounts.credentials import password as passwords
from accounts.identifiers import Mobile, parse
from accounts.people import NewPerson
from accounts.phones import verify
from idp.login import person_status
from tests.conftest import Clock
from tests.fixtures.registrations import DAMING, SANDBOX, XIAOYU, YULAN, Registrant, last_code
from tests.fixtures.relying_party import Browser
from tests.fixtures.site import PASSWORD, Site

STRANGERS_PHONE = "+8613900000077"
STATUSES = ("active", "disabled")
PATHS = {
    "wrong name": lambda p: [p.name(XIAOYU, name="赵无名")],
    "right name": lambda p: [p.name(XIAOYU)],
    "deceased": lambda p: [p.name(YULAN)],
    "malformed number": lambda p: [p.name(XIAOYU, number=XIAOYU.number[:-1] + "0")],
    "another face": lambda p: [p.name(DAMING), p.prove("face_match"), p.prove("network_identity")],
    "unfinished": lambda p: [p.name(XIAOYU), p.send("/sign-up/proof", answer="face_match"), p.browser.get("/sign-up")],
    "a stranger's phone": lambda p: [
        p.name(XIAOYU),
        p.send("/sign-up/proof", answer="phone"),
        p.phone(STRANGERS_PHONE),
        p.code("000000"),
        p.code(last_code(p.browser.site)),
    ],
    "the holder's phone without the code": lambda p: [
        p.name(XIAOYU),
        p.send("/sign-up/proof", answer="phone"),
        p.phone(XIAOYU.phone),
        p.code("000000"),
        p.send("/sign-up/code", answer="other"),
    ],
    "nothing typed": lambda p: [p.name(XIAOYU, number=""), p.name(XIAOYU, name="")],
}


def everybody_registers(site: Site, status: str) -> None:
    """The persons of all paths have accounts with a password and a verified phone."""
    services, now = site.services, site.clock()
    with site.database.transaction() as c:
        for who in (XIAOYU, DAMING, YULAN):
            made = services.people.register(c, NewPerson(who.name, (parse(who.kind, who.number),)), now=now)
            passwords.store(c, services.vault, made.id, services.hasher.hash(PASSWORD), now=now)
            if who.phone:
                phone = Mobile.parse(who.phone)
                verify(c, services.people, made.id, phone, source="test", now=now, actor=None)
            if status != "active":
                person_status.change(c, services.people, made.id, status, actor="test", now=now)


def seen(site: Site, path: str) -> list[object]:
    """For each page of the path its status, addresses and text without tokens; and the number of statements of all."""
    site.clock.advance(hours=1)  # the registers may be asked again about the same number
    person, found = Registrant(Browser(site)), []
    person.start()
    counted: list[int] = []
    site.database.count = lambda: counted.append(1)
    for shown in PATHS[path](person):
        text = re.sub(r'(name="csrf_token" value|nonce)="[^"]*"', "", shown.text)
        found.append((shown.status, " ".join(shown.visited), text))
    site.database.count = lambda: None
    return [*found, len(counted)]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("path", PATHS)
def test_a_stranger_sees_the_same_for_everybody(database_url: str, clock: Clock, path: str, status: str):
    """Pages, addresses and the number of statements are the same whether the person has an account or not."""
    site = Site(database_url, clock, settings=SANDBOX)
    seen(site, path)  # the caches are full from here on
    unknown = seen(site, path)
    everybody_registers(site, status)
    assert seen(site, path) == unknown
    site.database.close()
