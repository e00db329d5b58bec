"""The provider as its own process over HTTP, and a person's browser without script, for third-party clients."""

import os
import secrets
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urljoin

import pytest
import requests

from accounts.credentials.password_rules.policy import PasswordPolicy
from accounts.database import Connection
from accounts.evidence import EvidenceKind
from accounts.identifiers import Mobile, parse
from accounts.people import NewPerson
from accounts.registration import Proof, Registration
from demo.people import PERSONAS
from idp import migrations
from idp.cli.clients import invite
from idp.oidc.clients import registry
from idp.oidc.clients.registry import NewClient
from idp.oidc.consent.claims import of_scopes
from idp.services import Services, build_services
from idp.settings import Settings
from tests.fixtures.hygiene import Hygiene
from tests.fixtures.processes import free_ports, running
from tests.fixtures.relying_party import Form, Page
from tests.fixtures.replies import no_repeats

CALLBACK = "http://127.0.0.1/callback"  # nobody listens there: the browser stops before it and returns it
GOODBYE = "http://127.0.0.1/goodbye"
SCOPES = ("openid", "profile", "offline_access")
PERSON = PERSONAS[0]
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Provider:
    """The running provider, and what an administrator gave to its clients."""

    issuer: str
    invitation: str
    secrets: dict[str, str]
    callback: str = CALLBACK
    goodbye: str = GOODBYE
    name: str = PERSON.name


@dataclass
class Browser:
    """Keeps cookies and follows redirects until it would leave for an address that nobody serves."""

    hygiene: Hygiene
    issuer: str
    http: requests.Session = field(default_factory=requests.Session)
    page: Page | None = None

    def open(self, url: str, fields: dict[str, str] | None = None) -> Page:
        """The page where the redirects end; with fields it is requested by POST."""
        while True:
            self.hygiene.look("url", "a standard client's browser", url)
            if url.startswith((CALLBACK, GOODBYE)):
                self.page = Page(303, url, "", {})
                return self.page
            ours = {"Sec-Fetch-Site": "same-origin"} if fields is not None else {}
            method = "GET" if fields is None else "POST"
            reply = self.http.request(method, url, data=fields, headers=ours, allow_redirects=False, timeout=20)
            no_repeats(reply.raw.headers.iteritems())
            reply.encoding = "utf-8"
            if reply.status_code not in REDIRECTS:
                break
            url, fields = urljoin(url, reply.headers["Location"]), None
        if url.startswith(self.issuer):
            self.hygiene.look("page", "the provider, for a standard client", reply.text)
        self.page = Page(reply.status_code, url, reply.text, reply.headers)
        return self.page

    def submit(self, form: Form, **fields: str) -> Page:
        """The page after the form was sent with these fields."""
        assert self.page is not None
        return self.open(urljoin(self.page.url, form.action), {**form.fields, **fields})

    def log_in(self, url: str) -> Page:
        """The address after the person logged in and consented where asked."""
        page = self.open(url)
        page = self.submit(page.form_with("identifier"), identifier=PERSON.number, password=PERSON.password)
        return self.press("agree") if "agree" in page.text else page

    def press(self, answer: str) -> Page:
        """The page after that button."""
        assert self.page is not None
        return self.submit(self.page.form_with(f"answer={answer}"), answer=answer)

    def sign_out(self, url: str) -> Page:
        """The address after a client's logout request, confirmed by the person if asked."""
        page = self.open(url)
        return self.press("sign_out") if 'value="sign_out"' in page.text else page


@pytest.fixture
def browser(provider: Provider, hygiene: Hygiene) -> Iterator[Browser]:
    made = Browser(hygiene, provider.issuer)
    made.http.trust_env = False
    with made.http:
        yield made


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory, hygiene: Hygiene) -> Iterator[Provider]:
    directory = tmp_path_factory.mktemp("provider")
    (port,) = free_ports(1)
    chosen = {
        "environment": "test",
        "issuer": f"http://127.0.0.1:{port}",
        "database_url": f"sqlite:///{directory / 'city.db'}",
        "vault_keys": f"k1:{b64encode(secrets.token_bytes(32)).decode()}",
        "argon2_memory_kib": 64,
    }
    services = build_services(Settings(**chosen))
    with closing(services.database):
        seeded = _seeded(services)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("YITONG_")}
        environment |= {f"YITONG_{name.upper()}": str(value) for name, value in chosen.items()}
        command = [sys.executable, "-m", "idp.cli", "serve", "--port", str(port)]
        with running(command, directory / "provider.log", f"{seeded.issuer}/jwks", environment):
            yield seeded
        hygiene.look_at_files("log", directory.glob("*.log"))
        hygiene.look_at_database("standard clients", services.database)


def _seeded(services: Services) -> Provider:
    migrations.upgrade(services.database)
    now = services.clock()
    person = parse(PERSON.kind, PERSON.number)
    new = NewPerson(PERSON.name, (person,), (Mobile.parse(PERSON.phone or ""),))
    Registration(services.people, services.hasher, PasswordPolicy()).open_account(
        services.database, new, PERSON.password, proofs=(Proof(EvidenceKind.PHONE, "test"),), channel="hall", now=now
    )
    with services.database.transaction() as c:
        services.keys.ensure(c, now)
        policy = {"scopes": list(SCOPES)}
        invitation = invite(c, policy, uses=10, until=now + timedelta(days=1), now=now)
        return Provider(services.settings.issuer, invitation, dict(_clients(services, c)))


def _clients(services: Services, c: Connection) -> Iterator[tuple[str, str]]:
    """Each client's id and secret: every library with each algorithm, an application, and a machine."""
    libraries = [(f"{who}-{alg.lower()}", alg) for who in ("node", "apache", "flask") for alg in ("ES256", "RS256")]
    for client_id, alg in libraries:
        yield _client(services, c, client_id, id_token_signed_response_alg=alg)
    yield _client(services, c, "application", token_endpoint_auth_method="none")
    yield _client(services, c, "machine", grant_types=("client_credentials",), redirect_uris=())


def _client(services: Services, c: Connection, client_id: str, **more: object) -> tuple[str, str]:
    told = {
        "name": "接入测试",
        "name_en": "Standard client",
        "division": "510500",
        "purpose": "互通测试",
        "purpose_en": "to test that libraries understand us",
        "legal_basis": "consent",
        "redirect_uris": (CALLBACK,),
        "scopes": SCOPES,
        "claims_ceiling": of_scopes(SCOPES),
        "post_logout_redirect_uris": (GOODBYE,) if client_id != "machine" else (),
    }
    _, secret = registry.create(c, NewClient(client_id=client_id, **{**told, **more}), now=services.clock())
    return client_id, secret or ""
