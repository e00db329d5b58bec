"""The provider with Authlib's Flask client: a relying system in a few lines."""

import json
from base64 import urlsafe_b64decode
from urllib.parse import parse_qs, urlsplit

import flask
import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from authlib.integrations.requests_client import OAuth2Session

SCOPE = "openid profile offline_access"


class Service:
    """A Flask application with Authlib, driven through its own views."""

    def __init__(self, provider, client_id):
        self.provider, self.client_id = provider, client_id
        self.app = flask.Flask(__name__)
        self.app.config["SECRET_KEY"] = "of a test"
        self.oauth = OAuth(self.app)
        self.oauth.register(
            "yitong",
            client_id=client_id,
            client_secret=provider.secrets[client_id],
            server_metadata_url=f"{provider.issuer}/.well-known/openid-configuration",
            client_kwargs={"scope": SCOPE, "code_challenge_method": "S256"},
        )
        self.app.add_url_rule("/login", view_func=self.login)
        self.app.add_url_rule("/callback", view_func=self.callback)
        self.http = self.app.test_client()

    def login(self):
        return self.oauth.yitong.authorize_redirect(self.provider.callback, prompt="consent")

    def callback(self):
        try:
            if flask.request.args.get("iss") != self.oauth.yitong.load_server_metadata()["issuer"]:
                flask.abort(400)
            token = self.oauth.yitong.authorize_access_token()
        except OAuthError as refusal:
            return {"error": refusal.error}, 400
        return {"token": token, "facts": self.oauth.yitong.userinfo(token=token)}

    def start(self):
        return self.http.get("/login", base_url="http://127.0.0.1").headers["Location"]

    def arrive(self, url):
        """The callback view's response to the browser that arrives there."""
        return self.http.get(url.removeprefix("http://127.0.0.1"), base_url="http://127.0.0.1")

    def sign_out_url(self, token):
        with self.app.test_request_context(base_url="http://127.0.0.1"):
            reply = self.oauth.yitong.logout_redirect(
                self.provider.goodbye, id_token_hint=token["id_token"], state="bye"
            )
            return reply.headers["Location"]


@pytest.fixture(params=["ES256", "RS256"])
def service(provider, request):
    return Service(provider, f"flask-{request.param.lower()}")


@pytest.fixture
def session(provider):
    with OAuth2Session("flask-es256", provider.secrets["flask-es256"]) as made:
        yield made


def test_a_person_logs_in(service, browser, provider):
    """Authlib verifies state, PKCE, nonce and the ID token in the registered algorithm, and reads userinfo."""
    asked = parse_qs(urlsplit(url := service.start()).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["nonce"]
    told = service.arrive(browser.log_in(url).url).get_json()
    head = told["token"]["id_token"].partition(".")[0]
    alg = json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))["alg"]
    assert f"flask-{alg.lower()}" == service.client_id
    assert told["token"]["userinfo"]["nonce"] == asked["nonce"][0]
    assert told["token"]["userinfo"]["iss"] == provider.issuer
    assert told["facts"]["name"] == provider.name
    assert told["facts"]["sub"] == told["token"]["userinfo"]["sub"]


def test_a_changed_answer_is_noticed(service, browser):
    """Another iss or another state is refused before the code is redeemed."""
    arrived = browser.log_in(service.start()).url
    assert service.arrive(arrived.replace("iss=", "iss=https%3A%2F%2Fother.example%3F")).status_code == 400
    assert service.arrive(arrived.replace("state=", "state=0")).status_code == 400
    assert service.arrive(arrived).status_code == 200


def test_an_answer_is_good_once(service, browser):
    """The same response is refused a second time."""
    arrived = browser.log_in(service.start()).url
    assert service.arrive(arrived).status_code == 200
    assert service.arrive(arrived).status_code == 400


def test_refresh_introspection_and_revocation(browser, provider, session):
    """Authlib refreshes, and what it revokes is no longer active."""
    service = Service(provider, "flask-es256")
    token = service.arrive(browser.log_in(service.start()).url).get_json()["token"]
    fresh = session.refresh_token(f"{provider.issuer}/token", refresh_token=token["refresh_token"])
    assert fresh["access_token"] != token["access_token"]
    ask = f"{provider.issuer}/introspect"
    assert session.introspect_token(ask, token=fresh["access_token"]).json()["active"] is True
    assert session.revoke_token(f"{provider.issuer}/revoke", token=fresh["access_token"]).status_code == 200
    assert session.introspect_token(ask, token=fresh["access_token"]).json() == {"active": False}


def test_the_person_signs_out(service, browser, provider):
    """Authlib's logout ends the session at the provider and brings the person back with her state."""
    told = service.arrive(browser.log_in(service.start()).url).get_json()
    assert browser.sign_out(service.sign_out_url(told["token"])).url == f"{provider.goodbye}?state=bye"
    assert browser.open(service.start()).form_with("identifier", "password")
