import re
from datetime import timedelta

import pytest

from accounts.audit.events import EVENTS
from accounts.database import metadata
from accounts.evidence import LEVELS, UPSTREAM_LEVELS
from accounts.registration.proofing import VALID_FOR
from idp.adapters.channels import CHANNELS
from idp.delivery.worker import OUTBOX_KINDS
from idp.jobs.retention import RETENTION_RULES
from idp.jobs.retention_rule import DAILY, HOURLY, OFTEN
from idp.login.interaction import Step
from idp.migrations import load_tables
from idp.oidc import assurance
from idp.oidc import errors as protocol
from idp.oidc.clients.authentication import METHODS
from idp.oidc.consent.claims import CLAIMS
from idp.oidc.endpoints import ENDPOINTS
from idp.oidc.endpoints.paths import PATHS
from idp.oidc.grants import GRANTS
from idp.web import errors as pages
from migration_tools.readers import READERS
from tests.architecture.tracked import text_of, tracked

HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
CODE_ROW = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)
LISTED = re.compile(r"^- \[(.+)\]\((.+\.md)\)$", re.MULTILINE)
NOT_WRITTEN = "Not written yet."


def protocol_errors(kind=protocol.ProtocolError):
    """Every error code of the protocol with its status."""
    found = {kind.error: () if kind is protocol.ProtocolError else (str(kind.status),)}  # the base itself is never sent
    return found | {
        code: description for sub in kind.__subclasses__() for code, description in protocol_errors(sub).items()
    }


def how_often(rule):
    return {OFTEN: "Every ten minutes;", HOURLY: "Hourly;", DAILY: "Daily;"}[rule.every]


def how_long(rule):
    """`30 days`, `1 hour`."""
    units = ((rule.keeps.days, "day"), (rule.keeps // HOURLY, "hour"))
    keeps, unit = next((each for each in units if each[0]), (rule.keeps // timedelta(minutes=1), "minute"))
    return f"{keeps} {unit}{'' if keeps == 1 else 's'}"


def how_long_valid(kind):
    """`5 years` where registration gives the kind an end."""
    years = VALID_FOR[kind].days // 365 if kind in VALID_FOR else 0
    return "" if not years else f"{years} year{'' if years == 1 else 's'}"


# The page of docs/reference → each heading it must have, and the text required below it.
CATALOGUES = {
    "grants": {grant.grant_type: () for grant in GRANTS},
    "endpoints": {path.name: (f"`{path.path}`", *path.methods) for path in PATHS},
    "claims": {claim.name: (f"scope `{claim.scope}`", claim.sensitivity.value) for claim in CLAIMS},
    "events": {event.name: (event.zh, event.en) for event in EVENTS},
    "evidence": {kind.value: (f"IAL{level}", how_long_valid(kind)) for kind, level in LEVELS},
    "acr": {method.name: ("resists phishing",) * method.resists_phishing for method in assurance.METHODS},
    "steps": {step.value: () for step in Step},
    "errors": protocol_errors(),
    "outbox": {kind.name: () for kind in OUTBOX_KINDS},
    "channels": {channel.name: (f"`{channel.ceiling}`",) for channel in CHANNELS},
    "retention": {each.name: (how_often(each), how_long(each)) for each in RETENTION_RULES},
    "readers": {reader.FORMAT: () for reader in READERS},
}
ENTRIES = [(page, name, words) for page, entries in CATALOGUES.items() for name, words in entries.items()]


def sections(page):
    """The text below each heading of a reference page."""
    text = text_of(f"docs/reference/{page}.md")
    return dict(zip(HEADING.findall(text), HEADING.split(text)[2::2], strict=True))


@pytest.mark.parametrize(("page", "name", "words"), ENTRIES, ids=[f"{page}-{name}" for page, name, _ in ENTRIES])
def test_every_entry_of_a_catalogue_is_documented(page, name, words):
    """The reference has every entry of a catalogue under its own name, with the catalogue's description."""
    found = sections(page)
    assert name in found
    assert [word for word in words if word not in found[name]] == []


@pytest.mark.parametrize("page", CATALOGUES)
def test_a_reference_page_names_nothing_that_is_not_there(page):
    """No heading is left for something removed or never built."""
    headings = HEADING.findall(text_of(f"docs/reference/{page}.md"))
    assert sorted(headings) == sorted(CATALOGUES[page])


def test_every_served_endpoint_has_a_documented_path():
    """Every served endpoint is in the list that the reference is compared with."""
    assert {endpoint.at for endpoint in ENDPOINTS} <= set(PATHS)


def test_every_client_authentication_method_is_documented():
    """The client authentication methods are described beside the endpoints that use them."""
    introduction = HEADING.split(text_of("docs/reference/endpoints.md"))[0]
    assert CODE_ROW.findall(introduction) == [method.name for method in METHODS]


def test_every_code_of_an_error_page_is_documented():
    """Every code of an error page is listed, and no code is listed that no page shows."""
    assert sorted(CODE_ROW.findall(text_of("docs/reference/errors.md"))) == sorted(
        [*pages.MESSAGES, *pages.PAGES_OF_THEIR_OWN]
    )


def test_the_grades_of_others_are_documented():
    """An upstream's administrator sees what its grade is worth here."""
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| `(\w+)` \|$", text_of("docs/reference/evidence.md"), re.MULTILINE)
    assert rows == [(upstream, grade, kind.value) for upstream, grade, kind in UPSTREAM_LEVELS]


@pytest.mark.parametrize("event", [event.name for event in EVENTS])
def test_the_page_says_which_events_are_written(event):
    """An auditor can see whether an event without records never happened or is never written."""
    sources = [
        name for name in tracked("accounts/*.py", "idp/*.py", "migration_tools/*.py") if not name.endswith("/events.py")
    ]
    written = any(f'"{event}"' in text_of(name) for name in sources)
    assert (NOT_WRITTEN in sections("events")[event]) is not written


def test_every_table_is_tidied_or_said_to_stay():
    """Every table has a retention rule, or is listed as kept."""
    load_tables()
    introduction = HEADING.split(text_of("docs/reference/retention.md"))[0]
    stays = {
        name
        for row in re.findall(r"^\| (`.+`) \|", introduction, re.MULTILINE)
        for name in row.strip("`").split("`, `")
    }
    tidied = {each.name for each in RETENTION_RULES}
    assert not stays & tidied
    assert stays | tidied | {"session_clients"} == set(metadata.tables)


def test_the_index_of_decisions_lists_every_page():
    """Every decision is in the index, and every entry of the index exists with that title."""
    titles = {(text_of(name).splitlines()[0][2:], name.rpartition("/")[2]) for name in tracked("docs/decisions/0*.md")}
    assert set(LISTED.findall(text_of("docs/decisions/README.md"))) == titles
