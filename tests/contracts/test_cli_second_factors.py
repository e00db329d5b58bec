"""`yitong people end-second-factors`: for a person who lost phone and paper, after somebody checked who they are."""

from datetime import timedelta

import pytest

from accounts import audit
from accounts.credentials import recovery_codes, totp
from accounts.database import Database
from accounts.identifiers import IdentifierKind, parse
from idp.login import sessions
from idp.login.sessions import SessionLifetimes
from idp.oidc.assurance import authentication
from idp.services import Services, build_services, utc_now
from idp.settings import Settings
from tests.contracts.test_cli_changes import NUMBER, run
from tests.fixtures.authenticator_app import shown

DAY = SessionLifetimes(idle=timedelta(hours=1), absolute=timedelta(hours=12))


def set_up(services: Services) -> str:
    """A person of `people add` with an authenticator, recovery codes and a session. Returns their id."""
    now = utc_now()
    with services.database.transaction() as c:
        person = services.people.find(c, parse(IdentifierKind.CITIZEN_ID, NUMBER))
        totp.begin(c, services.vault, person, session="s", now=now)
        code = shown(totp.pending(c, services.vault, person, session="s", now=now).secret, now)
        added = audit.row("person:credential:add", now=now, person=person)
        assert totp.confirm(c, services.vault, person, code, session="s", now=now, record=added)
        recovery_codes.renew(c, services.vault, person, now=now)
        proven, place = authentication(("pwd", "otp"), now, 0), {"channel": "web", "user_agent": None, "source": None}
        sessions.open_session(c, sessions.prepare(person, proven, DAY, **place, now=now))
    return person


@pytest.mark.parametrize("answer", ["--yes", "y"])
def test_second_factors_end_with_every_session(yitong, database: Database, answer: str):
    """Apps, codes and sessions are gone and the record names who did it; a second run changes nothing."""
    run(yitong, "people add")
    services = build_services(Settings())
    person = set_up(services)
    services.database.close()
    given = ("--yes",) if answer == "--yes" else ()
    done = yitong("people", "end-second-factors", *given, typed=f"{NUMBER}\n{answer}\n")
    assert "1 authenticators, 1 sessions ended" in done.output
    assert "no second factor" in yitong("people", "end-second-factors", "--yes", typed=f"{NUMBER}\n").output
    c = database.connection()
    assert (totp.of(c, person), recovery_codes.of(c, person)) == ((), None)
    assert sessions.of_person(c, person, utc_now()) == ()
    removed = [each for each in audit.recent(c, person, 20) if each.event.name == "person:credential:remove"]
    assert [(each.actor[:9], each.detail) for each in removed] == [("operator:", {"kind": "totp", "removed": 1})]


def test_a_no_changes_nothing(yitong, database: Database):
    """Whoever answers no at the question leaves everything as it was."""
    run(yitong, "people add")
    services = build_services(Settings())
    person = set_up(services)
    services.database.close()
    yitong("people", "end-second-factors", typed=f"{NUMBER}\nn\n")
    assert len(totp.of(database.connection(), person)) == 1
