"""A fake relying system and a browser without script, both driving the WSGI application in this process."""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from werkzeug.test import Client as Http

from tests.builders import Citizen, City, System
from tests.hygiene import saw

SECURE_HEADERS = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Form:
    """One form of a page: where it goes and what it carries, without its buttons."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append(Form(told.get("action", ""), told.get("method", "get")))
        elif tag == "input" and self.found and told.get("type") != "radio":
            self.found[-1].fields[told.get("name", "")] = told.get("value", "")
        elif tag == "button" and self.found and "name" in told:
            self.found[-1].buttons.append((told["name"], told.get("value", "")))


@dataclass
class Page:
    """What the browser shows, or where it was sent outside."""

    status: int
    url: str
    text: str
    headers: Any
    visited: tuple[str, ...] = ()

    @property
    def forms(self) -> list[Form]:
        parser = _Forms()
        parser.feed(self.text)
        return parser.found

    def form_with(self, *names: str) -> Form:
        """The first form with these fields or, named `name=value`, these buttons."""
        for form in self.forms:
            known = {*form.fields, *(f"{name}={value}" for name, value in form.buttons)}
            known |= {f"{name}={value}" for name, value in form.fields.items()}
            if known.issuperset(names):
                return form
        raise AssertionError(f"no form with {names} on {self.url} ({self.status}):\n{self.text[:2000]}")

    @property
    def answer(self) -> dict[str, str]:
        """The parameters with which the browser arrived outside."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.url).query).items()}


class Browser:
    """Keeps cookies, follows redirects within the provider, stops at its border."""

    def __init__(self, city: City, *, source: str = "203.0.113.5") -> None:
        self.city = city
        self.http = Http(city.wsgi)
        self.source = source
        self.page: Page | None = None

    def get(self, url: str, *, headers: dict[str, str] | None = None, follow: bool = True) -> Page:
        return self._go("GET", url, None, headers or {}, follow)

    def post(
        self, url: str, fields: dict[str, str], *, headers: dict[str, str] | None = None, follow: bool = True
    ) -> Page:
        return self._go("POST", url, fields, SECURE_HEADERS if headers is None else headers, follow)

    def submit(self, form: Form, **fields: str) -> Page:
        """Send a form of a page with what the person typed or pressed."""
        return self.post(form.action, {**form.fields, **fields})

    def log_in(self, person: Citizen, password: str | None = None) -> Page:
        """Fill in the login form that is shown."""
        assert self.page is not None
        form = self.page.form_with("identifier", "password")
        return self.submit(form, identifier=person.number, password=password or person.password, answer="login")

    def agree(self) -> Page:
        """Say yes on the page that asks or tells."""
        assert self.page is not None
        for name in ("agree", "acknowledge"):
            try:
                return self.submit(self.page.form_with(f"answer={name}"), answer=name)
            except AssertionError:
                continue
        raise AssertionError(f"nothing to agree to on {self.page.url}:\n{self.page.text[:2000]}")

    def cookie(self, name: str) -> str | None:
        found = self.http.get_cookie(name)
        return found.value if found else None

    def _go(self, method: str, url: str, fields: dict[str, str] | None, headers: dict[str, str], follow) -> Page:
        visited: list[str] = []
        while True:
            path = url.removeprefix(self.city.issuer)
            reply = self.http.open(
                path,
                base_url=self.city.issuer,
                method=method,
                data=fields,
                headers=headers,
                environ_overrides={"REMOTE_ADDR": self.source},
            )
            visited.append(path.partition("?")[0])
            location = reply.headers.get("Location")
            self.page = Page(reply.status_code, url, reply.get_data(as_text=True), reply.headers, tuple(visited))
            saw(f"{url} {location or ''}", self.page.text)
            if location is None or reply.status_code != 303:
                return self.page
            url, method, fields, headers = urljoin(f"{self.city.issuer}{path}", location), "GET", None, {}
            if not follow or not url.startswith(f"{self.city.issuer}/"):
                self.page = Page(303, url, "", reply.headers, tuple(visited))
                return self.page


class RelyingParty:
    """A relying system that speaks OpenID Connect as the libraries do."""

    def __init__(self, city: City, system: System) -> None:
        self.city = city
        self.system = system
        self.http = Http(city.wsgi)
        self.verifier = ""
        self.state = ""

    def start(self, **changes: Any) -> str:
        """The URL to which this system sends a person who presses "log in"; None drops a parameter."""
        self.verifier, self.state = secrets.token_urlsafe(32), secrets.token_urlsafe(8)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=")
        asked = {
            "client_id": self.system.client.client_id,
            "redirect_uri": self.system.client.redirect_uris[0],
            "response_type": "code",
            "scope": "openid profile",
            "state": self.state,
            "nonce": secrets.token_urlsafe(8),
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
        } | changes
        return f"{self.city.issuer}/authorize?{urlencode({k: v for k, v in asked.items() if v is not None})}"

    def redeem(self, page: Page) -> dict[str, Any]:
        """The token endpoint's answer to the code with which the browser arrived."""
        assert page.answer.get("state") == self.state, page.url
        assert page.answer.get("iss") == self.city.issuer
        fields = {
            "grant_type": "authorization_code",
            "code": page.answer["code"],
            "redirect_uri": self.system.client.redirect_uris[0],
            "code_verifier": self.verifier,
        }
        return self._post("/token", fields)

    def userinfo(self, tokens: dict[str, Any]) -> dict[str, Any]:
        reply = self.http.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})
        return {"status": reply.status_code} | json.loads(reply.get_data() or b"{}")

    def introspect(self, token: str) -> dict[str, Any]:
        return self._post("/introspect", {"token": token})

    def _post(self, path: str, fields: dict[str, str]) -> dict[str, Any]:
        login = (self.system.client.client_id, self.system.secret or "")
        reply = self.http.post(path, data=fields, auth=login)
        return {"status": reply.status_code} | json.loads(reply.get_data())


def id_token_claims(tokens: dict[str, Any]) -> dict[str, Any]:
    """The claims of an ID token, unverified: what it says, not whether to believe it."""
    body = tokens["id_token"].split(".")[1]
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return read
