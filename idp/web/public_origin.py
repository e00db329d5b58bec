"""One public origin: the application sees the host and scheme of the settings, never those that a request names.

An address built from `Host` leads wherever a stranger says, and behind TLS it says http. So both are replaced before
the web framework reads them, and every header in which a proxy could name them is removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

_OF_PROXIES = tuple(f"HTTP_X_FORWARDED_{what}" for what in ("HOST", "PROTO", "PORT", "PREFIX", "SCHEME", "SERVER"))
_DROPPED = (*_OF_PROXIES, "HTTP_FORWARDED", "HTTP_X_HOST", "HTTP_X_ORIGINAL_URL", "HTTP_X_REWRITE_URL")

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


def at_origin(application: Wsgi, origin: str) -> Wsgi:
    """The same application, in which every request comes to `origin` (scheme, host and port)."""
    there = urlsplit(origin)
    port = there.port or (443 if there.scheme == "https" else 80)
    ours = {
        "wsgi.url_scheme": there.scheme,
        "HTTP_HOST": there.netloc,
        "SERVER_NAME": there.hostname or "",
        "SERVER_PORT": str(port),
        "SCRIPT_NAME": "",
    }

    def of_one_origin(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        for name in _DROPPED:
            environ.pop(name, None)
        return application(environ | ours, start_response)

    return of_one_origin
