"""CHANGELOG, guides and docs/reference/specifications.md agree with the program, where a machine can check it."""

import re

import click
import pytest

from idp.cli import main
from idp.oidc.clients import authentication
from idp.oidc.consent.claims import scopes_supported
from idp.oidc.endpoints import ENDPOINTS
from idp.oidc.endpoints.discovery import document
from idp.oidc.endpoints.paths import AUTHORIZATION, END_SESSION
from idp.oidc.grants import GRANTS
from idp.oidc.requests import validation
from idp.oidc.vocabulary import SIGNING_ALGORITHMS
from tests.architecture.tracked import text_of, tracked

PAGES = tracked("CHANGELOG.md", "README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md")
SPANS = re.compile(r"`(yitong [^`\n]+)`|^\s*(yitong [^\n]+)$", re.MULTILINE)
SPECIFICATIONS = "docs/reference/specifications.md"
METADATA = document("https://id.example")
SERVED = {endpoint.at.name for endpoint in ENDPOINTS} | {AUTHORIZATION.name, END_SESSION.name}
GRANT_TYPES = {grant.grant_type for grant in GRANTS}
METHODS = {method.name for method in authentication.METHODS}
URN = "urn:ietf:params:oauth:grant-type:"
IMPLEMENTED, LEFT_OUT = 1, 2

# Row of the page → whether the registries have its feature.
HAS = {
    "Core §3.2, §3.3": set(validation.RESPONSE_TYPES) != {"code"},
    "Core §5.3": "userinfo" in SERVED,
    "Core §5.5": METADATA["claims_parameter_supported"],
    "Core §6": METADATA["request_parameter_supported"] or METADATA["request_uri_parameter_supported"],
    "Core §8.1": "pairwise" in METADATA["subject_types_supported"],
    "Core §11, §12": "offline_access" in scopes_supported() and "refresh_token" in GRANT_TYPES,
    "Discovery 1.0 §3, §4": "openid_configuration" in SERVED,
    "Dynamic Client Registration 1.0 §2, §3, §4": "registration" in SERVED,
    "RP-Initiated Logout 1.0": "end_session" in SERVED,
    "Back-Channel Logout 1.0": METADATA["backchannel_logout_supported"],
    "Front-Channel Logout, Session Management": bool(
        {"frontchannel_logout_supported", "check_session_iframe"} & set(METADATA)
    ),
    "OAuth 2.0 Form Post Response Mode 1.0": "form_post" in validation.RESPONSE_MODES,
    "CIBA, Federation, JARM, FAPI 2.0": any(
        name.startswith(("backchannel_authentication", "federation", "authorization_signing")) for name in METADATA
    ),
    "RFC 7009": "revocation" in SERVED,
    "RFC 7591": "registration" in SERVED,
    "RFC 7636": "S256" in METADATA["code_challenge_methods_supported"],
    "RFC 7662": "introspection" in SERVED,
    "RFC 8414": "server_metadata" in SERVED,
    "RFC 9207": METADATA["authorization_response_iss_parameter_supported"],
    "RFC 8693": f"{URN}token-exchange" in GRANT_TYPES,
    "RFC 8628, 8705, 9101, 9126, 9396, 9449, 9470": f"{URN}device_code" in GRANT_TYPES
    or any(name.startswith(("device_auth", "pushed", "dpop", "mtls", "tls_client", "authorization_details"))
           for name in METADATA),
}  # fmt: skip
PROMISED_BY = {
    "authorization": "Core 1.0 §2, §3.1",
    "token": "RFC 6749",
    "userinfo": "Core §5.3",
    "jwks": "RFC 7515",
    "introspection": "RFC 7662",
    "revocation": "RFC 7009",
    "registration": "RFC 7591",
    "end_session": "RP-Initiated Logout 1.0",
    "openid_configuration": "Discovery 1.0 §3, §4",
    "server_metadata": "RFC 8414",
}
PROMISED_GRANTS = {  # the row, and the word in it
    "authorization_code": ("RFC 6749", "code"),
    "client_credentials": ("RFC 6749", "client credentials"),
    "refresh_token": ("RFC 6749", "refresh"),
}
# Row and column → the names in it: all of a registry's, or none of them.
NAMES = {
    ("Core §9", IMPLEMENTED): METHODS,
    ("Core §9", LEFT_OUT): {"client_secret_jwt"} - METHODS,
    ("RFC 7636", LEFT_OUT): {"plain"} - set(METADATA["code_challenge_methods_supported"]),
}
# Row and column → words for entries of a registry.
WORDS = {
    ("RFC 6749", LEFT_OUT): {"implicit", "password"} - GRANT_TYPES - set(validation.RESPONSE_TYPES),
    ("Core §10", IMPLEMENTED): set(SIGNING_ALGORITHMS),
    ("RFC 7515", IMPLEMENTED): {*SIGNING_ALGORITHMS, *authentication.ASSERTION_ALGORITHMS},
}


