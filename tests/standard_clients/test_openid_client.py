"""The provider with JavaScript's openid-client: the library checks what the specifications require."""

import base64
import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

HERE = Path(__file__).parent
SCOPE = "openid profile offline_access"


class Refused(Exception):
    """The library's error, and where it was raised."""


class Library:
    """A Node.js process in which openid-client waits for commands."""

    def __init__(self, provider):
        self.provider = provider
        node = shutil.which("node")
        assert node, "scripts/install-test-tools installs Node.js"
        command = [node, str(HERE / "relying_party.mjs")]
        self.process = subprocess.Popen(command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, order, **parameters):
        self.process.stdin.write(json.dumps({"order": order, **parameters}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "refused" in answer:
            raise Refused(json.dumps(answer["refused"]))
        return answer["done"]

    def discover(self, client_id, alg="ES256"):
        secret = self.provider.secrets[client_id]
        return self("discover", issuer=self.provider.issuer, clientId=client_id, secret=secret, alg=alg)

    def start(self, **more):
        return self("start", callback=self.provider.callback, scope=SCOPE, **more)

    def log_in(self, browser):
        """The tokens of a person who logged in and consented."""
        arrived = browser.log_in(self.start(prompt="consent"))
        return self("finish", url=arrived.url)

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


@pytest.fixture
def library(provider):
    made = Library(provider)
    yield made
    made.close()


def _header(token):
    head = token.partition(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))


def test_discovery_is_accepted(library, provider):
    """The library accepts the metadata under our issuer and reads that responses name the issuer."""
    metadata = library.discover("node-es256")
    assert metadata["issuer"] == provider.issuer
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert "S256" in metadata["code_challenge_methods_supported"]


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_a_person_logs_in(library, browser, provider, alg):
    """Code, PKCE, state, nonce, iss and the ID token's signature pass every check; userinfo agrees."""
    library.discover(f"node-{alg.lower()}", alg)
    tokens = library.log_in(browser)
    assert _header(tokens["id_token"])["alg"] == alg
    facts = library("userinfo", token=tokens["access_token"], sub=tokens["claims"]["sub"])
    assert facts["name"] == provider.name


def test_an_id_token_of_another_algorithm_is_noticed(library, browser):
    """A library told to expect RS256 refuses the ES256 token of a client registered for ES256."""
    library.discover("node-es256", "RS256")
    with pytest.raises(Refused, match="alg"):
        library.log_in(browser)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda url, issuer: url.replace("iss=", "was="), "iss"),
        (lambda url, issuer: url.replace(urlsplit(issuer).netloc.replace(":", "%3A"), "other.example"), "iss"),
        (lambda url, issuer: url.replace("state=", "state=0"), "state"),
    ],
    ids=["iss missing", "iss of another", "state of another"],
)
def test_a_changed_answer_is_noticed(library, browser, provider, change, complaint):
    """A response without our iss, with another iss or another state is refused before the code is redeemed."""
    library.discover("node-es256")
    arrived = browser.log_in(library.start())
    changed = change(arrived.url, provider.issuer)
    assert changed != arrived.url
    with pytest.raises(Refused, match=complaint):
        library("finish", url=changed)
    assert library("finish", url=arrived.url)["claims"]["sub"]


def test_another_nonce_is_noticed(library, browser):
    """The ID token has the nonce of its own request and no other."""
    library.discover("node-es256")
    arrived = browser.log_in(library.start())
    with pytest.raises(Refused, match="nonce"):
        library("finish", url=arrived.url, expectedNonce="another")


def test_another_verifier_buys_nothing(library, browser):
    """The code is refused without the verifier of its challenge."""
    library.discover("node-es256")
    arrived = browser.log_in(library.start())
    with pytest.raises(Refused, match="invalid_grant"):
        library("finish", url=arrived.url, pkceCodeVerifier="v" * 43)


def test_the_answer_comes_by_form_post(library, browser, provider):
    """With response_mode=form_post the page posts the response, and the library reads it."""
    library.discover("node-es256")
    page = browser.log_in(library.start(response_mode="form_post"))
    form = page.form_with("code", "state", "iss")
    assert (form.action, form.method) == (provider.callback, "post")
    assert library("finish", posted=form.fields)["claims"]["sub"]


