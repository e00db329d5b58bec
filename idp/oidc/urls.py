"""The one comparison of URLs, and the rules for a URL that is registered."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, unquote, urlsplit

from idp.oidc.errors import InvalidRedirectUri

_LOOPBACK = frozenset({"127.0.0.1", "[::1]"})
_LAST_PORT = 65535
_PORT = re.compile(r":[0-9]{1,5}", re.ASCII)
_MOST_URI_CHARACTERS = 2000


def accepts(registered: str, given: str) -> bool:
    """True if the given URL is the registered one: equal bytes, or a loopback URL that differs in the port only.

    No other code compares URLs (RFC 9700 §4.1.3; RFC 8252 §7.3 for the loopback port).
    """
    if registered == given:
        return True
    mine, theirs = _loopback(registered), _loopback(given)
    return mine is not None and mine == theirs


def _loopback(uri: str) -> tuple[str, str] | None:
    """A loopback URI without its port, or None. It has http, a literal address and a plain decimal port or none."""
    for host in _LOOPBACK:
        start = f"http://{host}"
        rest = uri.removeprefix(start)
        if rest == uri:
            continue
        port, slash, path = rest.partition("/")
        if port == "" or _is_port(port):
            return (host, slash + path) if "\\" not in path and "@" not in port else None
    return None


def _is_port(text: str) -> bool:
    """`:1` to `:65535`, in plain digits."""
    return _PORT.fullmatch(text) is not None and 0 < int(text[1:]) <= _LAST_PORT


def accepted(registered: tuple[str, ...], given: str) -> bool:
    """True if one of the registered URLs accepts the given one."""
    return any(accepts(uri, given) for uri in registered)


def check_uri(uri: str, *, name: str) -> str:
    """The URI, if it may be registered: https, or http on a literal loopback address, without unusual parts.

    Raises InvalidRedirectUri naming the parameter and the cure.
    """
    parts = _split(uri, name)
    if parts.scheme not in ("https", "http") or not uri.startswith((parts.scheme + "://",)):
        raise InvalidRedirectUri(f"{name} must begin with https:// (or http://127.0.0.1 for a native application)")
    if parts.scheme == "http" and _loopback(uri) is None:
        raise InvalidRedirectUri(f"{name} must use https; plain http is for 127.0.0.1 and [::1] only")
    if "#" in uri or "@" in parts.netloc or not parts.hostname:
        raise InvalidRedirectUri(f"{name} must have a host, and neither a fragment nor user information")
    if "*" in parts.netloc + parts.path or "%" in parts.netloc or parts.netloc.endswith(":"):
        raise InvalidRedirectUri(
            f"{name} must name each URI in full: no wildcard, no escapes or empty port in the host"
        )
    if any(unquote(segment).partition(";")[0] in ("..", ".") for segment in parts.path.split("/")):
        raise InvalidRedirectUri(f"{name} must be written without dot segments")
    return uri


def _split(uri: str, name: str) -> SplitResult:
    if len(uri) > _MOST_URI_CHARACTERS or any(not "!" <= c <= "~" or c in '\\"<>^`{|}' for c in uri):
        raise InvalidRedirectUri(f"{name} must be a plain ASCII URI of at most {_MOST_URI_CHARACTERS} characters")
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        raise InvalidRedirectUri(f"{name} is not a URI; check the host and port") from None
    return parts
