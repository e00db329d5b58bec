"""The measured units of work, as the HTTP requests that a relying system or browser would send.

The units know the two servers only by a `Target`: its addresses and its clients.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote_plus, urlencode, urlsplit

import orjson
from load import Answer, Unexpected, Unit, request


@dataclass(frozen=True, slots=True)
class Person:
    """A person who can sign in."""

    login: str
    password: str


@dataclass(frozen=True, slots=True)
class Target:
    """One server under test."""

    name: str
    port: int
    authorize: str
    token: str
    userinfo: str
    introspect: str
    jwks: str
    redirect_uri: str
    confidential: tuple[str, str]
    public: str

    @property
    def host(self) -> str:
        """The Host header."""
        return f"127.0.0.1:{self.port}"

    @property
    def basic(self) -> str:
        """The confidential client's Authorization header."""
        return "Basic " + base64.b64encode(":".join(self.confidential).encode()).decode()


SCOPE = "openid profile phone"
_PLAIN = re.compile(r"[A-Za-z0-9._~-]*", re.ASCII)
_CODE = re.compile(r"[?&]code=([A-Za-z0-9._~-]+)", re.ASCII)
_FORM = re.compile(rb'<form[^>]*action="(/(?:login|consent|interaction)/[^"]+)"[^>]*>(.*?)</form>', re.DOTALL)
_FIELD = re.compile(rb'<(?:input[^>]*type="hidden"|button)[^>]*name="([^"]+)"[^>]*value="([^"]*)"')


def get(target: Target, path: str) -> Iterator[Unit]:
    """GET a public document."""
    raw = request("GET", path, host=target.host)

    def unit() -> Unit:
        (yield raw).expect(200)

    return _forever(unit)


def client_credentials(target: Target) -> Iterator[Unit]:
    """One token for a machine."""
    raw = _form(target, target.token, {"grant_type": "client_credentials"}, basic=target.basic)

    def unit() -> Unit:
        (yield raw).expect(200)

    return _forever(unit)


def introspect(target: Target, token: str) -> Iterator[Unit]:
    """One introspection of a person's access token, by its client."""
    raw = _form(target, target.introspect, {"token": token}, basic=target.basic)

    def unit() -> Unit:
        answer = (yield raw).expect(200)
        if b'"active":true' not in answer.body:
            raise Unexpected(answer.body[:200])

    return _forever(unit)


def userinfo(target: Target, token: str) -> Iterator[Unit]:
    """One person's claims."""
    raw = request("GET", target.userinfo, host=target.host, headers={"authorization": f"Bearer {token}"})

    def unit() -> Unit:
        answer = (yield raw).expect(200)
        if b'"name"' not in answer.body:
            raise Unexpected(answer.body[:200])

    return _forever(unit)


def exchange(target: Target, codes: Iterator[tuple[str, str]]) -> Iterator[Unit]:
    """One exchange of a prepared code for an access and an ID token."""

    def unit() -> Unit:
        code, verifier = next(codes)
        _tokens((yield _code_request(target, code, verifier)))

    return _forever(unit)


def refresh(target: Target, token: str) -> Iterator[Unit]:
    """One rotation by a public client. Each lane continues with its newest token."""
    held = [token]

    def unit() -> Unit:
        form = {"grant_type": "refresh_token", "refresh_token": held[0], "client_id": target.public}
        held[0] = _tokens((yield _form(target, target.token, form)))["refresh_token"]

    return _forever(unit)


def silent(target: Target, jar: dict[str, str]) -> Iterator[Unit]:
    """A person with a session opens a service: authorize, code, token, userinfo."""

    def unit() -> Unit:
        code, verifier = yield from authorized(target, jar)
        token = _tokens((yield _code_request(target, code, verifier)))["access_token"]
        raw = request("GET", target.userinfo, host=target.host, headers={"authorization": f"Bearer {token}"})
        (yield raw).expect(200)

    return _forever(unit)


def login(target: Target, person: Person) -> Iterator[Unit]:
    """A whole first login: authorize, form, password, callback, token, userinfo."""

    def unit() -> Unit:
        jar: dict[str, str] = {}
        code, verifier = yield from signed_in(target, jar, person)
        token = _tokens((yield _code_request(target, code, verifier)))["access_token"]
        raw = request("GET", target.userinfo, host=target.host, headers={"authorization": f"Bearer {token}"})
        (yield raw).expect(200)

    return _forever(unit)


def authorized(target: Target, jar: dict[str, str], *, client: str | None = None, scope: str = SCOPE) -> Unit:
    """Request a code with a live session. Returns the code and its verifier."""
    verifier = secrets.token_urlsafe(32)
    answer = yield from _follow(target, _authorize_path(target, verifier, client, scope), jar)
    return _code_of(answer), verifier  # type: ignore[return-value]


def agreed(target: Target, jar: dict[str, str], person: Person) -> Unit:
    """Request a code with a live session and approve it on a page. Returns the code and its verifier."""
    return signed_in(target, jar, person, prompt="consent")


