"""Clients at the terminal: grants, own scopes, authentication methods, and the same rules as over HTTP."""

import json

import pytest
from click.testing import Result
from joserfc import jwk

from accounts.vault import Vault
from idp.oidc.clients import registry
from idp.oidc.tokens.secret import digest
from tests.contracts.conftest import vault_keys
from tests.fixtures.city import City
from tests.fixtures.messages import basic
from tests.protocol.test_client_metadata import invitation, register

ROOT = b"r" * 32
CALLBACK = "https://library.example/cb"
NAMED = ("--name", "借阅系统", "--name-en", "Lending", "--purpose", "借书", "--purpose-en", "to lend")
ADD = ("clients", "add", "library", *NAMED)
ADD_WITH_CODE = (*ADD, "--redirect-uri", CALLBACK)


@pytest.fixture
def yitong(yitong, monkeypatch):
    monkeypatch.setenv("YITONG_VAULT_KEYS", vault_keys(("test", ROOT)))
    return yitong


@pytest.fixture
def provider(database, clock) -> City:
    """The machine endpoints on the database that the commands change."""
    return City(database, Vault.from_keys([("test", ROOT)]), clock)


@pytest.fixture
def client(database):
    return lambda client_id="library": registry.read(database.connection(), client_id)


@pytest.fixture
def keys(tmp_path):
    """A file with one public key."""
    path = tmp_path / "keys.json"
    key = jwk.ECKey.generate_key("P-256").as_dict(private=False)
    path.write_text(json.dumps({"keys": [key]}))
    return str(path)


def done(answer: Result) -> str:
    assert answer.exit_code == 0, answer.output
    return answer.output


def refused(answer: Result) -> str:
    assert answer.exit_code != 0, answer.output
    return " ".join(answer.output.split())


def test_a_machine_gets_a_token_with_its_own_scope(yitong, provider, client):
    """From `clients add` to the token endpoint, without a redirect URI; then another scope by `clients set`."""
    added = done(yitong(*ADD, "--grant-type", "client_credentials", "--scope", "reports.read"))
    authorization = basic("library", added.split("client_secret")[1].split()[0])

    def scope() -> object:
        provider.provider.clients = registry.ClientCache(provider.database)
        form = {"grant_type": "client_credentials"}
        return provider.post("/token", form, authorization=authorization).json.get("scope")

    assert scope() == "reports.read"
    done(yitong("clients", "set", "library", "--scope", "reports.read", "--scope", "reports.write"))
    assert scope() == "reports.read reports.write"
    done(yitong("clients", "set", "library", "--scope", "openid", "--scope", "reports.read"))
    answer = refused(yitong("clients", "set", "library", "--grant-type", "refresh_token"))
    assert "reports.read speaks of no person" in answer
    assert "client_credentials" in answer
    assert client().grant_types == ("client_credentials",)


def test_grants_are_replaced_and_response_types_follow(yitong, client):
    """`clients set --grant-type` replaces the whole list."""
    done(yitong(*ADD_WITH_CODE))
    assert client().grant_types == ("authorization_code", "refresh_token")
    done(yitong("clients", "set", "library", "--grant-type", "client_credentials"))
    assert (client().grant_types, client().response_types) == (("client_credentials",), ())
    done(yitong("clients", "set", "library", "--grant-type", "authorization_code"))
    assert client().response_types == ("code",)


def test_an_invitation_names_its_grants(yitong, provider):
    """Without `--grant-type` an invitation does not allow client_credentials."""
    usual = done(yitong("clients", "invite")).strip()
    machine = done(yitong("clients", "invite", "--grant-type", "client_credentials", "--scope", "reports.read")).strip()
    asked = {"redirect_uris": [], "grant_types": ["client_credentials"]}
    assert register(provider, usual, **asked)[0] == 400
    status, told = register(provider, machine, **asked)
    assert (status, told["scope"]) == (201, "reports.read")


# Ways of authenticating ---------------------------------------------------------------------------------------------
def secret_in(output: str) -> str | None:
    return next((word for word in output.split() if word.startswith("yt_cs_")), None)


