"""Nothing is registered twice: lists that repeat a registry of the product are compared with it here."""

import importlib
import pkgutil
import re
from pathlib import PurePath

import flask

import accounts
import idp
import migration_tools
from accounts.database import Redemption
from idp.adapters import channels
from idp.adapters.channels import CHANNELS
from idp.adapters.channels.channel import Channel
from idp.i18n import labels
from idp.oidc import grants, vocabulary
from idp.oidc.consent.claims import CLAIMS
from idp.oidc.endpoints import ENDPOINTS
from idp.oidc.endpoints.paths import PATHS
from idp.oidc.grants import GRANTS
from idp.web import pages
from idp.web.pages import PAGES
from idp.web.views import DeclaredFlask
from migration_tools import readers
from migration_tools.readers import FORMATS
from tests.architecture.tracked import text_of, tracked
from tests.contracts.test_single_use_races import NOT_SINGLE_USE, RACED
from tests.fixtures.page_samples import PICTURES, scenes
from tests.migration.formats import SAMPLES
from tests.protocol.claim_values import VALUES
from tests.protocol.test_token_matrix import KINDS, NO_READERS, READERS
from tests.unit.test_channels import LIMITS

GRANT_TYPES = [grant.grant_type for grant in GRANTS]
MOST_ENTRIES = 16  # in a folder; a dozen is the aim


def own_addresses():
    """The addresses of all pages without their variable parts: `/login/`, `/account/sessions/end`."""
    app = DeclaredFlask("pages", static_folder=None)
    for page in PAGES:
        app.register_blueprint(page)
    rules = {rule.rule.partition("<")[0] for rule in app.url_map.iter_rules() if rule.endpoint != "static"}
    return sorted(rules)


def modules():
    """Every module of the product."""
    for package in (accounts, idp, migration_tools):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__") and ".migrations." not in found.name:
                yield importlib.import_module(found.name)


def written(package, kind):
    """(module, value) for each value of that type, or of that name, in the modules of that folder."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(found.name)
        for name, value in vars(module).items():
            if (name == kind) if isinstance(kind, str) else isinstance(value, kind):
                yield found.name.rpartition(".")[2], value


def names_in(entries, text):
    """The names that are in the text in code quotes."""
    return {name for name in entries if f"`{name}`" in text}


def test_whatever_is_written_is_registered():
    """A module that its tuple does not name is never served, and no other check would notice."""
    missing = {
        "PAGES": {name for name, page in written(pages, flask.Blueprint) if page not in PAGES},
        "GRANTS": {name for name, redeem in written(grants, "redeem") if redeem not in [g.redeem for g in GRANTS]},
        "READERS": {name for name, value in written(readers, "FORMAT") if value not in FORMATS},
        "CHANNELS": {name for name, channel in written(channels, Channel) if channel not in CHANNELS},
    }
    assert missing == {registry: set() for registry in missing}


def test_every_grant_has_a_test_file_of_its_own():
    """tests/protocol/test_<its module>.py says to whom a grant gives tokens."""
    there = {PurePath(name).stem for name in tracked("tests/protocol/test_*.py")}
    assert {f"test_{grant.redeem.__module__.rpartition('.')[2]}" for grant in GRANTS} - there == set()


def test_every_kind_of_token_is_in_the_matrix():
    """Each token's prefix, type or assertion type is in the vocabulary; every reader is tried with it."""
    told_apart = {"JWT_BEARER"} | {name for name in vars(vocabulary) if name.endswith(("_PREFIX", "_JWT"))}
    told_apart -= {"PRIVATE_KEY_JWT"}  # a method, whose token is the client assertion
    assert told_apart ^ set(KINDS.values()) == set()


def test_every_place_that_may_read_a_token_is_in_the_matrix():
    """Each endpoint or grant is tried with all kinds of token, or the matrix gives the reason why not."""
    tried = {place for places, _, _ in READERS.values() for place in places.split()}
    places = {path.name for path in PATHS} | {endpoint.at.name for endpoint in ENDPOINTS} | set(GRANT_TYPES)
    assert places - tried - NO_READERS.keys() == set()
    assert (tried | NO_READERS.keys()) - places == set()