def test_a_confidential_client_refreshes(library, browser):
    """A refresh gives a new access token for the same person, and the refresh token stays."""
    library.discover("node-es256")
    tokens = library.log_in(browser)
    again = library("refresh", token=tokens["refresh_token"])
    assert again["access_token"] != tokens["access_token"]
    assert again["claims"]["sub"] == tokens["claims"]["sub"]
    assert again.get("refresh_token", tokens["refresh_token"]) == tokens["refresh_token"]


def test_an_application_without_a_secret_rotates(library, browser):
    """A public client logs in by PKCE alone, and each refresh returns the next refresh token."""
    library.discover("application")
    tokens = library.log_in(browser)
    second = library("refresh", token=tokens["refresh_token"])
    assert second["refresh_token"] != tokens["refresh_token"]
    assert library("userinfo", token=second["access_token"], sub=tokens["claims"]["sub"])["sub"]


def test_introspection_and_revocation(library, browser):
    """A token is active until its client revokes it; then introspection and userinfo refuse it."""
    library.discover("node-es256")
    tokens = library.log_in(browser)
    for name in ("access_token", "refresh_token"):
        assert library("introspect", token=tokens[name])["active"] is True
    library("revoke", token=tokens["refresh_token"])
    assert library("introspect", token=tokens["refresh_token"]) == {"active": False}
    library("revoke", token=tokens["access_token"])
    assert library("introspect", token=tokens["access_token"]) == {"active": False}
    with pytest.raises(Refused, match="invalid_token"):
        library("userinfo", token=tokens["access_token"], sub=tokens["claims"]["sub"])
    with pytest.raises(Refused, match="invalid_grant"):
        library("refresh", token=tokens["refresh_token"])


def test_a_machine_gets_a_token_of_its_own(library):
    """Client credentials give an access token of no person, without ID token and refresh token."""
    library.discover("machine")
    tokens = library("clientCredentials")
    assert tokens["token_type"] == "bearer"
    assert not {"id_token", "refresh_token"} & set(tokens)
    assert library("introspect", token=tokens["access_token"])["client_id"] == "machine"


def test_a_wrong_secret_is_told(library, provider):
    """A wrong secret gets the challenge of RFC 6749 section 5.2, which the library recognises."""
    library("discover", issuer=provider.issuer, clientId="machine", secret="wrong", alg="ES256")
    with pytest.raises(Refused, match=r"WWW_AUTHENTICATE_CHALLENGE.*basic"):
        library("clientCredentials")


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_a_client_registers_itself(library, browser, provider, alg):
    """With an initial access token the library registers a client, and a person logs in with it at once."""
    metadata = {
        "client_name": "自助接入",
        "redirect_uris": [provider.callback],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_post",  # the library's default
        "id_token_signed_response_alg": alg,
    }
    registered = library("register", issuer=provider.issuer, invitation=provider.invitation, metadata=metadata)
    assert registered["client_secret"]
    tokens = library.log_in(browser)
    assert _header(tokens["id_token"])["alg"] == alg
    assert library("refresh", token=tokens["refresh_token"])["access_token"]


def test_nobody_registers_uninvited(library, provider):
    """Without a valid initial access token nothing is registered."""
    metadata = {"redirect_uris": [provider.callback]}
    with pytest.raises(Refused, match="invalid_token"):
        library("register", issuer=provider.issuer, invitation="yt_ia_unknown", metadata=metadata)


def test_the_person_signs_out(library, browser, provider):
    """RP-initiated logout returns its state, and the next request is not approved silently."""
    library.discover("node-es256")
    tokens = library.log_in(browser)
    hint = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": provider.goodbye, "state": "bye"}
    arrived = browser.sign_out(library("signOut", **hint))
    assert arrived.url == f"{provider.goodbye}?state=bye"
    refused = browser.open(library.start(prompt="none"))
    assert parse_qs(urlsplit(refused.url).query)["error"] == ["login_required"]
    with pytest.raises(Refused, match="login_required"):
        library("finish", url=refused.url)
