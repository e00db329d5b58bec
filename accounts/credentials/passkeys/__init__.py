"""Passkeys: a key pair for each device or account of devices; we know the public half (WebAuthn Level 3).

A passkey is accepted only if the device has verified its person by PIN, fingerprint or face. So one passkey is two
factors: the device, and what opens it. It is discoverable: the device knows whose it is, no page names a credential to
a stranger, and a person can log in without typing a name.

What the holder of the key caused is recorded, also if it is refused. What anybody can send is refused without a record.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from accounts import audit
from accounts.authentication import Authenticated, proven_here
from accounts.credentials.known_browsers import AccountState, KnownBrowsers
from accounts.credentials.passkeys import ceremonies, challenges, passkey_store
from accounts.credentials.passkeys.ceremonies import NewCredential, RelyingParty, encoded
from accounts.credentials.passkeys.challenges import Binding, Challenge, Purpose
from accounts.database import Connection, new_id
from accounts.errors import CredentialRefused, NotProven
from accounts.people import OWN_PAGES
from accounts.vault import Vault

MOST = 10  # of one person
HANDLE = 32  # bytes of a user handle
SOFTWARE, HARDWARE = "swk", "hwk"  # RFC 8176 §2: a key that may be copied between devices, and one that may not
_EVENT = "person:authentication:passkey"
_ADDED, _REMOVED = "person:credential:add", "person:credential:remove"
_WHAT = {"kind": "passkey"}


@dataclass(frozen=True, slots=True)
class Passkey:
    """One passkey, as its person sees it."""

    id: str
    credential_id: bytes = field(repr=False)
    user_handle: bytes = field(repr=False)
    transports: tuple[str, ...]
    is_backup_eligible: bool
    made_on: str | None
    created_at: datetime
    last_used_at: datetime | None

    @property
    def method(self) -> str:
        """`swk` if its maker lets it leave the device, otherwise `hwk`."""
        return SOFTWARE if self.is_backup_eligible else HARDWARE


@dataclass(frozen=True, slots=True)
class SignedChallenge:
    """A challenge of ours, signed by a passkey that we know. `refused` is why it opens nothing all the same."""

    challenge: Challenge
    passkey_id: str
    person_id: str
    method: str
    sign_count: int
    is_backed_up: bool
    state: AccountState = field(repr=False)
    refused: str | None


@dataclass(frozen=True, slots=True)
class RegistrationOffer:
    """What a page gives to a device that is to make a passkey, each in base64url. `held` are credentials it has."""

    challenge: str
    user_handle: str
    held: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VerifiedRegistration:
    """A passkey that a device made for an offer of ours, before it is the person's."""

    challenge: Challenge
    made: NewCredential
    user_handle: bytes = field(repr=False)
    transports: tuple[str, ...]


