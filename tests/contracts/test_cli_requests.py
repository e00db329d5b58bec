"""Commands that answer people's requests: each is on record with who ran it, and answers a request once."""

import pytest
import sqlalchemy as sa

from accounts import audit
from accounts.database import Statement
from accounts.identifiers import CitizenId
from idp.cli.context import CommandContext
from idp.rights import corrections, disputes, restrictions
from idp.rights.corrections import CorrectionKind
from idp.services import build_services
from idp.settings import load
from tests.contracts.test_cli_changes import NUMBER, run
from tests.fixtures.whole_person import link

EVERY = Statement(sa.select(audit.audit_events).order_by(audit.audit_events.c.at, audit.audit_events.c.id))
RESTRICT = ("people", "restrict", "--reason", "misuse", "--papers", "泸限〔2026〕1号", "--appeal-to", "泸州市 96196")


@pytest.fixture
def there(yitong):
    """The services of the commands, and the key of the one person."""
    run(yitong, "people add")
    services = build_services(load())
    with services.database.transaction() as c:
        person_id = services.people.find(c, CitizenId.parse(NUMBER))
    yield services, person_id
    services.database.close()


def last(services):
    record = services.database.connection().rows(EVERY)[-1]
    assert record.actor == CommandContext().actor
    return record.event


def test_a_person_is_restricted_hears_no_and_is_free_again(yitong, there):
    """restrict, appeals list, show, refuse and lift; what is incomplete or repeated is refused and changes nothing."""
    services, person_id = there
    assert yitong(*RESTRICT[:-1], " ", typed=f"{NUMBER}\n").exit_code == 1
    assert yitong(*RESTRICT, typed=f"{NUMBER}\n").exit_code == 0
    assert last(services) == "person:restriction:impose"
    assert yitong(*RESTRICT, typed=f"{NUMBER}\n").exit_code == 1
    for command in ("disable", "enable"):
        assert "is_restricted" in yitong("people", command, "--yes", typed=f"{NUMBER}\n").output
    with services.database.transaction() as c:
        restrictions.appeal(c, services.vault, person_id, "我没有做过", channel="web", now=services.clock())
        (made,) = restrictions.undecided(c)
    assert made.id[:8] in yitong("people", "appeals", "list").output
    assert "我没有做过" in yitong("people", "appeals", "show", made.id).output
    assert last(services) == "administrator:person:read"
    assert yitong("people", "appeals", "refuse", made.id, typed="与决定一致\n").exit_code == 0
    assert last(services) == "administrator:appeal:decide"
    assert yitong("people", "appeals", "refuse", made.id, typed="与决定一致\n").exit_code == 1
    assert yitong("people", "appeals", "show", "nothing").exit_code == 1
    assert yitong("people", "lift", typed=f"{NUMBER}\n").exit_code == 0
    assert last(services) == "person:restriction:lift"
    assert "nothing was changed" in yitong("people", "lift", typed=f"{NUMBER}\n").output


def test_corrections_are_read_and_answered_once(yitong, there):
    """list shows no text, show is on record, answer works once, and a refusal asks for its reasons."""
    services, person_id = there
    with services.database.transaction() as c:
        for kind in (CorrectionKind.NAME, CorrectionKind.OTHER):
            corrections.ask(c, services.vault, person_id, kind, "应该是秀英", channel="web", now=services.clock())
        first, second = corrections.undecided(c)
    listed = yitong("people", "corrections", "list").output
    assert first.id[:8] in listed
    assert "秀英" not in listed
    assert "应该是秀英" in yitong("people", "corrections", "show", first.id).output
    assert last(services) == "administrator:person:read"
    assert yitong("people", "corrections", "answer", first.id).exit_code == 0
    assert yitong("people", "corrections", "answer", second.id, "--refuse", typed="与证件一致\n").exit_code == 0
    assert last(services) == "administrator:correction:decide"
    assert yitong("people", "corrections", "answer", first.id).exit_code == 1
    assert yitong("people", "corrections", "show", "nothing").exit_code == 1


def test_a_dispute_is_decided_once(yitong, there):
    """--keep gives the link back, --separate ends it; the same dispute is not decided twice."""
    services, person_id = there
    for number, verdict in enumerate(("--keep", "--separate")):
        with services.database.transaction() as c:
            link(c, services.vault, person_id, services.clock(), uid=f"u-{number}")
            held = disputes.older_accounts(c, services.vault, person_id)
            mine = next(each for each in held if each.uid == f"u-{number}")
            assert disputes.dispute(c, person_id, mine, channel="web", now=services.clock())
            (waiting,) = disputes.undecided(c)
        assert waiting.id[:8] in yitong("people", "disputes", "list").output
        assert yitong("people", "disputes", "decide", waiting.id, verdict).exit_code == 0
        assert last(services) == "administrator:dispute:decide"
        assert yitong("people", "disputes", "decide", waiting.id, verdict).exit_code == 1
    left = disputes.older_accounts(services.database.connection(), services.vault, person_id)
    assert [(each.uid, each.level) for each in left] == [("u-0", 1)]
