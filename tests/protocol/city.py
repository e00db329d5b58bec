"""A small city for protocol tests: one provider, its clients, one citizen, and a relying party's requests."""

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from accounts.database import Database
from accounts.identifiers import IdentifierKind, Mobile, parse
from accounts.people import NaturalPerson, NewPerson, People
from accounts.vault import Vault
from idp.login import sessions
from idp.login.sessions import SessionLifetimes
from idp.oidc.assurance import authentication
from idp.oidc.clients import registry
from idp.oidc.clients.registry import Client, NewClient
from idp.oidc.consent import claims, consents, subjects
from idp.oidc.endpoints import authorization
from idp.oidc.endpoints.router import EndpointRouter
from idp.oidc.messages import FORM, Reply, Request
from idp.oidc.provider import Provider, ProviderPolicy
from idp.oidc.requests.authorization_request import Approval, AuthorizationRequest
from idp.oidc.requests.validation import AuthorizationError
from idp.oidc.tokens.keys import KeyRing

ISSUER = "https://id.luzhou.example"
REDIRECT = "https://fund.example/callback"
GOODBYE = "https://fund.example/goodbye"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
SCOPES = ("openid", "offline_access", "profile", "age", "phone", "email", "address")


class Citizen:
    """The citizen's own record and what a test does in their name."""

    def __init__(self, city: "City", person: NaturalPerson) -> None:
        self.city = city
        self.id = person.id
        self.session_id = lasting_session(city.database, person.id, city.now())

    def approves(self, request: AuthorizationRequest, *, methods: Any = ("pwd",)) -> Reply:
        """What the dispatcher does once nothing is left to ask."""
        city, now = self.city, self.city.now()
        with city.database.transaction() as c:
            authorization.open_request(c, request, now)
            return authorization.approve(c, city.provider, request, self.approval(request, methods), now)

    def approval(self, request: AuthorizationRequest, methods: Any = ("pwd",)) -> Approval:
        """The citizen's yes, with a grant given for it."""
        city, now = self.city, self.city.now()
        client = city.client(request.client_id)
        with city.database.transaction() as c:
            return Approval(
                person_id=self.id,
                session_id=self.session_id,
                authentication=authentication(methods, now - timedelta(seconds=30), 2),
                grant_id=consents.give(c, self.id, client, request, now),
                sub=subjects.subject_for(c, self.id, client.sector, now),
                released=claims.granted(request.scopes, request.claims, client),
            )


