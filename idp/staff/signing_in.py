"""The first factor of staff: their office password, which only the directory can check.

Every guess is counted before the directory is asked, by a keyed digest of the name as it was typed: the throttle knows
nobody, so a name that the directory has and one that it has not are the same to it. The directory is asked behind a
bulkhead, and the thread steps aside meanwhile: a directory that hangs must not hang the pages of citizens.
"""

from __future__ import annotations

import unicodedata
from datetime import datetime, timedelta

from accounts.audit import failed_logins
from accounts.credentials.bulkhead import Aside, Bulkhead
from accounts.credentials.throttle import Throttle
from accounts.database import Database
from accounts.errors import NotProven, Unavailable
from accounts.ports import StaffDirectory, StaffMember
from accounts.vault import Vault
from idp.staff.sessions import CHANNEL

_AT_ONCE = 4  # questions to the directory at a time
_WAIT = timedelta(seconds=2)
_PURPOSE = "staff login name"


class StaffAuthentication:
    """Asks the directory about members of staff. Threads may share it."""

    def __init__(self, vault: Vault, directory: StaffDirectory, throttle: Throttle, *, aside: Aside) -> None:
        self._vault, self._directory, self._throttle = vault, directory, throttle
        self._bulkhead = Bulkhead(_AT_ONCE, _WAIT, named="staff directory", aside=aside)

    def authenticate(
        self, database: Database, login_name: str, password: str, *, source: str, now: datetime
    ) -> StaffMember:
        """The member who proved themselves. Call it outside a transaction: a refused guess stays counted.

        Raises NotProven, the same for an unknown name and a wrong password; Throttled; Busy and RegistryUnavailable,
        after which nothing was counted.
        """
        subject = self._subject(login_name)
        counted = self._throttle.check(database.connection(), person=subject, source=source, now=now)
        try:
            member = self._bulkhead.run(lambda: self._directory.authenticate(login_name, password))
        except Unavailable:
            self._throttle.untried(database.connection(), counted)
            raise
        if member is None:
            failed_logins.record(database.connection(), channel=CHANNEL, source=source, now=now)
            raise NotProven
        self._throttle.succeeded(database.connection(), counted)
        return member

    def find(self, staff_id: str) -> StaffMember | None:
        """The member as the directory has them now, or None if it lets them in no more.

        Raises Busy and RegistryUnavailable: then nothing is known, and nothing may be opened.
        """
        return self._bulkhead.run(lambda: self._directory.find(staff_id))

    def _subject(self, login_name: str) -> str:
        """Every spelling that a directory may take for one name has one counter: case, width, accents and blanks."""
        plain = unicodedata.normalize("NFKD", login_name.casefold()).casefold()
        letters = "".join(letter for letter in plain if letter.isalnum())
        return self._vault.pepper(letters.encode("utf-8", "replace"), purpose=_PURPOSE).hex()
