"""WeChat and Alipay accounts that a proven person bound to their own account, to sign in with.

Such an account proves no real name and adds nothing to identity assurance. It opens an account only after its person
bound it, signed in with everything else that they have: nobody is found by a phone, a nickname or a picture, and no
account comes into being (docs/decisions/0080-platform-accounts-are-bound.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts import audit
from accounts.audit import failed_logins
from accounts.authentication import Authenticated, proven_here
from accounts.credentials.external import federated_identity_store as store
from accounts.credentials.external.federated_identity_store import PLACE
from accounts.credentials.known_browsers import AccountState, KnownBrowsers
from accounts.credentials.passkeys import passkey_store
from accounts.database import Connection, new_id
from accounts.errors import CredentialRefused, NotProven
from accounts.people import OWN_PAGES
from accounts.ports import PlatformAccount
from accounts.vault import Vault

METHOD = "fed"  # which platform it was is not told to services
MOST = 5  # of one person
_EVENTS = {"wechat": "person:authentication:wechat", "alipay": "person:authentication:alipay"}
_ADDED, _REMOVED = "person:credential:add", "person:credential:remove"


@dataclass(frozen=True, slots=True)
class FederatedIdentity:
    """One bound account, as its person sees it."""

    id: str
    provider: str
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a login comes from. `known_browsers` is the browser's cookie from an earlier login."""

    channel: str
    source: str
    known_browsers: str = ""


class FederatedIdentities:
    """Binds platform accounts and finds their persons. Immutable: one for the process."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._browsers = KnownBrowsers(vault)

    def authenticate(
        self, c: Connection, provider: str, account: PlatformAccount, place: Place, now: datetime
    ) -> tuple[Authenticated, dict[str, Any]]:
        """The person who bound the account, and the audit row to write with their session. Two statements.

        An identifier that the platform now tells beside the known one is learned (one more statement). Call it in the
        transaction that signs in. Raises NotProven, alike for an account that nobody bound and for a person who may not
        sign in; then that transaction must commit, too: it holds the record.
        """
        found = c.rows(store.FIND, **self._terms(account))
        person = found[0] if len({row.identity_id for row in found}) == 1 else None
        event, facts = _EVENTS[provider], dict[str, Any](now=now, channel=place.channel)
        if person is None:  # also where two identifiers lead to two bindings: neither is believed
            failed_logins.record(c, channel=place.channel, source=place.source, now=now)
            raise NotProven
        facts |= {"person": person.person_id, "source": place.source}
        if person.person_status not in OWN_PAGES:
            audit.append(c, event, outcome="refused", detail={"reason": "person_status"}, **facts)
            raise NotProven
        c.execute(store.USE, identity=person.identity_id, now=now)
        self._learn(c, account, person.identity_id, person.person_id, {row.kind for row in found}, now)
        return self._authenticated(person, place, now), audit.row(event, **facts)

    def _authenticated(self, person: Any, place: Place, now: datetime) -> Authenticated:
        state = AccountState(person.person_id, person.password_since, person.status_since)
        return Authenticated(
            person.person_id,
            (METHOD,),
            now,
            self._browsers.remember(place.known_browsers, state, now),
            is_new_browser=self._browsers.is_new(place.known_browsers, state, now),
        )

    def require_may_bind(self, c: Connection, person_id: str, now: datetime) -> None:
        """Raises CredentialRefused unless the person may bind an account: they are proven and have a password.

        `unproven_account`: a binding would outlive the password of whoever opened an account under another person's
        number. `only_way`: a platform may close an account at any time. `too_many_bindings`.
        """
        if not proven_here(c, person_id, now):
            raise CredentialRefused("unproven_account")
        if not c.one(passkey_store.OTHER_WAYS, of_person=person_id).password:
            raise CredentialRefused("only_way")
        if len(self.of_person(c, person_id)) >= MOST:
            raise CredentialRefused("too_many_bindings")

    def bind(
        self, c: Connection, person_id: str, provider: str, account: PlatformAccount, *, channel: str, now: datetime
    ) -> str:
        """The account opens this person's account from now on, on record. Returns the id of the binding.

        Raises CredentialRefused, as `require_may_bind` does, and `known_account`: it is bound, to them or to somebody
        else.
        """
        self.require_may_bind(c, person_id, now)
        if c.rows(store.FIND, **self._terms(account)):
            raise CredentialRefused("known_account")
        row = {"id": new_id(), "person_id": person_id, "provider": provider, "created_at": now, "last_used_at": None}
        c.execute(store.INSERT, **row)
        if not self._learn(c, account, str(row["id"]), person_id, set(), now):
            self._delete(c, person_id, str(row["id"]))
            raise CredentialRefused("known_account")  # another request bound it in this moment
        detail = {"kind": provider, "binding": row["id"]}
        audit.append(c, _ADDED, now=now, person=person_id, channel=channel, detail=detail)
        return str(row["id"])

    def remove(self, c: Connection, person_id: str, identity_id: str, *, channel: str, now: datetime) -> bool:
        """The account opens nothing any more, on record. False if it is not theirs, or they have no password."""
        provider = next((each.provider for each in self.of_person(c, person_id) if each.id == identity_id), None)
        if provider is None:
            return False
        if not self._delete(c, person_id, identity_id):
            return False
        detail = {"kind": provider, "binding": identity_id}
        audit.append(c, _REMOVED, now=now, person=person_id, channel=channel, detail=detail)
        return True

    def of_person(self, c: Connection, person_id: str) -> tuple[FederatedIdentity, ...]:
        """The person's bound accounts, oldest first."""
        return tuple(
            FederatedIdentity(row.id, row.provider, row.created_at, row.last_used_at)
            for row in c.rows(store.OF_PERSON, of_person=person_id)
        )

    def _delete(self, c: Connection, person_id: str, identity_id: str) -> bool:
        c.execute(store.REMOVE_IDENTIFIERS, identity=identity_id, of_person=person_id)
        return c.execute(store.REMOVE, identity=identity_id, of_person=person_id) == 1

    def _learn(
        self, c: Connection, account: PlatformAccount, identity_id: str, person_id: str, known: set[str], now: datetime
    ) -> bool:
        """The account's identifiers of other kinds than `known` lead to the binding. False if one did so before."""
        written = []
        for kind, value in account.identifiers[: store.MOST_IDENTIFIERS]:
            if kind in known:
                continue
            row = {"id": new_id(), "identity_id": identity_id, "person_id": person_id, "kind": kind, "created_at": now}
            row |= {
                "blind_index": self._vault.index(value, kind=kind),
                "sealed": self._vault.seal(value, place=PLACE),
            }
            written.append(c.execute(store.INSERT_IDENTIFIER, **row) == 1)
        return all(written)

    def _terms(self, account: PlatformAccount) -> dict[str, bytes]:
        """The parameters of FIND: each identifier's index under every live key, padded with the first."""
        live = [
            index
            for kind, value in account.identifiers[: store.MOST_IDENTIFIERS]
            for index in self._vault.indexes(value, kind=kind)
        ]
        if not live:
            raise NotProven
        return dict(zip(store.TERMS, live + live[:1] * (len(store.TERMS) - len(live)), strict=True))
