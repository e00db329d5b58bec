"""Codes to a phone, from asking to the right answer: what is counted, stored and queued, and what the text says.

Whoever asks gets the same answer in the same time and with the same statements, whether the phone belongs to somebody
or not. The message itself is queued and sent later, so its way to the gateway tells nothing either.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from accounts.authentication import Authenticated
from accounts.credentials.one_time_codes import PAUSE, VALID_FOR, CodeBinding, Guess, OneTimeCodes, PendingCode
from accounts.credentials.phone_holders import PhoneHolders
from accounts.credentials.sending_limits import SendingLimits, SendingRequest
from accounts.database import Connection, Database
from accounts.errors import NotProven
from accounts.identifiers import Mobile
from accounts.identifiers.names import masked_name
from accounts.people import People
from accounts.vault import Vault
from idp.delivery import outbox
from idp.delivery.messages import short_message

LOGIN, PHONE, RECOVERY = "login", "phone", "recovery"
_TEMPLATES = {LOGIN: "login_code", PHONE: "phone_code", RECOVERY: "recovery_code"}
_NOBODY = "***"


@dataclass(frozen=True, slots=True)
class Occasion:
    """Where a code is asked for. `service` is what the text names; `source` and `known_browsers` are the browser's."""

    binding: CodeBinding
    service: str
    language: str
    source: str
    known_browsers: str = field(default="", repr=False)
    by_voice: bool = False


@dataclass(frozen=True, slots=True)
class CodeContent:
    """What stays sealed beside a code: the phone, what its text says, and a choice of the page that asked.

    `browser` names the known browser whose counters the code was counted in, if any.
    """

    phone: Mobile
    person: str = field(repr=False)
    service: str
    is_shared: bool = False
    browser: str | None = None

    def text(self) -> str:
        """For sealing."""
        facts = [self.phone.canonical, self.person, self.service, self.is_shared, self.browser]
        return orjson.dumps(facts).decode()

    @classmethod
    def of(cls, text: str) -> CodeContent:
        """The reverse."""
        phone, *rest = orjson.loads(text)
        return cls(Mobile(phone), *rest)