def test_between_two_ways_with_a_secret_the_secret_stays(yitong, client):
    """The secret stays valid and none is shown."""
    first = secret_in(done(yitong(*ADD_WITH_CODE)))
    assert secret_in(done(yitong("clients", "set", "library", "--auth-method", "client_secret_post"))) is None
    assert (client().token_endpoint_auth_method, client().secret_digest) == ("client_secret_post", digest(first))


def test_from_a_secret_to_a_key_and_back(yitong, client, keys):
    """Both secrets end with the change, and so does the key with the change back."""
    first = secret_in(done(yitong(*ADD_WITH_CODE)))
    done(yitong("clients", "secret", "library"))
    assert "needs jwks" in refused(yitong("clients", "set", "library", "--auth-method", "private_key_jwt"))
    done(yitong("clients", "set", "library", "--auth-method", "private_key_jwt", "--jwks", keys))
    assert (client().secret_digest, client().previous_secret_digest) == (None, None)
    second = secret_in(done(yitong("clients", "set", "library", "--auth-method", "client_secret_basic")))
    assert client().secret_digest == digest(second)
    assert second != first
    assert "jwks" not in client().metadata
    assert "needs jwks" in refused(yitong("clients", "set", "library", "--auth-method", "private_key_jwt"))
    assert client().secret_digest == digest(second)


def test_from_a_secret_to_nothing_and_back(yitong, client):
    """A public client has no secret, no grant that needs one, and PKCE; each refusal names the cure."""
    done(yitong(*ADD_WITH_CODE, "--grant-type", "authorization_code", "--grant-type", "client_credentials"))
    public = ("clients", "set", "library", "--auth-method", "none")
    assert "take it out of grant_types" in refused(yitong(*public))
    assert "PKCE" in refused(yitong(*public, "--grant-type", "authorization_code", "--without-pkce"))
    assert client().secret_digest is not None
    assert secret_in(done(yitong(*public, "--grant-type", "authorization_code"))) is None
    assert client().secret_digest is None
    assert secret_in(done(yitong("clients", "set", "library", "--auth-method", "client_secret_basic")))


def test_the_same_way_again_changes_nothing(yitong, client):
    """Setting the method it already has replaces no secret."""
    first = secret_in(done(yitong(*ADD_WITH_CODE)))
    assert "nothing was changed" in done(yitong("clients", "set", "library", "--auth-method", "client_secret_basic"))
    assert client().secret_digest == digest(first)


def test_the_audience_of_assertions_is_set_by_an_operator(yitong, client, keys):
    """It is strict unless an operator sets it otherwise, and can be set back."""
    done(yitong(*ADD_WITH_CODE, "--auth-method", "private_key_jwt", "--jwks", keys))
    assert "assertion_audience" not in client().metadata
    done(yitong("clients", "set", "library", "--assertion-audience", "token_endpoint"))
    assert client().metadata["assertion_audience"] == "token_endpoint"
    assert "jwks" in client().metadata
    assert "assertion_audience" in done(yitong("clients", "show", "library"))
    done(yitong("clients", "set", "library", "--assertion-audience", "issuer"))
    assert client().metadata["assertion_audience"] == "issuer"