@dataclass
class City:
    database: Database
    provider: Provider
    people: People
    machine: EndpointRouter
    now: Any
    secrets: dict[str, str]

    def client(self, client_id: str = "fund") -> Client:
        found = self.provider.clients.get(client_id)
        assert found is not None
        return found

    def registers(self, client_id: str = "fund", **changes: Any) -> Client:
        """A relying system made by an administrator."""
        scopes = changes.get("scopes", SCOPES)
        fields: dict[str, Any] = {
            "client_id": client_id,
            "name": "公积金中心",
            "name_en": "Housing fund",
            "division": "510500",
            "purpose": "办理住房公积金业务",
            "purpose_en": "Housing fund services",
            "legal_basis": "consent",
            "redirect_uris": (REDIRECT,),
            "post_logout_redirect_uris": (GOODBYE,),
            "scopes": scopes,
            "claims_ceiling": claims.of_scopes(scopes),
        }
        with self.database.transaction() as c:
            client, secret = registry.create(c, NewClient(**fields | changes), now=self.now())
        if secret is not None:
            self.secrets[client_id] = secret
        return client

    def citizen(self, name: str = "泸小满") -> Citizen:
        """Somebody with every fact we can hold; invented, with a number of the test area."""
        new = NewPerson(
            name=name,
            identifiers=(parse(IdentifierKind.CITIZEN_ID, number("19900101", len(name))),),
            phones=(mobile("13900000001"),),
            birth_date=date(1990, 1, 1),
            sex="female",
            email="xiaoman@example.cn",
            address="泸州市江阳区某街1号",
        )
        with self.database.transaction() as c:
            person = self.people.register(c, new, now=self.now())
        return Citizen(self, person)

    def asks(self, **changes: Any) -> AuthorizationRequest:
        """A relying party's request, read."""
        return authorization.read_request(self.provider, get(**changes), self.now())

    def refusal(self, request: Request) -> Reply:
        """The answer to a request that is wrong in a way the client may be told."""
        try:
            read = authorization.read_request(self.provider, request, self.now())
        except AuthorizationError as error:
            return authorization.error_reply(self.provider, error)
        raise AssertionError(f"accepted: {read}")

    def token(self, code: str, client_id: str = "fund", **changes: str) -> tuple[int, dict[str, Any]]:
        """The code at the token endpoint."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
        } | changes
        return self.posts("/token", {k: v for k, v in form.items() if v}, authorization=self.basic(client_id))

    def basic(self, client_id: str) -> str:
        """The Authorization header of a client with a secret."""
        return "Basic " + base64.b64encode(f"{client_id}:{self.secrets[client_id]}".encode()).decode()

    def posts(self, path: str, form: dict[str, str], **headers: str) -> tuple[int, dict[str, Any]]:
        request = Request("POST", path, "", {"content-type": FORM, **headers}, urlencode(form).encode())
        return self.answer(request)

    def answer(self, request: Request) -> tuple[int, dict[str, Any]]:
        reply = self.machine.handle(request)
        assert reply is not None
        return reply.status, json.loads(reply.body) if reply.body else {}


def build(database: Database, vault: Vault, clock: Any) -> City:
    """A city on this database, with keys."""
    people, keys = People(vault), KeyRing(database, vault)
    with database.transaction() as c:
        keys.ensure(c, clock())
    provider = Provider(database=database, issuer=ISSUER, keys=keys, people=people, policy=ProviderPolicy(), now=clock)
    return City(database, provider, people, EndpointRouter(provider), clock, {})


def lasting_session(database: Database, person_id: str, now: datetime) -> str:
    """The id of a session of that person that no test outlives."""
    proven, lasting = authentication(("pwd",), now, 2), SessionLifetimes(timedelta(days=400), timedelta(days=400))
    prepared = sessions.prepare(person_id, proven, lasting, channel="web", user_agent=None, source=None, now=now)
    with database.transaction() as c:
        return sessions.open_session(c, prepared).session.id


def eight_at_once(database: Database, act: Callable[[], object]) -> None:
    """Eight threads have done it, begun in one moment, each on a connection of its own."""
    start = threading.Barrier(8)

    def one() -> None:
        start.wait()
        try:
            act()
        finally:
            database.close()

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def number(birth: str, sequence: int) -> str:
    """A citizen number of the area no person has, with its check character."""
    body = f"519999{birth}{sequence:03d}"
    weighted = sum(int(digit) * (2 ** (17 - i) % 11) for i, digit in enumerate(body))
    return body + "10X98765432"[weighted % 11]


def mobile(text: str) -> Mobile:
    parsed = parse(IdentifierKind.MOBILE, text)
    assert isinstance(parsed, Mobile)
    return parsed


def parameters(**changes: Any) -> dict[str, str]:
    """The usual request; None takes a parameter away."""
    usual = {
        "client_id": "fund",
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "scope": "openid profile",
        "state": "s-1",
        "nonce": "n-1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in (usual | changes).items() if value is not None}


def get(**changes: Any) -> Request:
    return Request("GET", "/authorize", urlencode(parameters(**changes)))


def post(**changes: Any) -> Request:
    body = urlencode(parameters(**changes)).encode()
    return Request("POST", "/authorize", "", {"content-type": FORM}, body)


def answer_of(reply: Reply) -> dict[str, str]:
    """The parameters a redirect carries back."""
    assert reply.status == 303
    assert reply.location is not None
    return dict(parse_qsl(urlsplit(reply.location).query))


def header(reply: Reply, name: str) -> str | None:
    return next((value for key, value in reply.headers if key == name), None)