class PhoneCodes:
    """Sends and checks codes. Immutable: one for the process."""

    def __init__(self, people: People, vault: Vault, limits: SendingLimits) -> None:
        self._vault = vault
        self._limits = limits
        self.codes = OneTimeCodes(vault)
        self.holders = PhoneHolders(people)

    def send_for_login(
        self, database: Database, occasion: Occasion, phone: Mobile, last_characters: str, now: datetime
    ) -> None:
        """A code is on its way if both belong to one person, and otherwise nothing is; nobody can tell.

        Four statements. Raises SendingPaused. Call it outside a transaction, because the count must outlive a rollback.
        """
        holder = self.holders.find(database.connection(), phone, last_characters)
        person_id = holder.person_id if holder else None
        browser = self.holders.known_as(holder, occasion.known_browsers, now)
        may_send = self._count(database, occasion, phone, person_id, browser, now)
        name = masked_name(holder.name) if holder else _NOBODY
        content = CodeContent(phone, name, occasion.service, browser=browser)
        self._start(database, occasion, content, person_id, may_send=may_send, now=now)

    def send_to_person(
        self, database: Database, occasion: Occasion, content: CodeContent, person_id: str, now: datetime
    ) -> None:
        """A code is on its way to a phone that a signed-in person wants to add, within the limits.

        Three statements. Raises SendingPaused. Call it outside a transaction.
        """
        may_send = self._count(database, occasion, content.phone, person_id, None, now)
        self._start(database, occasion, content, person_id, may_send=may_send, now=now)

    def send_for_recovery(
        self, database: Database, occasion: Occasion, content: CodeContent, person_id: str | None, now: datetime
    ) -> None:
        """A code is on its way if the phone is of the person whose password is lost; for None nothing is.

        Three statements. Raises SendingPaused. Call it outside a transaction.
        """
        may_send = self._count(database, occasion, content.phone, person_id, None, now)
        self._start(database, occasion, content, person_id, may_send=may_send, now=now)

    def send_again(self, database: Database, occasion: Occasion, now: datetime) -> bool:
        """A new code replaces the one that waits. False if one was sent less than a minute ago, or none waits.

        Raises SendingPaused. Call it outside a transaction.
        """
        waiting = self.codes.read(database.connection(), occasion.binding, now)
        if waiting is None or waiting.sent_at > now - PAUSE:
            return False
        content = CodeContent.of(waiting.content)
        may_send = self._count(database, occasion, content.phone, waiting.person_id, content.browser, now)
        code = self.codes.new_code()
        with database.transaction() as c:
            if not self.codes.renew(c, occasion.binding, code, now=now):
                return False
            self._queue(c, occasion, content, code, may_send=may_send, now=now)
        return True

    def waiting(self, c: Connection, binding: CodeBinding, now: datetime) -> PendingCode | None:
        """The code that waits for an answer, or None."""
        return self.codes.read(c, binding, now)

    def log_in(
        self, c: Connection, binding: CodeBinding, typed: str, *, occasion: Occasion, channel: str, now: datetime
    ) -> tuple[Authenticated, dict[str, Any]]:
        """Who logs in with this code, and the audit row to write with the session. Three statements, a wrong code two.

        Runs in the caller's transaction, which spends the code with what it opens. Raises WrongCode; the caller still
        commits, so that the guess counts.
        """
        guess = self.codes.guess(c, binding, typed, now)
        if guess.is_right and guess.person_id is not None:
            phone = CodeContent.of(guess.content).phone
            proof = self.holders.authenticate(
                c, guess.person_id, phone, known_browsers=occasion.known_browsers, now=now
            )
            if proof is not None:
                row = self.holders.success(proof.person_id, channel=channel, source=occasion.source, now=now)
                return proof, row
            guess = Guess(person_id=guess.person_id, is_over=True)
        self.holders.failure(c, guess.person_id, channel=channel, source=occasion.source, now=now)
        raise WrongCode(guess)

    def recover(
        self, c: Connection, binding: CodeBinding, typed: str, *, now: datetime
    ) -> tuple[Authenticated, Mobile]:
        """Whose password may be recovered with this code, and the phone. Raises WrongCode, as `log_in` does.

        A phone that somebody else took over during the five minutes, or that is only an older system's, shows nothing.
        """
        guess = self.codes.guess(c, binding, typed, now)
        if guess.is_right and guess.person_id is not None:
            phone = CodeContent.of(guess.content).phone
            proof = self.holders.authenticate(c, guess.person_id, phone, known_browsers="", now=now)
            if proof is not None:
                return proof, phone
            guess = Guess(person_id=guess.person_id, is_over=True)
        raise WrongCode(guess)

    def confirm_phone(self, c: Connection, binding: CodeBinding, typed: str, now: datetime) -> CodeContent:
        """The phone that the person has just shown to hold. One statement, in the caller's transaction.

        Raises WrongCode, as `log_in` does.
        """
        guess = self.codes.guess(c, binding, typed, now)
        if not guess.is_right:
            raise WrongCode(guess)
        return CodeContent.of(guess.content)

    def _count(
        self,
        database: Database,
        occasion: Occasion,
        phone: Mobile,
        person_id: str | None,
        browser: str | None,
        now: datetime,
    ) -> bool:
        subject = self._vault.pepper(phone.canonical.encode(), purpose="phone counter").hex()
        request = SendingRequest(occasion.source, person_id, subject, browser)
        return self._limits.count(database.connection(), request, now)

    def _start(
        self,
        database: Database,
        occasion: Occasion,
        content: CodeContent,
        person_id: str | None,
        *,
        may_send: bool,
        now: datetime,
    ) -> None:
        code = self.codes.new_code()
        with database.transaction() as c:
            self.codes.store(c, occasion.binding, code, person_id=person_id, content=content.text(), now=now)
            self._queue(c, occasion, content, code, may_send=may_send, now=now)

    def _queue(
        self, c: Connection, occasion: Occasion, content: CodeContent, code: str, *, may_send: bool, now: datetime
    ) -> None:
        said = "，".join(code) if occasion.by_voice else code  # a voice would read six digits as one number
        template = _TEMPLATES[occasion.binding.purpose]
        words = {"code": said, "person": content.person, "service": content.service}
        outbox.send_sms(
            c,
            self._vault,
            phone=content.phone,
            message=short_message(template, occasion.language, **words),
            now=now,
            until=now + VALID_FOR,
            by_voice=occasion.by_voice,
            really=may_send,
        )


class WrongCode(NotProven):
    """The code is wrong, or none waits. `guess` says how many guesses are left."""

    def __init__(self, guess: Guess) -> None:
        super().__init__()
        self.guess = guess