# The same rules at the terminal and over HTTP -----------------------------------------------------------------------
CREDENTIALS = "client_credentials"
SAME: list[tuple[dict[str, object], tuple[str, ...]]] = [
    ({"client_name": "图书馆"}, ("--name", "图书馆")),
    ({"client_name": "a\u202eb"}, ("--name", "a\u202eb")),
    ({"client_name": "x" * 101}, ("--name", "x" * 101)),
    ({"client_name": "\u3000"}, ("--name", "\u3000")),
    ({"redirect_uris": ["http://library.example/cb"]}, ("--redirect-uri", "http://library.example/cb")),
    ({"redirect_uris": ["https://*.example/cb"]}, ("--redirect-uri", "https://*.example/cb")),
    ({"redirect_uris": ["http://127.0.0.1/cb"]}, ("--redirect-uri", "http://127.0.0.1/cb")),
    ({"redirect_uris": []}, ()),
    ({"post_logout_redirect_uris": ["javascript:1"]}, ("--post-logout-redirect-uri", "javascript:1")),
    ({"backchannel_logout_uri": "http://10.0.0.1/"}, ("--backchannel-logout-uri", "http://10.0.0.1/")),
    ({"backchannel_logout_uri": ""}, ("--backchannel-logout-uri", "")),
    ({"backchannel_logout_uri": "https://library.example/"}, ("--backchannel-logout-uri", "https://library.example/")),
    ({"scope": "openid profile"}, ("--scope", "openid", "--scope", "profile")),
    ({"scope": 'openid "'}, ("--scope", "openid", "--scope", '"')),
    ({"grant_types": ["password"]}, ("--grant-type", "password")),
    ({"grant_types": ["authorization_code"]}, ("--grant-type", "authorization_code")),
    ({"token_endpoint_auth_method": "tls"}, ("--auth-method", "tls")),
    ({"token_endpoint_auth_method": "none"}, ("--auth-method", "none")),
    (
        {"token_endpoint_auth_method": "none", "grant_types": [CREDENTIALS]},
        ("--auth-method", "none", "--grant-type", CREDENTIALS),
    ),
    ({"token_endpoint_auth_method": "private_key_jwt"}, ("--auth-method", "private_key_jwt")),
    ({"id_token_signed_response_alg": "none"}, ("--id-token-alg", "none")),
    ({"id_token_signed_response_alg": "RS256"}, ("--id-token-alg", "RS256")),
]


def test_terminal_and_http_answer_alike(yitong, provider, client):
    """Both accept an input and store it alike, or both refuse it, with the same text where the text is ours."""
    policy = {
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "scopes": ["openid", "profile"],
    }
    token = invitation(provider, **policy)
    for number, (members, options) in enumerate(SAME):
        client_id = f"c{number}"
        uris = () if "redirect_uris" in members else ("--redirect-uri", CALLBACK)
        named = NAMED if "client_name" not in members else NAMED[2:]
        status, told = register(provider, token, **({"redirect_uris": [CALLBACK]} | members))
        answer = yitong("clients", "add", client_id, *named, *uris, *options)
        assert (members, answer.exit_code == 0) == (members, status == 201), (told, answer.output)
        if status != 201 and answer.exit_code == 1:  # 2 is click's refusal of a value that is not among its choices
            assert told["error"] in answer.output
            assert told["error_description"] in " ".join(answer.output.split())
        if status == 201:
            here, there = client(client_id), client(told["client_id"])
            for member in members:
                attribute = {"client_name": "name", "scope": "scopes"}.get(member, member)
                assert getattr(here, attribute) == getattr(there, attribute)


def test_an_emptied_sector_is_the_clients_own(yitong, client):
    """An empty text would be one sector, and unrelated systems would know a person by one `sub`."""
    done(yitong(*ADD_WITH_CODE))
    done(yitong("clients", "set", "library", "--sector", "city", "--yes"))
    done(yitong("clients", "set", "library", "--sector", "", "--yes"))
    assert client().sector == "library"


def test_a_client_says_what_it_needs_the_data_for(yitong):
    """A consent page without a purpose asks for nothing that a person could judge."""
    done(yitong(*ADD_WITH_CODE))
    assert "purpose is missing" in refused(yitong("clients", "set", "library", "--purpose", ""))


def test_an_invitation_names_a_division_that_exists(yitong):
    """The refusal reaches the operator, not the system that registers later."""
    assert "unknown_division" in refused(yitong("clients", "invite", "--division", "999999"))


def test_bytes_that_are_no_text_are_refused_with_a_cure(yitong):
    """A terminal in another encoding gets no traceback."""
    answer = refused(yitong("people", "disable", typed=b"\xff\xfe\n"))
    assert "input_unreadable" in answer
    assert "UTF-8" in answer