class Passkeys:
    """Registers and verifies passkeys. Immutable: one for the process."""

    def __init__(self, vault: Vault, party: RelyingParty) -> None:
        self._vault = vault
        self._browsers = KnownBrowsers(vault)
        self.party = party

    @property
    def is_offered(self) -> bool:
        """Whether browsers make passkeys for our address: they do for a host name, never for a number."""
        return bool(self.party.rp_id)

    def challenge(self, binding: Binding, now: datetime) -> str:
        """A challenge for one page. Empty where no passkey is offered."""
        return challenges.issue(self._vault, binding, now) if self.is_offered else ""

    def verify(
        self, c: Connection, sent: str, challenge: str, binding: Binding, *, now: datetime, person_id: str | None = None
    ) -> SignedChallenge:
        """Who has signed the challenge. It reads one row and writes nothing: `use` must follow.

        With `person_id` the passkey of another person proves nothing. Raises ChallengeOver (the page must be loaded
        again), and NotProven for everything else, alike for a credential that nobody has and one that signed something
        else.
        """
        answer = ceremonies.parse(sent)
        ours = challenges.read(self._vault, challenge, binding, now)
        row = c.one(passkey_store.BY_CREDENTIAL, of_credential=answer.credential_id)
        if row is None or not secrets.compare_digest(bytes(row.user_handle), answer.user_handle):
            raise NotProven
        if person_id not in (None, row.person_id):
            raise NotProven
        assertion = ceremonies.verify_assertion(answer, ours.raw, self.party, bytes(row.public_key))
        return SignedChallenge(
            challenge=ours,
            passkey_id=row.id,
            person_id=row.person_id,
            method=_passkey(row).method,
            sign_count=assertion.sign_count,
            is_backed_up=assertion.is_backed_up,
            state=AccountState(row.person_id, row.password_since, row.status_since),
            refused=_refusal(row, assertion),
        )

    def use(
        self, c: Connection, signed: SignedChallenge, *, source: str, channel: str, known_browsers: str, now: datetime
    ) -> tuple[Authenticated, dict[str, Any]]:
        """The person has proven themselves: challenge and counter are spent, and the caller writes the audit row.

        Call it in the transaction that signs in. Raises NotProven, and then that transaction must commit, too: it holds
        the record of the refusal.
        """
        if not challenges.spend(c, signed.challenge):
            raise NotProven
        refused = signed.refused or self._count(c, signed, now)
        facts: dict[str, Any] = {"now": now, "person": signed.person_id, "channel": channel, "source": source}
        if refused is not None:
            audit.append(c, _EVENT, outcome="refused", detail={"reason": refused}, **facts)
            raise NotProven
        known = self._browsers.remember(known_browsers, signed.state, now)
        record = audit.row(_EVENT, detail={"method": signed.method}, **facts)
        is_new = self._browsers.is_new(known_browsers, signed.state, now)
        return Authenticated(signed.person_id, (signed.method,), now, known, is_new_browser=is_new), record

    def _count(self, c: Connection, signed: SignedChallenge, now: datetime) -> str | None:
        """None if the signature counter moved on; otherwise why not."""
        arguments = {"passkey": signed.passkey_id, "presented": signed.sign_count, "backed_up": signed.is_backed_up}
        return None if c.execute(passkey_store.USE, now=now, **arguments) == 1 else "sign_count"

    def offer(self, c: Connection, person_id: str, browser: str, now: datetime) -> RegistrationOffer:
        """What the person's device needs to make a passkey, for one page in that browser.

        Raises CredentialRefused as `register` does, before a device has made a key that nobody would accept.
        """
        held = self._require_may_add(c, person_id, now)
        handle = held[0].user_handle if held else secrets.token_bytes(HANDLE)
        text = encoded(handle)
        challenge = self.challenge(_registration(person_id, text, browser), now)
        return RegistrationOffer(challenge, text, tuple(encoded(each.credential_id) for each in held))

    def verify_registration(
        self, sent: str, challenge: str, user_handle: str, *, person_id: str, browser: str, now: datetime
    ) -> VerifiedRegistration:
        """The passkey that the person's device has made for an offer of ours. `register` must follow.

        Raises ChallengeOver (the page must be loaded again, or the handle is not the one that was offered) and
        NotProven.
        """
        answer = ceremonies.parse(sent)
        ours = challenges.read(self._vault, challenge, _registration(person_id, user_handle, browser), now)
        made = ceremonies.verify_registration(answer, ours.raw, self.party)
        return VerifiedRegistration(ours, made, ceremonies.decoded(user_handle), answer.transports)

    def register(
        self,
        c: Connection,
        person_id: str,
        verified: VerifiedRegistration,
        *,
        made_on: str | None,
        channel: str,
        now: datetime,
    ) -> str:
        """The person has this passkey from now on, on record. Returns its id. Call it inside a transaction.

        `made_on` holds known words only. Raises NotProven (the challenge was spent) and CredentialRefused:
        `only_passkeys` (they could sign in in no other way), `unproven_account`, `too_many_passkeys`, `known_passkey`.
        """
        if not challenges.spend(c, verified.challenge):
            raise NotProven
        self._require_may_add(c, person_id, now)
        row = _new_row(person_id, verified, made_on, now)
        if c.execute(passkey_store.INSERT, **row) != 1:
            raise CredentialRefused("known_passkey")
        audit.append(c, _ADDED, now=now, person=person_id, channel=channel, detail=_WHAT | {"passkey": row["id"]})
        return str(row["id"])

    def _require_may_add(self, c: Connection, person_id: str, now: datetime) -> tuple[Passkey, ...]:
        """The person's passkeys, to which one may be added. Raises CredentialRefused.

        A passkey is never the only way to sign in, and never outlives a wrong account.

        An older system's password may belong to somebody who opened an account there under another person's number. It
        ends when a counter has seen the person, or the merge is undone. A passkey would not, so it waits for the proof.
        """
        ways = c.one(passkey_store.OTHER_WAYS, of_person=person_id)
        if not ways.password:
            raise CredentialRefused("only_passkeys")
        if ways.adopted and not proven_here(c, person_id, now):
            raise CredentialRefused("unproven_account")
        held = self.of_person(c, person_id)
        if len(held) >= MOST:
            raise CredentialRefused("too_many_passkeys")
        return held

    def remove(self, c: Connection, person_id: str, passkey_id: str, *, channel: str, now: datetime) -> bool:
        """The person no longer has this passkey, on record. False if it is not theirs, or their last way to sign in."""
        if c.execute(passkey_store.REMOVE, passkey=passkey_id, of_person=person_id) != 1:
            return False
        audit.append(c, _REMOVED, now=now, person=person_id, channel=channel, detail=_WHAT | {"passkey": passkey_id})
        return True

    def remove_all(self, c: Connection, person_id: str, *, actor: str | None, now: datetime) -> int:
        """The person has no passkey, on record: they have lost a device, and somebody checked who they are.

        Returns how many there were.
        """
        removed = c.execute(passkey_store.REMOVE_ALL, of_person=person_id)
        if removed:
            detail = _WHAT | {"removed": removed}
            audit.append(c, _REMOVED, now=now, actor=actor, person=person_id, detail=detail)
        return removed

    def of_person(self, c: Connection, person_id: str) -> tuple[Passkey, ...]:
        """The person's passkeys, oldest first."""
        return tuple(_passkey(row) for row in c.rows(passkey_store.OF_PERSON, of_person=person_id))


