"""Login with a password: one answer and one cost for every guess.

Every failed guess costs one Argon2id hash and the same statements, whether the person exists, has a password, has only
the password of an older system, or may not log in at all. The digest of an older system comes on top. For the cheap
recipes nobody can measure it. For bcrypt or PBKDF2, somebody who knows the login name can, until that account's first
login. If every guess paid for it, a flood of guesses would cost ten times as much. It is bounded instead: in rounds, in
number (two a guess), and by the same turns as our own hashes. For a person who has a password, at most two statements
come before the hash and one transaction after it. The transaction contains the audit record, unless the caller writes
that record with what it opens.

Several people may share a phone. One guess must not buy several hashes, so a phone finds exactly one person: the holder
who verified it, primary before secondary, earliest first. The others log in with their number.

Several people may share a login name, too, in several systems. Its secrets are cheap to check, so all are checked (at
most MOST_LOGINS), and it opens an account only when all that fit belong to one person. Once a shared name's secret was
adopted, its person logs in with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from accounts import audit, evidence
from accounts.audit import failed_logins
from accounts.credentials import password as passwords
from accounts.credentials.candidate import BY_IDENTIFIER, BY_PERSON, BY_PHONE, Candidate, candidate_of
from accounts.credentials.known_browsers import AccountState, KnownBrowsers
from accounts.credentials.password import PasswordHasher
from accounts.credentials.password_rules import history
from accounts.credentials.throttle import Counted, Throttle
from accounts.database import Connection, Database
from accounts.errors import Busy, HumanCheckNeeded, NotProven
from accounts.identifiers import Identifier, IdentifierKind, guess_person_identifier
from accounts.people import People
from accounts.ports import LegacyLogin, LegacyLogins

MOST_LOGINS = 5
LONGEST_TYPED = 256
_YOUNG = timedelta(days=1)  # of a password: no browser can be known yet
_EVENT = "person:authentication:password"
_NOBODY = ""
COMPROMISED, EXPIRED = "compromised", "expired"


@dataclass(frozen=True, slots=True)
class Authenticated:
    """A person proved who they are. `at` is when; `methods` are RFC 8176 values.

    `known_browsers` is the new value of the browser's cookie, for its own counter (KnownBrowsers). `password_due` says
    why the password must be changed before anything else: COMPROMISED, EXPIRED, or nothing. `is_new_browser`: the
    person never signed in here before, although they could have.
    """

    person_id: str
    methods: tuple[str, ...]
    at: datetime
    known_browsers: str = field(default="", repr=False)
    password_due: str = ""
    is_new_browser: bool = False


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One guess, and where it came from."""

    typed: str = field(repr=False)
    password: str = field(repr=False)
    source: str
    channel: str
    now: datetime
    known_browsers: str = field(repr=False)
    record: Callable[[dict[str, Any]], object] | None = field(repr=False)
    is_human: Callable[[], bool] | None = field(default=None, repr=False)
    priority: bool | None = None  # None: true if the person is familiar where the guess comes from


