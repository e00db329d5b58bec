"""WeChat and Alipay behind one contract, on the sandbox server with the oddities of the real ones."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from accounts.errors import NotProven, RegistryUnavailable
from demo import platforms as demonstration
from idp.adapters.systems.identity_providers import alipay, configuration
from idp.adapters.systems.identity_providers.configuration import IdentityProviderMisconfigured, identity_providers
from idp.adapters.systems.identity_providers.sandbox_platforms import SandboxPlatforms
from idp.adapters.systems.sandbox import SandboxInProduction
from idp.delivery.fetcher import Fetched, Fetcher
from idp.services import utc_now
from tests.fixtures.platforms import ISSUER, allow, sandbox
from tests.fixtures.platforms import configuration as file_of

INSIDE = "Mozilla/5.0 (Linux; Android 14) MicroMessenger/8.0.50"
STATE = "0" * 64


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("platforms")


@pytest.fixture
def server(directory: Path) -> Iterator[SandboxPlatforms]:
    with sandbox(directory) as made:
        yield made


def providers(directory: Path, caller=None):
    def caller_for(origins):
        return caller or Fetcher(allowed_private=origins)

    made = identity_providers(file_of(directory), caller_for, utc_now, environment="test")
    return {each.name: each for each in made}


@pytest.fixture(params=["wechat", "alipay"])
def provider(request: pytest.FixtureRequest, directory: Path, server: SandboxPlatforms):
    return providers(directory)[request.param]


def code_of(provider, account: int | None = 0, user_agent: str = "") -> str:
    """The code with which the platform sends a visitor back who chose that account."""
    callback = f"{ISSUER}/login/{provider.name}/callback"
    address = provider.authorization_url(state=STATE, redirect_uri=callback, user_agent=user_agent)
    told = parse_qs(urlsplit(allow(address, account)).query)
    assert told["state"] == [STATE]
    return told.get(provider.code_parameter, [""])[0]


def identifiers(provider, account: int = 0, user_agent: str = "") -> dict[str, str]:
    return dict(provider.account(code_of(provider, account, user_agent), user_agent=user_agent).identifiers)


def test_the_account_is_the_one_that_allowed_it(provider):
    """The same account has the same identifiers each time, and another one has others."""
    first, other = identifiers(provider), identifiers(provider, 1)
    assert first == identifiers(provider)
    assert all(name.startswith(f"{provider.name}:") for name in first | other)
    assert not set(first.values()) & set(other.values())


def test_whoever_refuses_comes_back_without_a_code(provider):
    """The callback then has the state alone."""
    assert code_of(provider, None) == ""


@pytest.mark.parametrize("wrong", ["", "x", "x" * 256, "&appid=x", "码"])
def test_a_wrong_code_proves_nothing(provider, wrong):
    """The platform refuses it with status 200, and nobody is told from it."""
    with pytest.raises(NotProven):
        provider.account(wrong, user_agent="")


def test_a_code_counts_once(provider):
    """A code that was used proves nothing."""
    code = code_of(provider)
    provider.account(code, user_agent="")
    with pytest.raises(NotProven):
        provider.account(code, user_agent="")


def test_a_code_of_the_other_platform_proves_nothing(directory, server):
    """Each platform accepts its own codes alone."""
    made = providers(directory)
    for one, other in itertools.permutations(made.values()):
        with pytest.raises(NotProven):
            other.account(code_of(one), user_agent="")


def test_errors_that_are_not_about_the_code_are_outages(provider, directory, server):
    """A wrong secret or key has status 200, too: nobody is refused for it, and the operator finds the number."""
    apps, code = server.platforms.apps, code_of(provider)
    other_key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    server.platforms.apps = replace(apps, wechat=dict.fromkeys(apps.wechat, "another"), app_key=other_key)
    with pytest.raises(RegistryUnavailable, match=r"errcode 40125|code 40002"):
        provider.account(code, user_agent="")


class Answering:
    """A platform that answers with these bytes."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        self.answer = Fetched(status, body, {})

    def get(self, _: str) -> Fetched:
        return self.answer

    def post_form(self, _: str, __: dict) -> Fetched:
        return self.answer


SIGNED = b'{"alipay_system_oauth_token_response":{"user_id":"2088000000000001"},"sign":"AAAA"}'


@pytest.mark.parametrize("name", ["wechat", "alipay"])
@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"<html>busy</html>", b'{"a":1', b'{"errcode":-1,"errmsg":"system error"}', b'{"errcode":[]}',
     b'{"error_response":{"code":"20000"}}', b'{"error_response":{"code":[],"sub_code":{}}}', b'{"error_response":7}',
     SIGNED, b"{}", b'{"openid":7}', b'{"openid":""}', b'{"openid":"o","is_snapshotuser":1}', b"[" * 9000, b"\xff\xfe"],
)  # fmt: skip
def test_a_strange_answer_proves_nothing(name, directory, server, body):
    """Whatever stands between us and the platform, a person is told only from a whole, genuine answer."""
    with pytest.raises((NotProven, RegistryUnavailable)):
        providers(directory, Answering(body))[name].account("code", user_agent="")


@pytest.mark.parametrize("status", [301, 404, 429, 500, 503])
def test_any_other_status_is_an_outage(provider, directory, status):
    """Both platforms answer with 200, also to errors."""
    made = providers(directory, Answering(b'{"openid":"o"}', status))[provider.name]
    with pytest.raises(RegistryUnavailable, match=str(status)):
        made.account("code", user_agent="")