def signed_in(
    target: Target,
    jar: dict[str, str],
    person: Person,
    *,
    client: str | None = None,
    scope: str = SCOPE,
    prompt: str | None = None,
) -> Unit:
    """The same without a session: the person types identifier and password, and approves."""
    verifier = secrets.token_urlsafe(32)
    path = _authorize_path(target, verifier, client, scope) + (f"&prompt={prompt}" if prompt else "")
    answer = yield from _follow(target, path, jar)
    typed = {"identifier": person.login, "password": person.password}
    for _ in range(3):
        if answer.status != 200:
            break
        answer = yield from _submit(target, answer, jar, typed)
        typed = {}
    return _code_of(answer), verifier  # type: ignore[return-value]


def _authorize_path(target: Target, verifier: str, client: str | None, scope: str) -> str:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return f"{_asking(target, client or target.confidential[0], scope)}&code_challenge={challenge}"


@lru_cache
def _asking(target: Target, client: str, scope: str) -> str:
    """The part of the path that is equal for all requests of a client, cached: the load shares the database's core."""
    query = {
        "client_id": client,
        "response_type": "code",
        "scope": scope,
        "redirect_uri": target.redirect_uri,
        "state": "s",
        "nonce": "n",
        "code_challenge_method": "S256",
    }
    if "offline_access" in scope:
        query["prompt"] = "consent"
    return f"{target.authorize}?{urlencode(query)}"


def _follow(target: Target, path: str, jar: dict[str, str]) -> Unit:
    """GET, then follow every redirect that stays on the server. Returns the page or the redirect that leaves it."""
    while True:
        answer = (yield request("GET", path, host=target.host, headers=_cookies(jar))).expect(200, 302, 303)
        jar.update(answer.cookies())
        location = answer.header(b"location")
        if answer.status == 200 or location.startswith(target.redirect_uri):
            return answer  # type: ignore[return-value]
        path = _path(location)


def _submit(target: Target, page: Answer, jar: dict[str, str], typed: dict[str, str]) -> Unit:
    """Fill and post the page's form, then follow."""
    action, fields = form_of(page.body)
    fields |= typed
    headers = _cookies(jar) | {"origin": f"http://{target.host}", "sec-fetch-site": "same-origin"}
    path = _path(action)
    body = urlencode(fields).encode()
    answer = (yield request("POST", path, host=target.host, headers=headers, body=body)).expect(302, 303)
    jar.update(answer.cookies())
    location = answer.header(b"location")
    if location.startswith(target.redirect_uri):
        return answer  # type: ignore[return-value]
    return (yield from _follow(target, _path(location), jar))


def form_of(page: bytes) -> tuple[str, dict[str, str]]:
    """The form of the page: its action, its hidden fields, and its first button, which approves."""
    form = _FORM.search(page)
    if form is None:
        raise Unexpected(page[:300])
    fields: dict[str, str] = {}
    for name, value in _FIELD.findall(form.group(2)):
        fields.setdefault(name.decode(), value.decode())
    return form.group(1).decode().replace("&amp;", "&"), fields


def _path(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _cookies(jar: dict[str, str]) -> dict[str, str]:
    return {"cookie": "; ".join(f"{k}={v}" for k, v in jar.items() if v)} if jar else {}


def _code_of(answer: Answer) -> str:
    found = _CODE.search(answer.header(b"location"))
    if found is None:
        raise Unexpected(f"no code: {answer.headers!r} {answer.body[:300]!r}")
    return found[1]


def _code_request(target: Target, code: str, verifier: str, *, client: str | None = None) -> bytes:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": target.redirect_uri,
        "code_verifier": verifier,
    }
    if client is None:
        return _form(target, target.token, form, basic=target.basic)
    return _form(target, target.token, form | {"client_id": client})


def tokens_for(target: Target, jar: dict[str, str], *, client: str | None, scope: str) -> Unit:
    """A whole exchange, to prepare other units. Returns the token answer."""
    code, verifier = yield from authorized(target, jar, client=client, scope=scope)
    return _tokens((yield _code_request(target, code, verifier, client=client)))  # type: ignore[return-value]


def _tokens(answer: Answer) -> dict[str, str]:
    document: dict[str, str] = orjson.loads(answer.expect(200).body)
    if "access_token" not in document:
        raise Unexpected(answer.body[:200])
    return document


def _form(target: Target, path: str, form: dict[str, str], *, basic: str | None = None) -> bytes:
    headers = {"authorization": basic} if basic else {}
    body = "&".join(f"{name}={_quoted(value)}" for name, value in form.items())
    return request("POST", path, host=target.host, headers=headers, body=body.encode())


def _quoted(value: str) -> str:
    """The value, quoted only if it needs it. Quoting every long token would take CPU time from the database."""
    return value if _PLAIN.fullmatch(value) else quote_plus(value)


def _forever(unit: Callable[[], Unit]) -> Iterator[Unit]:
    return (unit() for _ in itertools.count())