def rows():
    """Every row of the page's tables: specification, implemented, left out."""
    found = re.findall(r"^\| (.*?) \| ?(.*?) ?\| ?(.*?) ?\|$", text_of(SPECIFICATIONS), re.MULTILINE)
    return [row for row in found if row[0] not in {"specification", "source"}]


def row(begins):
    (found,) = [each for each in rows() if each[0] == begins or each[0].startswith((f"{begins} ", f"{begins},"))]
    return found


def problems(text):
    """What a text wrongly states about the `yitong` command."""
    return [problem for span in SPANS.findall(text) for problem in problems_of(span[0] or span[1])]


def problems_of(span):
    """`yitong clients add | set --jwks FILE`: each alternative must exist, and one of them must know each option."""
    words, commands, path = span.split()[1:], [main], "yitong"
    while words and isinstance(commands[-1], click.Group):
        names = alternatives(words)
        if not names:
            return []  # a group by itself, or `…`
        context = click.Context(commands[-1])
        found = [commands[-1].get_command(context, name) for name in names]
        if None in found:
            return [f"{path} {names[found.index(None)]}"]
        commands, path = found, f"{path} {names[-1]}"
    known = {option for command in (*commands, main) for param in command.params for option in
             (*param.opts, *param.secondary_opts)} | {"--help", "-h"}  # fmt: skip
    return [f"{path} {word}" for word in re.findall(r"(?<!\S)--[a-z-]+", " ".join(words)) if word not in known]


def alternatives(words):
    """The names at the head of the words; they are removed from the list."""
    names = []
    while words and re.fullmatch(r"[a-z][a-z-]*", words[0]):
        names.append(words.pop(0))
        if not words or words[0] not in {"|", "or"}:
            break
        words.pop(0)
    return names


@pytest.mark.parametrize("name", PAGES)
def test_every_command_that_is_named_exists(name):
    """No command on a page ends in `No such command` or `No such option`."""
    assert problems(text_of(name)) == []


@pytest.mark.parametrize("begins", HAS)
def test_a_specification_is_where_the_registries_have_it(begins):
    """A served feature is under *implemented*; one that is not has an empty cell there and is under *left out*."""
    _, implemented, left_out = row(begins)
    assert bool(implemented) == bool(HAS[begins]), (implemented, left_out)
    assert implemented or left_out


@pytest.mark.parametrize(("begins", "column"), NAMES)
def test_names_in_a_row_are_those_of_the_registry(begins, column):
    """The names are exactly the registry's, because people who configure a library copy them."""
    assert set(re.findall(r"`([\w:.-]+)`", row(begins)[column])) == NAMES[begins, column]


@pytest.mark.parametrize(("begins", "column"), WORDS)
def test_words_in_a_row_name_what_the_registry_has(begins, column):
    """Each grant and each algorithm is named; what is left out is in no registry."""
    assert WORDS[begins, column]
    assert [word for word in WORDS[begins, column] if word not in row(begins)[column]] == []


def test_every_endpoint_is_held_to_a_row():
    """Each endpoint has the row that promises it; if one is removed, its row must be corrected."""
    assert set(PROMISED_BY) == SERVED
    assert [name for name, begins in PROMISED_BY.items() if not row(begins)[IMPLEMENTED]] == []


def test_every_grant_is_held_to_a_row():
    """Each grant has the row that promises it."""
    assert PROMISED_GRANTS.keys() ^ GRANT_TYPES == set()
    assert [grant for grant, (begins, word) in PROMISED_GRANTS.items() if word not in row(begins)[IMPLEMENTED]] == []


@pytest.mark.parametrize(
    "text",
    ["`yitong nothing`", "`yitong clients nothing`", "`yitong clients add | nothing`", "`yitong check --nothing`",
     "text\nyitong keys reseal --nothing\n"],
)  # fmt: skip
def test_the_check_can_fail(text):
    """A missing command or option is found, in a sentence and on its own line."""
    assert len(problems(text)) == 1


@pytest.mark.parametrize(
    "text", ["`yitong merge …`", "`yitong clients add | set --jwks FILE`", "`yitong db upgrade`", "`yitong people`"]
)
def test_the_check_lets_what_exists_be(text):
    """Existing groups, alternatives and options pass."""
    assert problems(text) == []


IMPORTED = {"argon2-cffi": "argon2", "joserfc": "joserfc", "libpass": "passlib"}
NUMBERS = {"one file": 1, "two files": 2, "three files": 3, "four files": 4}


@pytest.mark.parametrize("package", IMPORTED)
def test_a_dependency_is_used_in_so_many_files(package):
    """The number of files that use a library is counted, not remembered."""
    (section,) = re.findall(
        rf"^### {package}\n(.*?)(?=^##|\Z)", text_of("docs/dependencies.md"), re.MULTILINE | re.DOTALL
    )
    (said,) = re.findall(r"Used in (\w+ files?)", section)
    pattern = re.compile(rf"^\s*(?:import|from) {IMPORTED[package]}\b", re.MULTILINE)
    using = [
        name for name in tracked("accounts/*.py", "idp/*.py", "migration_tools/*.py") if pattern.search(text_of(name))
    ]
    assert len(using) == NUMBERS[said], using
