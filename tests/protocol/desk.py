"""The token side of one provider, for tests: registered clients of every kind, a citizen, approved codes, requests.

The seconds that the caches of clients and keys count stand still until a test moves them (`desk.a_second_passes`), so
a test sees exactly the statements of its request.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import repeat
from typing import Any
from urllib.parse import quote_plus, urlencode

import sqlalchemy as sa
from joserfc import jwk, jws

from accounts.audit import audit_events
from accounts.database import Database, Statement, new_id
from accounts.identifiers import IdentifierKind, parse
from accounts.people import NaturalPerson, NewPerson, People
from idp.login import sessions
from idp.oidc.assurance import Authentication
from idp.oidc.clients import registry
from idp.oidc.clients.registry import Client, ClientCache, NewClient
from idp.oidc.consent import claims, subjects
from idp.oidc.endpoints import authorization
from idp.oidc.endpoints.router import EndpointRouter
from idp.oidc.gate import is_token_active
from idp.oidc.messages import FORM, Reply, Request
from idp.oidc.models import access_tokens, authorization_requests, grants, refresh_tokens, releases
from idp.oidc.provider import Provider, ProviderPolicy
from idp.oidc.requests import request_store
from idp.oidc.requests.authorization_request import Approval, AuthorizationRequest
from idp.oidc.tokens import token_store
from idp.oidc.tokens.keys import KeyRing
from idp.oidc.vocabulary import JWT_BEARER
from tests.protocol.city import lasting_session, number

ISSUER = "https://id.luzhou.example"
CALLBACK = "https://rp.example/callback"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
NAME = "江小舟"
BORN = date(1990, 1, 1)
PHONE = "+86139" + "00000021"  # in two parts: the address of no test may look like a number
EMAIL = "xiaozhou@example.cn"
ADDRESS = "泸州市江阳区某街2号"
ID_NUMBER = number("19900101", 21)
SCOPES = ("openid", "offline_access", "profile", "age", "phone", "email", "address", "identity_number", "reports.read")
METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")
TABLES = {t.name: t for t in (access_tokens, refresh_tokens, releases, grants, authorization_requests, audit_events)}


_KEYS: dict[int, list[dict[str, Any]]] = {}


class Ticks:
    """A monotonic clock that stands."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Answer:
    """A reply, read."""

    status: int
    json: dict[str, Any]
    headers: Mapping[str, str]
    body: bytes

    @property
    def error(self) -> str | None:
        return self.json.get("error")


@dataclass(frozen=True)
class Registered:
    """A client with what it proves itself by."""

    client: Client
    secret: str | None = None
    key: Any = None

    @property
    def client_id(self) -> str:
        return self.client.client_id

    @property
    def method(self) -> str:
        return self.client.token_endpoint_auth_method


@dataclass
class Presented:
    """How a request proves its client: form fields and headers."""

    form: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


