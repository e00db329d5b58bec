"""What a session keeps of the User-Agent header: which of the names we know it holds, and nothing else of it.

Apps write into this header what they please, a login name or a phone among it.
"""

from __future__ import annotations

BROWSERS = ("MicroMessenger", "AlipayClient", "Edg", "Firefox", "HuaweiBrowser", "QQBrowser", "Chrome", "Safari")
SYSTEMS = ("HarmonyOS", "OpenHarmony", "iPhone", "iPad", "Android", "Windows", "Macintosh", "Linux")


def known_names(user_agent: str | None) -> str | None:
    """The names of browsers and systems in it, separated by blanks; None where there is none."""
    told = user_agent or ""
    return " ".join(name for name in (*SYSTEMS, *BROWSERS) if name in told) or None
