"""One public origin: no header and no request target changes where our addresses lead."""

from contextlib import closing, nullcontext

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from accounts.database import new_id
from idp import app
from idp.oidc.endpoints.paths import PATHS
from tests.fixtures.relying_party import Browser, RelyingParty
from tests.fixtures.site import Site

EVIL = "evil.example"
HEADERS = {
    "HTTP_HOST": EVIL,
    "HTTP_X_FORWARDED_HOST": EVIL,
    "HTTP_X_FORWARDED_PROTO": "gopher",
    "HTTP_X_FORWARDED_PORT": "16661",
    "HTTP_X_FORWARDED_PREFIX": f"//{EVIL}",
    "HTTP_X_FORWARDED_SERVER": EVIL,
    "HTTP_FORWARDED": f"host={EVIL};proto=gopher",
    "HTTP_X_HOST": EVIL,
    "HTTP_X_ORIGINAL_URL": f"//{EVIL}/",
    "HTTP_X_REWRITE_URL": f"//{EVIL}/",
    "SERVER_NAME": EVIL,
    "SERVER_PORT": "16661",
    "SCRIPT_NAME": f"//{EVIL}",
}
HOSTS = (
    EVIL,
    f"{EVIL}:443",
    f"localhost:8000@{EVIL}",
    "",
    " ",
    "[",
    "[::1",
    "\xff",
    "a" * 5000,
    f"{EVIL}\\",
    f"{EVIL}/x",
)


def paths(site: Site) -> list[str]:
    """All our paths."""
    rules = app.flask_app(site.services).url_map.iter_rules()
    found = {rule.build(dict.fromkeys(rule.arguments, new_id()))[1] for rule in rules}
    return sorted(found | {path.path for path in PATHS} | {"/static/seal.svg", "/nowhere", "/"})


def misspelt(path: str) -> tuple[str, ...]:
    """Spellings that a router might correct."""
    doubled = path.replace("/", "//")
    return (f"/{path}", doubled, f"{path}/", f"{path}//", f"/.{path}", f"/x/..{path}", f"http://{EVIL}{path}", path[1:])


def ask(site: Site, method: str, path: str, **headers: str) -> tuple[str, str]:
    """The status, and all other text of the reply that could lead a reader elsewhere."""
    environ = EnvironBuilder("/", method=method).get_environ() | {"PATH_INFO": path} | headers
    body, status, sent = run_wsgi_app(site.wsgi, environ)
    with closing(body) if hasattr(body, "close") else nullcontext():
        return status, f"{sent}{b''.join(body).decode(errors='replace')}"


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "HEAD"])
def test_no_reply_names_the_host_of_the_request(site: Site, method: str):
    """Host, scheme and prefix from a proxy or an attacker are in no header and in no page."""
    known = paths(site)
    spelt = [other for path in known for other in misspelt(path)] if method == "GET" else []
    for path in (*known, *spelt):
        status, told = ask(site, method, path, **HEADERS)
        assert int(status[:3]) < 500, path
        assert int(status[:3]) not in (301, 302, 307, 308), path  # our code corrects no address
        assert "gopher" not in told
        assert ":16661" not in told
        if EVIL not in path:
            assert EVIL not in told, path


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_is_none_is_no_obstacle(site: Site, host: str):
    """The page is the same for any Host header, because it is not read."""
    for path in ("/preferences", "/login", "//login", "/jwks", "/authorize"):
        expected = ask(site, "GET", path)[0]
        assert ask(site, "GET", path, HTTP_HOST=host)[0] == expected


def test_another_spelling_of_an_address_leads_nowhere(browser: Browser, housing: RelyingParty):
    """`//login/…` is not corrected by a redirect, which would be an absolute URL."""
    waiting = browser.get(housing.start()).visited[-1]
    for path in (f"/{waiting}", waiting.replace("/login/", "/login//"), f"{waiting}//"):
        reply = browser.http.open("/", environ_overrides={"PATH_INFO": path}, headers={"Host": EVIL})
        assert (reply.status_code in (403, 404), reply.headers.get("Location")) == (True, None), path