class Desk:
    """One provider at whose machine endpoints tests ask."""

    def __init__(self, database: Database, vault: Any, clock: Any) -> None:
        self.database, self.vault, self.clock, self.ticks = database, vault, clock, Ticks()
        self.people = People(vault)
        self.provider = self.another_process(database)
        self._keys()
        self.machine = EndpointRouter(self.provider)
        self.person = self.citizen()
        self.session_id = lasting_session(database, self.person.id, clock())

    def another_process(self, database: Database) -> Provider:
        """A provider with caches of its own."""
        keys = KeyRing(database, self.vault, monotonic=self.ticks)
        policy = ProviderPolicy()
        made = Provider(database=database, issuer=ISSUER, keys=keys, people=self.people, policy=policy, now=self.clock)
        made.clients = ClientCache(database, monotonic=self.ticks)
        return made

    def _keys(self) -> None:
        """The keys made for the first desk of this run, with the same vault, serve the others: RSA takes its time."""
        with self.database.transaction() as c:
            for row in _KEYS.get(id(self.vault), ()):
                c.execute(token_store.INSERT_KEY, **row)
            self.provider.keys.ensure(c, self.clock())
            _KEYS[id(self.vault)] = [row._asdict() for row in c.rows(token_store.ALL_KEYS)]

    # who there is ---------------------------------------------------------------------------------------------------
    def citizen(self, sequence: int = 21, born: date = BORN) -> NaturalPerson:
        """Somebody of whom everything is known."""
        new = NewPerson(
            name=NAME,
            identifiers=(parse(IdentifierKind.CITIZEN_ID, number("19900101", sequence)),),
            phones=(parse(IdentifierKind.MOBILE, PHONE),),
            birth_date=born,
            sex="female",
            email=EMAIL,
            address=ADDRESS,
        )
        with self.database.transaction() as c:
            return self.people.register(c, new, now=self.clock())

    def signs_out(self) -> None:
        """The session is over."""
        with self.database.transaction() as c:
            assert sessions.end(c, self.session_id, self.clock(), "signed_out")

    def registers(self, client_id: str = "fund", method: str = "client_secret_basic", **changes: Any) -> Registered:
        """A relying system with every scope, registered for this authentication method."""
        scopes = changes.get("scopes", SCOPES)
        key = jwk.ECKey.generate_key("P-256") if method == "private_key_jwt" else None
        stored = {} if key is None else {"jwks": {"keys": [key.as_dict(private=False) | {"kid": f"{client_id}-key"}]}}
        flows = ("authorization_code", "refresh_token", "client_credentials")
        fields: dict[str, Any] = {
            "client_id": client_id,
            "name": "公积金中心",
            "name_en": "Housing fund",
            "division": "510500",
            "purpose": "办理住房公积金业务",
            "purpose_en": "Housing fund services",
            "legal_basis": "consent",
            "redirect_uris": (CALLBACK,),
            "scopes": scopes,
            "claims_ceiling": claims.of_scopes(scopes),
            "grant_types": flows[:2] if method == "none" else flows,
            "token_endpoint_auth_method": method,
            "metadata": stored,
        }
        with self.database.transaction() as c:
            client, secret = registry.create(c, NewClient(**fields | changes), now=self.clock())
        self.a_second_passes()
        return Registered(client, secret, key)

    def disables(self, registered: Registered) -> None:
        """The client is disabled and every cache has had its second."""
        with self.database.transaction() as c:
            registry.change_status(c, registered.client_id, "disabled", now=self.clock())
        self.a_second_passes()

    def changes(self, registered: Registered, **values: Any) -> tuple[str, ...]:
        """The client's registration has these values, and every cache has had its second."""
        with self.database.transaction() as c:
            client = registry.read(c, registered.client_id)
            changed = registry.change(c, client, now=self.clock(), **values)
        self.a_second_passes()
        return changed

    def person_is(self, status: str) -> None:
        with self.database.transaction() as c:
            self.people.change_status(c, self.person.id, status, now=self.clock())

    def a_second_passes(self) -> None:
        """For the caches only."""
        self.ticks.now += 1.01

    # what was approved ----------------------------------------------------------------------------------------------
    def grant(self, registered: Registered, scopes: tuple[str, ...]) -> str:
        """The citizen's grant to that client, one for each pair."""
        found = [row for row in self.rows("grants") if row.client_id == registered.client_id]
        if found:
            return str(found[0].id)
        row = {
            "id": new_id(),
            "person_id": self.person.id,
            "client_id": registered.client_id,
            "scopes": list(scopes),
            "claims": list(claims.of_scopes(scopes)),
            "legal_basis": "consent",
            "purpose": registered.client.purpose,
            "given_at": self.clock(),
            "withdrawn_at": None,
        }
        self.database.connection().execute(Statement(sa.insert(grants)), **row)
        return str(row["id"])

    def withdraws(self) -> None:
        """Only the grants' own rows say so: their tokens are not touched, so that the gate alone is tested."""
        for row in self.rows("grants"):
            self.withdraws_one(row.id)

    def withdraws_one(self, grant_id: str) -> None:
        statement = Statement(
            sa.update(grants)
            .where(grants.c.id == sa.bindparam("of"))
            .values(withdrawn_at=sa.bindparam("at", type_=grants.c.given_at.type))
        )
        self.database.connection().execute(statement, of=grant_id, at=self.clock())

    def code(self, registered: Registered, scopes: tuple[str, ...] = ("openid",), **changes: Any) -> str:
        """A code just approved; changes are the request's fields."""
        now = self.clock()
        asked = {
            "id": new_id(),
            "client_id": registered.client_id,
            "redirect_uri": CALLBACK,
            "response_mode": "query",
            "scopes": scopes,
            "created_at": now,
            "expires_at": now + timedelta(minutes=30),
            "nonce": "n-1",
            "code_challenge": CHALLENGE,
        }
        request = AuthorizationRequest(**asked | changes)
        with self.database.transaction() as c:
            approval = Approval(
                person_id=self.person.id,
                session_id=self.session_id,
                authentication=Authentication(("pwd",), now - timedelta(seconds=30), 2, 1),
                grant_id=self.grant(registered, scopes),
                sub=subjects.subject_for(c, self.person.id, registered.client.sector, now),
                released=claims.granted(request.scopes, request.claims, registered.client),
            )
            code, row = authorization.issue_code(self.provider, request, approval, now)
            request_store.insert(c, row)
        return code

    def tokens(
        self, registered: Registered, scopes: tuple[str, ...] = ("openid", "offline_access"), **changes: Any
    ) -> dict[str, Any]:
        """What the exchange of a fresh code gives."""
        answer = self.exchanges(registered, self.code(registered, scopes, **changes))
        assert answer.status == 200, answer.json
        return answer.json

    # requests -------------------------------------------------------------------------------------------------------
    def exchanges(self, registered: Registered, code: str, **changes: str | None) -> Answer:
        """The code at the token endpoint; None leaves a parameter out."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        return self.asks(registered, "/token", **form | changes)

    def refreshes(self, registered: Registered, token: str, **more: str) -> Answer:
        return self.asks(registered, "/token", grant_type="refresh_token", refresh_token=token, **more)

    def introspects(self, registered: Registered, token: str, **more: str) -> Answer:
        return self.asks(registered, "/introspect", token=token, **more)

    def asks(self, registered: Registered, path: str, **form: str | None) -> Answer:
        """A form posted by a client that proves itself as it registered."""
        proof = self.proof(registered)
        given = {name: value for name, value in form.items() if value is not None}
        return self.posts(path, proof.form | given, **proof.headers)

    def posts(self, path: str, form: Mapping[str, str], **headers: str) -> Answer:
        return self.sends("POST", path, urlencode(form).encode(), **{"content_type": FORM, **headers})

    def userinfo(self, token: str, method: str = "GET") -> Answer:
        return self.sends(method, "/userinfo", authorization=f"Bearer {token}")

    def sends(self, method: str, path: str, body: bytes = b"", query: str = "", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        reply = self.machine.handle(Request(method, path, query, named, body, "192.0.2.1"))
        assert reply is not None
        return answer_of(reply)

    def proof(self, registered: Registered, method: str | None = None) -> Presented:
        """What that client would send for this method, its own one by default."""
        method = method or registered.method
        client_id, secret = registered.client_id, registered.secret or "yt_cs_guessed"
        if method == "client_secret_basic":
            return Presented(headers={"authorization": basic(client_id, secret)})
        if method == "client_secret_post":
            return Presented({"client_id": client_id, "client_secret": secret})
        if method == "private_key_jwt":
            return Presented({"client_assertion_type": JWT_BEARER, "client_assertion": self.assertion(registered)})
        return Presented({"client_id": client_id})

    def assertion(
        self, registered: Registered, key: Any = None, header: Mapping[str, Any] | None = None, **changes: Any
    ) -> str:
        """A client assertion (RFC 7523 §3); None takes a claim away."""
        now = int(self.clock().timestamp())
        who = registered.client_id
        usual = {
            "iss": who,
            "sub": who,
            "aud": ISSUER,
            "iat": now,
            "exp": now + 60,
            "jti": secrets.token_hex(8),
        }
        claimed = {name: value for name, value in (usual | changes).items() if value is not None}
        key = key or registered.key or jwk.ECKey.generate_key("P-256")
        protected = {"alg": "ES256", "kid": f"{who}-key", **(header or {})}
        shown = {name: value for name, value in protected.items() if value is not None}
        return jws.serialize_compact(shown, json.dumps(claimed), key, algorithms=[shown["alg"]])

    # what is in the database ----------------------------------------------------------------------------------------
    def rows(self, table: str) -> list[Any]:
        return self.database.connection().rows(Statement(sa.select(TABLES[table])))

    def alive(self) -> tuple[int, int]:
        """How many access and refresh tokens are good for anything."""
        found = {"access_tokens": token_store.FIND_ACCESS_TOKEN, "refresh_tokens": token_store.FIND_REFRESH_TOKEN}
        return tuple(sum(map(self._stands, self.rows(table), repeat(find))) for table, find in found.items())

    def _stands(self, token: Any, find: Statement) -> bool:
        row = self.database.connection().one(find, of_token=token.digest)
        client = None if row is None else self.provider.clients.get(row.client_id)
        return client is not None and is_token_active(row, client, self.clock())

    def events(self) -> list[str]:
        return [row.event for row in self.rows("audit_events")]

    @contextmanager
    def counted(self) -> Iterator[list[int]]:
        """The statements run inside, as the length of the list."""
        seen: list[int] = []
        before, self.database.count = self.database.count, lambda: seen.append(1)
        yield seen
        self.database.count = before


def answer_of(reply: Reply) -> Answer:
    headers = {name.lower(): value for name, value in reply.headers}
    is_json = "json" in headers.get("content-type", "")
    return Answer(reply.status, json.loads(reply.body) if is_json and reply.body else {}, headers, reply.body)


def basic(client_id: str, secret: str) -> str:
    """RFC 6749 §2.3.1."""
    return "Basic " + base64.b64encode(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()).decode()


def payload(token: str) -> dict[str, Any]:
    """What anybody who finds the token can read in it."""
    middle = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4))))


def half_hash(token: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()[:16]).rstrip(b"=").decode()


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())
