"""A staff directory for demonstrations: invented members, whose password is in this file. Never in production."""

from __future__ import annotations

import hmac

from accounts.ports import StaffMember
from idp.adapters.systems.sandbox import SandboxInProduction

PASSWORD = "sandbox-window-7"  # noqa: S105 - of invented people, and refused in production
MEMBERS: dict[str, StaffMember] = {
    "window.one": StaffMember("S0001", "演示窗口一", "510502", ("cn=windows,ou=groups,dc=sandbox",)),
    "window.two": StaffMember("S0002", "演示窗口二", "510504"),
}


class SandboxDirectory:
    """An `accounts.ports.StaffDirectory`. Raises SandboxInProduction when created in production."""

    def __init__(self, *, environment: str, members: dict[str, StaffMember] | None = None) -> None:
        if environment == "production":
            raise SandboxInProduction
        self._members = MEMBERS if members is None else members

    def authenticate(self, login_name: str, password: str) -> StaffMember | None:
        """The invented member, if the password is the one of this file."""
        is_right = hmac.compare_digest(password.encode("utf-8", "replace"), PASSWORD.encode())
        return self._members.get(login_name.strip().casefold()) if is_right else None

    def find(self, staff_id: str) -> StaffMember | None:
        """The invented member of that id."""
        return next((each for each in self._members.values() if each.staff_id == staff_id), None)

    def check(self) -> None:
        """It always answers."""
