"""`yitong people end-passkeys`: for a person who has lost a device, after somebody checked who they are."""

from datetime import timedelta

from accounts import audit
from accounts.database import Database
from accounts.identifiers import IdentifierKind, parse
from idp.login import sessions
from idp.login.sessions import SessionLifetimes
from idp.oidc.assurance import authentication
from idp.services import build_services, utc_now
from idp.settings import Settings
from tests.contracts.test_cli_changes import NUMBER, run
from tests.fixtures.authenticator import Authenticator

DAY = SessionLifetimes(idle=timedelta(hours=1), absolute=timedelta(hours=12))


def test_the_passkeys_of_a_lost_device_end_with_every_session(yitong, database: Database):
    """All passkeys are gone, all sessions are over, and the record names who did it; a second run changes nothing."""
    run(yitong, "people add")
    services, now = build_services(Settings()), utc_now()
    with services.database.transaction() as c:
        person = services.people.find(c, parse(IdentifierKind.CITIZEN_ID, NUMBER))
        for device in (Authenticator(), Authenticator()):
            offer = services.passkeys.offer(c, person, "", now)
            verified = services.passkeys.verify_registration(
                device.register(offer.challenge, offer.user_handle),
                offer.challenge,
                offer.user_handle,
                person_id=person,
                browser="",
                now=now,
            )
            services.passkeys.register(c, person, verified, made_on=None, channel="web", now=now)
        proven, place = authentication(("swk",), now, 0), {"channel": "web", "user_agent": None, "source": None}
        sessions.open_session(c, sessions.prepare(person, proven, DAY, **place, now=now))
    services.database.close()
    answer = yitong("people", "end-passkeys", "--yes", typed=f"{NUMBER}\n")
    assert "2 passkeys removed, 1 sessions ended" in answer.output
    assert "nothing was changed" in yitong("people", "end-passkeys", "--yes", typed=f"{NUMBER}\n").output
    records = [
        each
        for each in audit.recent(database.connection(), person, 20)
        if each.detail == {"kind": "passkey", "removed": 2}
    ]
    assert [(each.event.name, each.actor[:9]) for each in records] == [("person:credential:remove", "operator:")]
    assert not services.passkeys.of_person(database.connection(), person)
