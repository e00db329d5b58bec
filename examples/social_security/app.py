"""Social security: a second service. A person who is signed in at the provider is signed in here without typing.

It knows only the address of the provider and its own client_id and secret. Everything it does is in the specifications:
OpenID Connect Core, RP-Initiated Logout, Back-Channel Logout.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Blueprint, Flask, Response, abort, redirect, render_template, request, session, url_for
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
pages = Blueprint("pages", __name__)
oauth = OAuth()


@dataclass(frozen=True)
class Visitor:
    """A person who is signed in here."""

    sub: str
    sid: str
    name: str
    acr: str
    is_adult: bool | None
    helps: str  # the number of the person whom this one acts for, at this service; empty for themselves
    id_token: str


VISITORS: dict[str, Visitor] = {}  # our own sessions are on the server, so that a logout notice can end them


def create_app() -> Flask:
    """The service, configured from its environment."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=os.environ["SECRET_KEY"],
        SESSION_COOKIE_NAME="social_security",  # cookies ignore ports: services on one machine need different names
        SESSION_COOKIE_SAMESITE="Lax",
    )
    oauth.init_app(app)
    oauth.register(
        "yitong",
        client_id=os.environ["CLIENT_ID"],
        client_secret=os.environ["CLIENT_SECRET"],
        server_metadata_url=os.environ["ISSUER"] + "/.well-known/openid-configuration",
        client_kwargs={"scope": "openid profile age", "code_challenge_method": "S256"},
        overwrite=True,
    )
    app.register_blueprint(pages)
    return app


@pages.get("/")
def home() -> str:
    """The front page, for a visitor or a stranger."""
    return render_template("page.html", visitor=VISITORS.get(session.get("key", "")))


@pages.get("/login")
def login() -> Response:
    """Redirect to the provider. The library makes state, nonce and the PKCE verifier."""
    return oauth.yitong.authorize_redirect(url_for("pages.callback", _external=True))


@pages.get("/callback")
def callback() -> Response | tuple[str, int]:
    """The answer of the provider. The library exchanges the code and checks the ID token."""
    try:
        if request.args.get("iss", "") != oauth.yitong.load_server_metadata()["issuer"]:
            abort(400)  # RFC 9207: the answer of another issuer
        token = oauth.yitong.authorize_access_token()
    except OAuthError as refusal:
        return render_template("page.html", visitor=None, refusal=refusal.error), 400
    facts = oauth.yitong.userinfo(token=token)
    session["key"] = secrets.token_urlsafe(32)
    VISITORS[session["key"]] = Visitor(
        sub=token["userinfo"]["sub"],
        sid=token["userinfo"]["sid"],
        name=facts.get("name", ""),
        acr=token["userinfo"].get("acr", ""),
        is_adult=facts.get("age_over_18"),
        helps=token["userinfo"].get("helped_sub", ""),
        id_token=token["id_token"],
    )
    return redirect(url_for("pages.home"))


@pages.post("/logout")
def logout() -> Response:
    """Sign out here and redirect to the provider, which notifies the other services."""
    visitor = VISITORS.pop(session.pop("key", ""), None)
    if visitor is None:
        return redirect(url_for("pages.home"))
    back = url_for("pages.home", _external=True)
    return oauth.yitong.logout_redirect(back, id_token_hint=visitor.id_token)


@pages.post("/backchannel-logout")
def backchannel_logout() -> tuple[str, int, dict[str, str]]:
    """The provider reports that a session has ended: sign its person out here."""
    never_stored = {"Cache-Control": "no-store"}
    try:
        ended = read_logout_token(request.form["logout_token"])
    except (JoseError, ValueError):
        return "invalid logout token", 400, never_stored
    for key, visitor in list(VISITORS.items()):
        if visitor.sid == ended.get("sid") or ("sid" not in ended and visitor.sub == ended.get("sub")):
            del VISITORS[key]
    return "", 200, never_stored


def read_logout_token(text: str) -> dict[str, str]:
    """The claims of a genuine logout token (Back-Channel Logout 1.0 §2.6). Raises JoseError or ValueError."""
    provider = oauth.yitong.load_server_metadata()
    keys = KeySet.import_key_set(oauth.yitong.fetch_jwk_set(force=True))
    claims = jwt.decode(text, keys, algorithms=["ES256"]).claims
    jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": provider["issuer"]},
        aud={"essential": True, "value": oauth.yitong.client_id},
        iat={"essential": True},
        exp={"essential": True},
        jti={"essential": True},
    ).validate(claims)
    if LOGOUT_EVENT not in claims.get("events", {}) or "nonce" in claims or not ("sid" in claims or "sub" in claims):
        raise ValueError("not a logout token")
    return claims
