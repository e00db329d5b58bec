"""What a stranger learns from a lost password about who has an account: nothing, by words, addresses or statements."""

import re

import pytest

from idp.login import person_status
from tests.fixtures.recoveries import PHONE, SETTINGS, Forgetful, give_authenticator, give_phone, give_recovery_codes
from tests.fixtures.relying_party import Browser
from tests.fixtures.site import Citizen, Site, citizen_number

CODE = "0000-1111-2222-3333"
PATHS = {
    "right name": lambda p, who: [p.start(who)],
    "wrong name": lambda p, who: [p.start(who, name="赵无名")],
    "their phone": lambda p, who: [p.start(who), p.choose("phone"), p.phone(PHONE), p.code("000000"), p.code("000000")],
    "wrong name, their phone": lambda p, who: [p.start(who, name="赵无名"), p.choose("phone"), p.phone(PHONE)],
    "another phone": lambda p, who: [p.start(who), p.choose("phone"), p.phone("13900000077"), p.code("000000")],
    "a recovery code": lambda p, who: [p.start(who), p.choose("recovery-code"), p.type("recovery-code", CODE)],
    "a code of the counter": lambda p, who: [p.start(who), p.choose("counter"), p.type("counter", CODE)],
    "an app first": lambda p, who: [p.start(who), p.browser.post("/recover/way", {"answer": "totp"})],
    "another way": lambda p, who: [p.start(who), p.choose("phone"), p.send("/recover/phone", answer="back")],
}  # fmt: skip
OWNERS = ("plain", "phone", "everything", "disabled")


def owner(site: Site, kind: str) -> Citizen:
    """A person with less or more to prove themselves with."""
    person = site.register_person(7)
    if kind != "plain":
        give_phone(site, person)
    if kind == "everything":
        give_authenticator(site, person)
        give_recovery_codes(site, person)
    if kind == "disabled":
        with site.database.transaction() as c:
            person_status.change(c, site.services.people, person.id, "disabled", actor="test", now=site.clock())
    return person


def seen(site: Site, path: str, who: Citizen) -> list[object]:
    """For each page of the path its status, addresses and text without tokens; and the number of statements of all."""
    source = f"203.0.113.{list(PATHS).index(path) + 1}"  # one network gets few tries at a number
    person, found = Forgetful(Browser(site, source=source)), []
    counted: list[int] = []
    site.database.count = lambda: counted.append(1)
    for shown in PATHS[path](person, who):
        text = re.sub(r'(name="csrf_token" value|nonce)="[^"]*"', "", shown.text)
        found.append((shown.status, " ".join(shown.visited), re.sub(r"\d{3}-\d{3}-\d{3}", "", text)))
    site.database.count = lambda: None
    return [*found, len(counted)]


@pytest.mark.parametrize("kind", OWNERS)
def test_a_stranger_sees_the_same_for_everybody(database_url, clock, kind):
    """Pages, addresses and the number of statements are the same whatever the account has, and without an account."""
    site = Site(database_url, clock, settings=SETTINGS)
    nobody = Citizen("", citizen_number(7))
    for path in PATHS:
        seen(site, path, nobody)  # the caches are full from here on
    clock.advance(days=2)
    unknown = {path: seen(site, path, nobody) for path in PATHS}
    person = owner(site, kind)
    clock.advance(days=2)
    assert {path: seen(site, path, person) for path in PATHS} == unknown
    site.database.close()