def test_every_redemption_is_raced():
    """Each Redemption is raced by sixty-four, or test_single_use_races.py says why it is not single-use."""
    found = {
        id(value): name for module in modules() for name, value in vars(module).items() if isinstance(value, Redemption)
    }
    assert set(found.values()) ^ (RACED.keys() | NOT_SINGLE_USE.keys()) == set()


def test_every_claim_has_an_expected_value():
    """tests/protocol/claim_values.py has one expected value for each claim."""
    assert {claim.name for claim in CLAIMS} ^ VALUES.keys() == set()


def test_every_format_has_a_sample():
    """Contract, damage and fault tests run over tests/migration/formats.py, so a reader without a sample has none."""
    assert set(FORMATS) ^ SAMPLES.keys() == set()
    assert [name for name, sample in SAMPLES.items() if not (sample.row_faults and sample.file_faults)] == []


def test_the_mapping_reference_names_every_format():
    """The reference of mappings lists all values of `format`."""
    (line,) = re.findall(r"^format = .*$", text_of("docs/reference/merge-mapping.md"), re.MULTILINE)
    assert set(re.findall(r'"([^"]+)"', line)) ^ set(FORMATS) == set()


def test_every_channel_has_a_name_that_people_read():
    """The account page names the channel of a session: idp/i18n/labels.py."""
    assert {channel.name for channel in CHANNELS} ^ labels.CHANNELS.keys() == set()


def test_every_channel_has_expected_limits():
    """Lifetimes and ceilings are agreed figures: tests/unit/test_channels.py repeats each once, on purpose."""
    assert {channel.name for channel in CHANNELS} ^ LIMITS.keys() == set()


def test_the_reference_lists_every_page():
    """An operator who sees a request in a log finds its path in docs/reference/endpoints.md."""
    introduction = text_of("docs/reference/endpoints.md").partition("\n## ")[0]
    listed = re.findall(r"`(/[^`<]*)", introduction)
    assert [address for address in own_addresses() if not address.startswith(tuple(listed))] == []


def test_every_page_is_visited_by_a_journey():
    """Each address of a page is opened or posted to in tests/journeys."""
    journeys = "".join(map(text_of, tracked("tests/journeys/*.py")))
    assert [address for address in own_addresses() if address.rstrip("/") not in journeys] == []


def test_every_template_is_sampled():
    """Every check of pages renders tests/fixtures/page_samples.py, so a page without a sample has no check."""
    used = {scene.template for scene in scenes("zh-CN")}
    assert {name.removeprefix("templates/") for name in tracked("templates/*/*.html")} ^ used == set()


def test_every_page_has_its_pictures():
    """docs/screenshots has each sample in Chinese, English and large text, and none of a removed page."""
    wanted = {f"{scene.name}-{label}.png" for scene in scenes("zh-CN") for label in PICTURES}
    there = {PurePath(name).name for name in tracked("docs/screenshots/*")}
    assert wanted ^ there == set()


def test_the_changelog_names_every_entry():
    """Operators read there everything it can do: grants, formats, claims, channels, pages, endpoints."""
    entries = {
        *GRANT_TYPES,
        *FORMATS,
        *(claim.name for claim in CLAIMS),
        *(channel.name for channel in CHANNELS),
        *(endpoint.at.path for endpoint in ENDPOINTS),
        *("/" + address.split("/")[1] for address in own_addresses()),
    }
    assert entries - names_in(entries, text_of("CHANGELOG.md")) == set()


def test_no_folder_is_crowded():
    """A newcomer can see at a glance what a folder of the product holds."""
    shown = {}
    for name in tracked("accounts/*", "idp/*", "migration_tools/*"):
        parts = PurePath(name).parts
        for depth in range(1, len(parts)):
            shown.setdefault("/".join(parts[:depth]), set()).update({parts[depth]} - {"__init__.py"})
    shown.pop("idp/migrations/versions")  # grows with every change of the schema
    assert {folder: len(entries) for folder, entries in shown.items() if len(entries) > MOST_ENTRIES} == {}
