"""What a session keeps of the User-Agent header: the known names in it, and nothing else.

Apps write anything into this header, even a login name or a phone.
"""

from __future__ import annotations

BROWSERS = ("MicroMessenger", "AlipayClient", "Edg", "Firefox", "HuaweiBrowser", "QQBrowser", "Chrome", "Safari")
SYSTEMS = ("HarmonyOS", "OpenHarmony", "iPhone", "iPad", "Android", "Windows", "Macintosh", "Linux")


def known_names(user_agent: str | None) -> str | None:
    """The names of browsers and systems in it, separated by blanks. None if there are none."""
    text = user_agent or ""
    return " ".join(name for name in (*SYSTEMS, *BROWSERS) if name in text) or None
