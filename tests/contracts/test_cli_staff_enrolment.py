"""`yitong staff enrol` and `end-second-factor`: an administrator hands over a code and learns no secret."""

import re

import pytest
import sqlalchemy as sa

from accounts.audit import audit_events
from accounts.database import Statement
from idp.services import Services, build_services, utc_now
from idp.settings import Settings
from idp.staff import members, second_factor, sessions
from tests.fixtures.authenticator_app import shown

EVERY = Statement(sa.select(audit_events).order_by(audit_events.c.at, audit_events.c.id))
CODE = re.compile(r"^[0-9a-hjkmnp-z]{4}(-[0-9a-hjkmnp-z]{4}){3}$", re.MULTILINE)
ID = "S0001\n"


@pytest.fixture
def services(yitong, monkeypatch):
    monkeypatch.setenv("YITONG_SANDBOX", "true")
    made = build_services(Settings())
    yield made
    made.database.close()


def events(services: Services) -> list:
    return [(row.event, row.actor[:9], row.person_id) for row in services.database.connection().rows(EVERY)]


def enrolled(services: Services, code: str) -> str:
    """The member sets up an authenticator with that code and is signed in. Returns our id of them."""
    now, vault = utc_now(), services.vault
    with services.database.transaction() as c:
        member = members.remember(c, vault, services.systems.staff.find("S0001"), now=now)
        handle = sessions.open_session(c, member, user_agent=None, source="192.0.2.1", now=now)
        session = sessions.read(c, vault, handle, now).id
        used = sessions.row("staff:credential:enrol", member.id, source=None, now=now)
        assert second_factor.begin(c, vault, member.id, code, session=session, now=now, record=used)
        first = shown(second_factor.pending(c, vault, member.id, session=session, now=now).secret, now)
        added = sessions.row("staff:credential:add", member.id, source=None, now=now)
        assert second_factor.confirm(c, vault, member.id, first, session=session, now=now, record=added)
    return member.id


def test_a_code_is_issued_for_a_member_of_the_directory(yitong, services):
    """The command prints one code, works with any grouping and case, and records who issued it and no staff id."""
    done = yitong("staff", "enrol", typed=ID)
    assert done.exit_code == 0, done.output
    code = CODE.search(done.output)[0]
    assert events(services) == [("administrator:staff:enrol", "operator:", None)]
    assert "S0001" not in repr(services.database.connection().rows(EVERY))
    assert enrolled(services, code.replace("-", "").upper())


def test_nobody_outside_the_directory_gets_a_code(yitong, services):
    """An unknown staff id is refused, and nothing is recorded."""
    refused = yitong("staff", "enrol", typed="S9999\n")
    assert (refused.exit_code, "staff_unknown" in refused.output) == (1, True)
    assert events(services) == []


def test_a_member_with_an_authenticator_gets_no_code(yitong, services):
    """A second authenticator would be a way around the first: it is ended before a code is issued."""
    enrolled(services, CODE.search(yitong("staff", "enrol", typed=ID).output)[0])
    refused = yitong("staff", "enrol", typed=ID)
    assert (refused.exit_code, "staff_enrolled" in refused.output) == (1, True)


def test_a_lost_authenticator_is_ended_with_every_session(yitong, services):
    """After the command neither authenticator, code nor session opens anything; a second run changes nothing."""
    member = enrolled(services, CODE.search(yitong("staff", "enrol", typed=ID).output)[0])
    assert yitong("staff", "end-second-factor", typed=f"{ID}n\n").exit_code == 1
    assert second_factor.confirmed_since(services.database.connection(), member) is not None
    done = yitong("staff", "end-second-factor", "--yes", typed=ID)
    assert "1 session(s) ended" in done.output
    assert second_factor.confirmed_since(services.database.connection(), member) is None
    assert events(services)[-1] == ("administrator:staff:end_second_factor", "operator:", None)
    before = len(events(services))
    assert "nothing was changed" in yitong("staff", "end-second-factor", "--yes", typed=ID).output
    assert "nothing was changed" in yitong("staff", "end-second-factor", "--yes", typed="S9999\n").output
    assert len(events(services)) == before
    assert CODE.search(yitong("staff", "enrol", typed=ID).output)