def test_wechat_may_not_tell_a_unionid(directory, server):
    """An app outside an open-platform account gets an `openid` alone."""
    wechat = providers(directory)["wechat"]
    assert [*identifiers(wechat)] == ["wechat:unionid", "wechat:openid:wx0000000000000001"]
    assert [*identifiers(wechat, 1)] == ["wechat:openid:wx0000000000000001"]


def test_inside_wechat_the_official_account_asks(directory, server):
    """Its own browser cannot scan itself. Another app has another `openid`, and the `unionid` joins them."""
    wechat = providers(directory)["wechat"]
    address = wechat.authorization_url(state=STATE, redirect_uri="https://x.example/", user_agent=INSIDE)
    assert urlsplit(address).path == "/connect/oauth2/authorize"
    assert urlsplit(address).fragment == "wechat_redirect"
    inside, outside = identifiers(wechat, user_agent=INSIDE), identifiers(wechat)
    assert inside["wechat:unionid"] == outside["wechat:unionid"]
    assert inside.keys() != outside.keys()


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"user_id"}, ["alipay:user_id"]),
        ({"user_id", "open_id"}, ["alipay:open_id:2021000000000001", "alipay:user_id"]),
        ({"open_id"}, ["alipay:open_id:2021000000000001"]),
    ],
)
def test_alipay_moves_from_user_id_to_open_id(directory, server, told, found):
    """Each stage of the move tells what it tells, the lasting one first."""
    server.platforms.told = frozenset(told)
    assert [*identifiers(providers(directory)["alipay"])] == found


class Tampering:
    """Somebody between Alipay and us, who changes the answer."""

    def __init__(self, platforms, change) -> None:
        self.page, self._gateway, self._change = platforms.page, platforms.gateway, change

    def gateway(self, form) -> str:
        return self._change(self._gateway(form))


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace("2088000000000001", "2088000000000002"),
        lambda body: body.replace(' , "', ',"'),
        lambda body: json.dumps(json.loads(body)),
        lambda body: body.replace('"sign":"', '"sign":"AAAA'),
        lambda body: body[: body.index(',"sign"')] + "}",
        lambda body: body.replace("{", f'{{"{alipay.NODE}":{{"user_id":"1"}},', 1),
        lambda body: body.replace('"sign":', '"sign":"AAAA","sign":'),
    ],
    ids=["user", "blanks", "parsed and written", "signature", "no signature", "two nodes", "two signatures"],
)
def test_alipay_must_have_signed_the_very_text(directory, server, change):
    """Another identifier, another spelling or a second node is refused: the signature is over the text."""
    made = providers(directory)["alipay"]
    code = code_of(made)
    server.platforms = Tampering(server.platforms, change)
    with pytest.raises((NotProven, RegistryUnavailable)):
        made.account(code, user_agent="")


def test_members_are_cut_out_as_they_stand():
    """Blanks, escapes and nested marks stay; a member that occurs twice is refused."""
    text = ' {"a" : {"x":"}\\",\\"sign\\":1"} , "b":[1, 2],"sign":"s\\/=" } '
    assert alipay.members(text) == {"a": '{"x":"}\\",\\"sign\\":1"}', "b": "[1, 2]", "sign": '"s\\/="'}
    with pytest.raises(RegistryUnavailable):
        alipay.members('{"a":1,"a":2}')


def test_the_sandbox_refuses_production(directory, server):
    """There a visitor could choose who they are."""
    with pytest.raises(SandboxInProduction):
        SandboxPlatforms(server.platforms.apps, utc_now, environment="production")
    with pytest.raises(IdentityProviderMisconfigured, match="sandbox"):
        identity_providers(file_of(directory), lambda _: Fetcher(), utc_now, environment="production")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not toml", "TOML"),
        ("[weibo]\napp_id = 'x'", "weibo is no table"),
        ("wechat = 1", "wechat is no table"),
        ("[wechat]\napp_id = 'x'", "wechat has no app_secret"),
        ("[wechat]\napp_id = 'x'\napp_secret = 'y'\nsecret = 'z'", "secret is not an entry"),
        ("[wechat]\napp_id = 'x'\napp_secret = 'y'\nofficial_app_id = 'z'", "official_app_secret"),
        ("[alipay]\napp_id = 'x'\nprivate_key = 'none.pem'\nalipay_public_key = 'y'", "private_key cannot be read"),
        ("[alipay]\napp_id = 'x'\nprivate_key = 'demo.alipay-public.pem'\nalipay_public_key = 'y'", "no RSA key"),
        (
            "[alipay]\napp_id = 'x'\nprivate_key = 'demo.alipay.pem'\nalipay_public_key = 'demo.alipay.pem'",
            "no RSA key",
        ),
    ],
)
def test_a_wrong_file_is_explained(directory, server, text, said):
    """The message names the entry and never its value."""
    path = directory / "wrong.toml"
    path.write_text(text)
    with pytest.raises(IdentityProviderMisconfigured, match=said):
        configuration.identity_providers(path, lambda _: Fetcher(), utc_now, environment="production")


def test_the_file_of_a_deployment_is_read(directory, server):
    """Without addresses of a sandbox both platforms are where they are, also in production."""
    path = directory / "real.toml"
    path.write_text(
        "[wechat]\napp_id = 'wx1'\napp_secret = 's'\n[alipay]\napp_id = '2021'\n"
        f"private_key = '{demonstration.OUR_KEY}'\nalipay_public_key = 'demo.alipay-public.pem'\n"
    )
    made = identity_providers(path, lambda _: Fetcher(), utc_now, environment="production")
    told = [each.authorization_url(state=STATE, redirect_uri="https://x.example/", user_agent="") for each in made]
    assert [urlsplit(each).netloc for each in told] == ["open.weixin.qq.com", "openauth.alipay.com"]