class PasswordAuthentication:
    """Authenticates persons by password. Immutable: one for the process."""

    def __init__(
        self,
        people: People,
        hasher: PasswordHasher,
        throttle: Throttle,
        linking: LegacyLogins,
        compromised: Container[str] = (),
    ) -> None:
        """A login with one of the `compromised` passwords succeeds, and says that the password must be changed."""
        self._people = people
        self._hasher = hasher
        self._throttle = throttle
        self._linking = linking
        self._compromised = compromised
        self._browsers = KnownBrowsers(people.vault)

    def authenticate(
        self,
        database: Database,
        identifier: str,
        password: str,
        *,
        source: str,
        channel: str,
        now: datetime,
        known_browsers: str = "",
        record: Callable[[dict[str, Any]], object] | None = None,
        is_human: Callable[[], bool] | None = None,
        priority: bool | None = None,
    ) -> Authenticated:
        """The person of this identifier or login name, who has proven to know their password.

        A success is recorded in the audit when this returns, or `record` was given its row and the caller writes it
        with what the success opens. Every other outcome is recorded here.

        `known_browsers` is the browser's cookie from an earlier success. Where checks queue, a guess with `priority`
        goes first: by default one of a known browser, or from a network of a recent login.

        `is_human` is asked where guesses have accumulated, never for a known browser.

        Raises NotProven (one answer for everything that is wrong), Throttled (nothing was tried), Busy and
        HumanCheckNeeded (nothing was tried and nothing counted). Call it outside a transaction: counting an attempt
        must outlive a rollback.
        """
        typed = identifier.strip()[:LONGEST_TYPED].encode("utf-8", "replace").decode()
        attempt = _Attempt(typed, password, source, channel, now, known_browsers, record, is_human, priority)
        known = guess_person_identifier(attempt.typed)
        if known is not None:
            return self._by_number(database, attempt, known)
        return self._by_login_name(database, attempt)

    def confirm(
        self,
        database: Database,
        person_id: str,
        password: str,
        *,
        source: str,
        channel: str,
        now: datetime,
        known_browsers: str = "",
    ) -> Authenticated:
        """This person, who is signed in already, still knows their password. Counted and recorded like a login.

        Raises NotProven, Throttled and Busy as `authenticate` does. Call it outside a transaction.
        """
        c = database.connection()
        candidate = candidate_of(c.one(BY_PERSON, person_id=person_id))
        attempt = _Attempt("", password, source, channel, now, known_browsers, None, priority=True)
        counted = self._counted(c, attempt, person_id, candidate)
        try:
            if candidate.sealed is None:
                self._hasher.verify_nothing(password, priority=_priority(attempt, counted))
                return self._refuse(database, attempt, person_id)
            encoded = self._check(attempt, counted, candidate.sealed)
            return self._conclude(database, attempt, counted, candidate, encoded)
        except Busy:
            self._throttle.untried(database.connection(), counted)
            raise

    def remember(self, c: Connection, person_id: str, known_browsers: str, now: datetime) -> str:
        """The browser's cookie after a change of the password, which ended the one it had. One statement."""
        candidate = candidate_of(c.one(BY_PERSON, person_id=person_id))
        state = AccountState(person_id, candidate.password_since, candidate.status_since)
        return self._browsers.remember(known_browsers, state, now)

    def _by_number(self, database: Database, attempt: _Attempt, number: Identifier) -> Authenticated:
        c = database.connection()
        candidate = self._candidate(c, number)
        subject = candidate.person_id or self._stand_in(number.canonical)
        counted = self._counted(c, attempt, subject, candidate)
        try:
            if candidate.sealed is not None:
                encoded = self._check(attempt, counted, candidate.sealed)
                if encoded is None or not candidate.may_log_in:
                    # A guess at an unknown number costs this, too. The check may have given the connection away.
                    self._linking.find(database.connection(), attempt.typed)
                return self._conclude(database, attempt, counted, candidate, encoded)
            logins = self._linking.find(c, attempt.typed)
            theirs = [login for login in logins if candidate.person_id in (None, login.person_id)]
            return self._by_legacy(database, attempt, counted, theirs)
        except Busy:
            self._throttle.untried(database.connection(), counted)
            raise

    def _by_login_name(self, database: Database, attempt: _Attempt) -> Authenticated:
        c = database.connection()
        logins = self._linking.find(c, attempt.typed)
        person_id = _only_person(logins)
        candidate = candidate_of(c.one(BY_PERSON, person_id=person_id or _NOBODY))
        subject = person_id or self._stand_in(attempt.typed)
        counted = self._counted(c, attempt, subject, candidate)
        try:
            if candidate.sealed is not None:
                encoded = self._check(attempt, counted, candidate.sealed)
                return self._conclude(database, attempt, counted, candidate, encoded)
            return self._by_legacy(database, attempt, counted, logins)
        except Busy:
            self._throttle.untried(database.connection(), counted)
            raise

    def _counted(self, c: Connection, attempt: _Attempt, subject: str, candidate: Candidate) -> Counted:
        """Count the guess: only for this browser where the person signed in before.

        Raises Throttled, and HumanCheckNeeded where guesses have accumulated and this one came without a check.
        """
        state = AccountState(subject, candidate.password_since, candidate.status_since)
        known = self._browsers.known_as(attempt.known_browsers, state, attempt.now)
        counted = self._throttle.check(c, person=subject, source=attempt.source, now=attempt.now, browser=known)
        if counted.is_suspicious and attempt.is_human is not None and not attempt.is_human():
            self._throttle.untried(c, counted)
            raise HumanCheckNeeded
        return counted

    def _candidate(self, c: Connection, number: Identifier) -> Candidate:
        terms = self._people.terms(number)
        if number.kind is IdentifierKind.MOBILE:
            return candidate_of(c.one(BY_PHONE, **terms))
        return candidate_of(c.one(BY_IDENTIFIER, identifier_kind=number.kind.value, **terms))

    def _stand_in(self, text: str) -> str:
        """The throttle's subject for an unknown name, so that guesses at nobody run out like guesses at somebody."""
        return self._people.vault.pepper(text.casefold().encode("utf-8", "surrogatepass"), purpose="throttle").hex()

    def _check(self, attempt: _Attempt, counted: Counted, sealed: bytes) -> str | None:
        """The encoded hash if it matches the password, else None."""
        encoded = self._people.vault.open(sealed, place=passwords.CREDENTIAL)
        priority = _priority(attempt, counted)
        return encoded if self._hasher.verify(encoded, attempt.password, priority=priority) else None

    def _conclude(
        self, database: Database, attempt: _Attempt, counted: Counted, candidate: Candidate, encoded: str | None
    ) -> Authenticated:
        """Record the outcome, and renew the hash if parameters or keys have changed. Raises NotProven."""
        if encoded is None or candidate.person_id is None or not candidate.may_log_in:
            return self._refuse(database, attempt, candidate.person_id)
        if candidate.adopted and proven_here(database.connection(), candidate.person_id, attempt.now):
            return self._refuse(database, attempt, candidate.person_id)
        renewed = self._renewed(candidate, encoded, attempt.password)
        if renewed is None and attempt.record is not None:
            return self._accept(database.connection(), attempt, counted, candidate)
        with database.transaction() as c:
            if renewed is not None and candidate.sealed is not None:
                passwords.replace_hash(c, self._people.vault, candidate.person_id, candidate.sealed, renewed)
            return self._accept(c, attempt, counted, candidate)

    def _renewed(self, candidate: Candidate, encoded: str, password: str) -> str | None:
        """The new hash to store, or None. A full bulkhead postpones it to the next login."""
        if self._hasher.needs_rehash(encoded):
            try:
                return self._hasher.hash(password)
            except Busy:
                return None
        stale = candidate.sealed is not None and self._people.vault.is_stale(candidate.sealed)
        return encoded if stale else None

    def _by_legacy(
        self, database: Database, attempt: _Attempt, counted: Counted, logins: Sequence[LegacyLogin]
    ) -> Authenticated:
        """Log in with an older system's password.

        It is verified by its recipe, hashed anew here, and the old secret is erased, all in one transaction.
        """
        priority = _priority(attempt, counted)
        fitting = self._hasher.in_turn(
            lambda: [login for login in logins[:MOST_LOGINS] if self._linking.verify(login, attempt.password)],
            priority=priority,
        )
        person_id = _only_person(fitting)
        if person_id is None:
            self._hasher.verify_nothing(attempt.password, priority=priority)
            return self._refuse(database, attempt, None)
        encoded = self._hasher.hash(attempt.password, priority=priority)
        with database.transaction() as c:
            candidate = candidate_of(c.one(BY_PERSON, person_id=person_id))
            if candidate.sealed is None and candidate.may_log_in and not proven_here(c, person_id, attempt.now):
                return self._adopt(c, attempt, counted, candidate, fitting, encoded)
        if candidate.sealed is None:
            return self._refuse(database, attempt, person_id)
        # Another request adopted it a moment ago: the password is checked against the hash that it stored.
        encoded_here = self._check(attempt, counted, candidate.sealed)
        return self._conclude(database, attempt, counted, candidate, encoded_here)

    def _adopt(
        self,
        c: Connection,
        attempt: _Attempt,
        counted: Counted,
        candidate: Candidate,
        fitting: Sequence[LegacyLogin],
        encoded: str,
    ) -> Authenticated:
        person_id = fitting[0].person_id
        if not passwords.adopt(c, self._people.vault, person_id, encoded, now=attempt.now):
            raise Busy(detail="the same login is being adopted")
        for login in fitting:
            self._linking.adopt(c, login, now=attempt.now)
        audit.append(c, "person:password:adopt", now=attempt.now, person=person_id, channel=attempt.channel)
        return self._accept(c, attempt, counted, replace(candidate, person_id=person_id, password_since=attempt.now))

    def _accept(self, c: Connection, attempt: _Attempt, counted: Counted, candidate: Candidate) -> Authenticated:
        person_id = candidate.person_id or _NOBODY
        row = audit.row(_EVENT, now=attempt.now, person=person_id, channel=attempt.channel, source=attempt.source)
        if attempt.record is None:
            audit.record(c, row)
        else:
            attempt.record(row)
        self._throttle.succeeded(c, counted)
        state = AccountState(person_id, candidate.password_since, candidate.status_since)
        known = self._browsers.remember(attempt.known_browsers, state, attempt.now)
        is_new = not counted.is_known and could_be_known(candidate.password_since, attempt.now)
        return Authenticated(person_id, ("pwd",), attempt.now, known, self._due(attempt, candidate), is_new)

    def _due(self, attempt: _Attempt, candidate: Candidate) -> str:
        """Why the password must be changed. Asked only after it proved to be right."""
        if attempt.password in self._compromised:
            return COMPROMISED
        is_old = history.named(candidate.profile).is_due(candidate.password_since or attempt.now, attempt.now)
        return EXPIRED if is_old else ""

    def _refuse(self, database: Database, attempt: _Attempt, person_id: str | None) -> Authenticated:
        """Record the refusal and raise NotProven. What was typed is left out: people type passwords into that field.

        A refusal about nobody we know is recorded, too, but not kept.
        """
        with database.transaction() as c:
            if person_id is None:
                failed_logins.record(c, channel=attempt.channel, source=attempt.source, now=attempt.now)
            else:
                facts = audit.row(_EVENT, now=attempt.now, person=person_id, source=attempt.source, outcome="failure")
                audit.record(c, facts | {"channel": attempt.channel})
        raise NotProven


def _priority(attempt: _Attempt, counted: Counted) -> Callable[[], bool]:
    """A function that says whether this guess goes before others where checks queue."""
    goes_first = counted.is_familiar if attempt.priority is None else attempt.priority
    return lambda: goes_first


def could_be_known(password_since: datetime | None, now: datetime) -> bool:
    """Whether the person had a day to sign in before, so that a browser which is not known tells something."""
    return password_since is not None and password_since <= now - _YOUNG


def proven_here(c: Connection, person_id: str, now: datetime) -> bool:
    """True if more is known about the person than older systems reported.

    Anybody could open an account in a lax older system under a neighbour's number. Its password must never open what a
    counter or a registry has proven: such a person sets a password by proving themselves again. An adopted password
    must not open it either. Otherwise somebody who logged in before the real person could wait until a counter verified
    the account.
    """
    ours = (each for each in evidence.of(c, person_id) if not each.source.startswith(evidence.LEGACY_SOURCE))
    return evidence.identity_assurance(ours, now) > 1


def _only_person(logins: Sequence[LegacyLogin]) -> str | None:
    """The person to whom all these accounts belong. None when there are none, or they belong to different people."""
    holders = {login.person_id for login in logins}
    return holders.pop() if len(holders) == 1 else None