def is_held(c: Connection, person_id: str) -> bool:
    """Whether the person has a passkey."""
    return c.one(passkey_store.OF_PERSON, of_person=person_id) is not None


def _refusal(row: Any, assertion: ceremonies.Assertion) -> str | None:
    """Why a signed challenge opens nothing, or None. The counter is judged when it is written."""
    if row.person_status not in OWN_PAGES:
        return "person_status"
    if not assertion.is_user_verified:
        return "user_verification"
    return None if assertion.is_backup_eligible == bool(row.is_backup_eligible) else "backup_eligibility"


def _registration(person_id: str, user_handle: str, browser: str) -> Binding:
    return Binding(Purpose.REGISTRATION, browser, f"{person_id}.{user_handle}")


def _new_row(person_id: str, verified: VerifiedRegistration, made_on: str | None, now: datetime) -> dict[str, Any]:
    made = verified.made
    return {
        "id": new_id(),
        "person_id": person_id,
        "credential_id": made.credential_id,
        "user_handle": verified.user_handle,
        "public_key": made.public_key,
        "sign_count": made.sign_count,
        "transports": list(verified.transports),
        "aaguid": made.aaguid,
        "is_backup_eligible": made.is_backup_eligible,
        "is_backed_up": made.is_backed_up,
        "made_on": made_on,
        "created_at": now,
        "last_used_at": None,
    }


def _passkey(row: Any) -> Passkey:
    return Passkey(
        id=row.id,
        credential_id=bytes(row.credential_id),
        user_handle=bytes(row.user_handle),
        transports=tuple(row.transports),
        is_backup_eligible=bool(row.is_backup_eligible),
        made_on=row.made_on,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
    )
