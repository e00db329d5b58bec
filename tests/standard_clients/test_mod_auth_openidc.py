"""The provider with Apache's mod_auth_openidc: old systems are put behind it without changes of their own."""

import os
import re
import secrets
import shutil
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.fixtures.processes import free_ports, running

MODULES = (
    "mpm_event", "unixd", "log_config", "authn_core", "authz_core", "authz_user", "mime", "dir", "include",
    "auth_openidc",
)  # fmt: skip
FACTS = ("REMOTE_USER", "OIDC_CLAIM_iss", "OIDC_CLAIM_name", "OIDC_CLAIM_sub", "OIDC_access_token")
CONFIGURATION = """
ServerRoot "{home}"
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile "{home}/httpd.pid"
DefaultRuntimeDir "{home}"
User #65534
Group #65534
ErrorLog /dev/stderr
LogLevel warn
DocumentRoot "{home}/pages"
TypesConfig /dev/null
AddType "text/html; charset=utf-8" .shtml
AddOutputFilter INCLUDES .shtml
DirectoryIndex index.shtml

OIDCProviderMetadataURL {provider.issuer}/.well-known/openid-configuration
OIDCSSLValidateServer Off
OIDCClientID {client_id}
OIDCClientSecret {provider.secrets[CLIENT]}
OIDCProviderTokenEndpointAuth client_secret_basic
OIDCIDTokenSignedResponseAlg {alg}
OIDCResponseType code
OIDCPKCEMethod S256
OIDCScope "openid profile offline_access"
OIDCAuthRequestParams prompt=consent
OIDCRedirectURI {origin}/callback
OIDCCryptoPassphrase {passphrase}
OIDCRemoteUserClaim sub
OIDCPassClaimsAs environment
OIDCPassRefreshToken On

<Directory "{home}/pages">
    Options +Includes
    Require all granted
</Directory>
<Location /callback>
    AuthType openid-connect
    Require valid-user
</Location>
<Location /private/>
    AuthType openid-connect
    Require valid-user
</Location>
"""


class Site:
    """A site with one part for logged-in people only."""

    def __init__(self, home, origin, alg):
        self.home, self.origin, self.alg = home, origin, alg

    @property
    def private(self):
        return f"{self.origin}/private/"

    def shown(self, page):
        """The claims that the protected page shows."""
        assert page.status == 200, (page.status, page.text, (self.home / "apache.log").read_text(errors="replace"))
        return dict(re.findall(r"<dd id=\"(\w+)\">(.*?)</dd>", page.text))


@pytest.fixture(scope="module", params=["ES256", "RS256"])
def site(request, provider, hygiene):
    # outside pytest's own directories: Apache started by root reads its pages as nobody
    home, port = Path(tempfile.mkdtemp(prefix="apache")), free_ports(1)[0]
    home.chmod(0o755)
    try:
        made = Site(home, f"http://127.0.0.1:{port}", request.param)
        with running(_command(made, provider, port), home / "apache.log", f"{made.origin}/", dict(os.environ)):
            yield made
        hygiene.look_at_files("log", [home / "apache.log"])
    finally:
        shutil.rmtree(home)


def _command(site, provider, port):
    program = shutil.which("apache2", path="/usr/sbin:/usr/bin") or shutil.which("httpd", path="/usr/sbin:/usr/bin")
    assert program, "scripts/install-test-tools installs Apache"
    folder = next(f for f in map(Path, ("/usr/lib/apache2/modules", "/usr/lib64/httpd/modules")) if f.is_dir())
    load = [f"LoadModule {m}_module {folder}/mod_{m}.so\n" for m in MODULES if (folder / f"mod_{m}.so").exists()]
    client_id = f"apache-{site.alg.lower()}"
    told = {"home": site.home, "origin": site.origin, "alg": site.alg, "port": port, "client_id": client_id}
    text = CONFIGURATION.replace("CLIENT", client_id)
    configuration = site.home / "httpd.conf"
    configuration.write_text(
        "".join(load) + text.format(**told, provider=provider, passphrase=secrets.token_hex(16)), encoding="utf-8"
    )
    private = site.home / "pages" / "private"
    private.mkdir(parents=True)
    facts = "".join(f'<dd id="{name}"><!--#echo encoding="none" var="{name}" --></dd>\n' for name in FACTS)
    (private / "index.shtml").write_text(f"<dl>{facts}</dl>", encoding="utf-8")
    (site.home / "pages" / "goodbye").write_text("goodbye", encoding="utf-8")
    return [program, "-DFOREGROUND", "-f", str(configuration)]


def test_a_person_logs_in(site, browser, provider):
    """The module discovers us, sends PKCE and nonce, verifies the ID token and passes the claims to the old system."""
    shown = site.shown(browser.log_in(site.private))
    assert shown["OIDC_CLAIM_name"] == provider.name
    assert shown["OIDC_CLAIM_iss"] == provider.issuer
    assert shown["REMOTE_USER"].startswith(shown["OIDC_CLAIM_sub"])
    assert site.shown(browser.open(site.private))["REMOTE_USER"] == shown["REMOTE_USER"]


def test_the_request_carries_pkce_and_nonce(site, browser):
    """The module's request has an S256 challenge, a nonce and a state."""
    sent = browser.http.get(site.private, allow_redirects=False, timeout=20)
    asked = parse_qs(urlsplit(sent.headers["Location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert {"code_challenge", "nonce", "state"} <= set(asked)


def test_an_answer_of_another_issuer_is_noticed(site, browser, provider, monkeypatch):
    """The module refuses a response that names another issuer, and nobody is logged in."""
    follow = browser.http.request

    def altered(method, url, **more):
        mine = quote(provider.issuer, safe="")
        return follow(method, url.replace(f"iss={mine}", "iss=https%3A%2F%2Fother.example"), **more)

    monkeypatch.setattr(browser.http, "request", altered)
    page = browser.log_in(site.private)
    assert "OIDC_CLAIM_sub" not in page.text
    assert "/callback" in page.url
    assert "Error" in page.text  # the module shows its error pages with status 200
    assert "does not match the issuer provided in the response" in (site.home / "apache.log").read_text()


def test_the_module_refreshes(site, browser):
    """The module's refresh gives the old system another access token for the same person."""
    before = site.shown(browser.log_in(site.private))
    hook = f"{site.origin}/callback?refresh={quote(site.private, safe='')}&access_token={before['OIDC_access_token']}"
    after = site.shown(browser.open(hook))
    assert after["OIDC_access_token"] != before["OIDC_access_token"]
    assert after["REMOTE_USER"] == before["REMOTE_USER"]


def test_the_person_signs_out(site, browser):
    """The module's logout ends its own session and ours, and the person returns to the old system's page."""
    site.shown(browser.log_in(site.private))
    page = browser.sign_out(f"{site.origin}/callback?logout={quote(f'{site.origin}/goodbye', safe='')}")
    assert page.text == "goodbye"
    assert browser.open(site.private).form_with("identifier", "password")
