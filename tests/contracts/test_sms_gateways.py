"""Every SMS gateway behind one contract, on a real HTTP server that answers as the vendor does."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from accounts.errors import MessageRefused, RegistryUnavailable
from accounts.identifiers import Mobile
from idp.adapters.systems import aliyun_sms, tencent_sms
from idp.adapters.systems.aliyun_sms import AliyunAccount, AliyunSms
from idp.adapters.systems.http_sms import HttpCall, HttpSms
from idp.adapters.systems.sandbox import SandboxSms
from idp.adapters.systems.sms_gateway import GatewayMisconfigured, gateway_of
from idp.adapters.systems.tencent_sms import TencentAccount, TencentService, TencentSms
from idp.delivery.fetcher import Fetcher
from idp.delivery.messages import MESSAGE_TEMPLATES, short_message
from tests.fixtures.sms_vendors import Vendor, sha256, vendor

PHONE = Mobile.parse("13900000051")
MESSAGE = short_message("login_code", "zh-CN", code="123456", person="欧*娜", service="住房公积金")
ENGLISH = short_message("login_code", "en", code="123456", person="O*na", service="Housing fund")
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TEMPLATES = {"login_code": "SMS_1", "login_code_en": "SMS_2"}


@dataclass
class Case:
    """One gateway and what its vendor says: accepted, refused for good, and not now."""

    gateway: Any
    accepted: bytes
    called: bytes
    final: bytes
    later: tuple[bytes, ...]


def aliyun(address: str) -> Case:
    account = AliyunAccount(
        "key", "secret", "一通", TEMPLATES, {"login_code": "TTS_1"}, "0830", endpoint=address, voice_endpoint=address
    )
    said = [json.dumps({"Code": code, "Message": f"x {PHONE.visible}", "RequestId": "r"}).encode() for code in CODES]
    return Case(
        AliyunSms(account, fetcher(address), lambda: NOW),
        b'{"Code": "OK", "BizId": "ref", "RequestId": "r"}',
        b'{"Code": "OK", "CallId": "ref", "RequestId": "r"}',
        said[0],
        tuple(said[1:]),
    )


CODES = ("isv.MOBILE_NUMBER_ILLEGAL", "isv.BUSINESS_LIMIT_CONTROL", "isv.AMOUNT_NOT_ENOUGH", "SignatureDoesNotMatch")


def tencent(address: str) -> Case:
    account = TencentAccount(
        "id", "key", "一通", "1400", TEMPLATES, {"login_code": "9"}, "1500", endpoint=address, voice_endpoint=address
    )

    def status(code: str, **more: str) -> bytes:
        one = {"SerialNo": "ref", "PhoneNumber": PHONE.canonical, "Code": code, "Message": "x", **more}
        return json.dumps({"Response": {"SendStatusSet": [one], "RequestId": "r"}}).encode()

    error = b'{"Response": {"Error": {"Code": "AuthFailure.SignatureExpire", "Message": "x"}, "RequestId": "r"}}'
    return Case(
        TencentSms(account, fetcher(address), lambda: NOW),
        status("Ok"),
        b'{"Response": {"SendStatus": {"CallId": "ref"}, "RequestId": "r"}}',
        status("InvalidParameterValue.IncorrectPhoneNumber"),
        (status("LimitExceeded.PhoneNumberDailyLimit"), error, b'{"Response": {"SendStatusSet": []}}', b"{}"),
    )


def any_http(address: str) -> Case:
    fields = {"mobile": "{phone}", "content": "{text}"}
    call = HttpCall(f"{address}/send", fields, member="code", accepted="0", refused=("4001",), reference="id")
    return Case(
        HttpSms(call, call, fetcher(address)),
        b'{"code": 0, "id": "ref"}',
        b'{"code": 0, "id": "ref"}',
        b'{"code": "4001", "msg": "x"}',
        (b'{"code": "5000"}', b'{"other": 1}', b"[]", b"<html>"),
    )


CASES = {"aliyun": aliyun, "tencent": tencent, "http": any_http}


def fetcher(address: str) -> Fetcher:
    return Fetcher(allowed_private=(address,))


@pytest.fixture
def server():
    with vendor() as made:
        yield made


@pytest.fixture(params=CASES)
def case(request, server: Vendor) -> Case:
    return CASES[request.param](server.address)


def test_an_accepted_message_has_a_reference(case: Case, server: Vendor):
    """The vendor's own reference comes back, and no phone or code was in the address."""
    server.answer = (200, case.accepted)
    assert case.gateway.send(PHONE, MESSAGE) == "ref"
    (heard,) = server.heard
    assert ("123456" in heard.path, PHONE.visible in heard.path) == (False, False)
    assert "123456" in heard.body.decode()
    assert PHONE.visible in heard.body.decode()


def test_a_call_has_a_reference(case: Case, server: Vendor):
    """A voice call is accepted in the vendor's own way."""
    server.answer = (200, case.called)
    assert case.gateway.call(PHONE, MESSAGE) == "ref"


def test_an_error_inside_a_success_is_an_error(case: Case, server: Vendor):
    """Status 200 says nothing: a refused number is refused for good, everything else may be tried again."""
    server.answer = (200, case.final)
    with pytest.raises(MessageRefused) as refused:
        case.gateway.send(PHONE, MESSAGE)
    assert PHONE.visible not in str(refused.value)
    for later in case.later:
        server.answer = (200, later)
        with pytest.raises(RegistryUnavailable) as unavailable:
            case.gateway.send(PHONE, MESSAGE)
        assert PHONE.visible not in str(unavailable.value)


@pytest.mark.parametrize("status", [401, 429, 500, 503, 302])
def test_any_other_status_is_tried_again(case: Case, server: Vendor, status: int):
    """No status but a success accepts a message, whatever its body says."""
    server.answer = (status, b"{}")
    with pytest.raises(RegistryUnavailable):
        case.gateway.send(PHONE, MESSAGE)


@pytest.mark.parametrize("made", CASES.values(), ids=CASES)
def test_a_gateway_that_is_down_is_tried_again(made):
    """Nobody listens there: the error is the port's own."""
    with pytest.raises(RegistryUnavailable) as unavailable:
        made("http://127.0.0.1:9").gateway.send(PHONE, MESSAGE)
    assert unavailable.value.detail in ("no_connection", "port_not_allowed")


def test_the_sandbox_keeps_to_the_same_contract(database, vault, clock):
    """It returns a reference for a text and for a call."""
    gateway = SandboxSms(database, vault, clock, environment="test")
    assert gateway.send(PHONE, MESSAGE) != gateway.call(PHONE, MESSAGE)


def test_aliyun_signs_its_published_example():
    """The signature of the example in "Request syntax and signature method V3" is the published one."""
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": sha256(b""),
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2014-05-26",
    }
    query = {
        "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
        "RegionId": "cn-shanghai",
    }
    account = AliyunAccount("YourAccessKeyId", "YourAccessKeySecret", "", {})
    assert aliyun_sms.authorization(account, headers, b"", query) == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;"
        "x-acs-signature-nonce;x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


def test_tencent_signs_its_published_example():
    """The signature of the example in "Signature v3" is the published one."""
    body = rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'
    account = TencentAccount("AKID" + "*" * 32, "*" * 32, "", "", {})
    service = TencentService("cvm", "2017-03-12", "https://cvm.tencentcloudapi.com")
    at = datetime.fromtimestamp(1551113065, UTC)
    signed = tencent_sms.authorization(account, service, "DescribeInstances", body, at)
    assert signed.endswith("Signature=10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f")
    assert "/2019-02-25/cvm/tc3_request, SignedHeaders=content-type;host;x-tc-action," in signed


def test_aliyun_hears_what_its_documentation_asks(server: Vendor):
    """The digest of the body, the signed headers, and the template of the message's language."""
    server.answer = (200, b'{"Code": "OK", "BizId": "1"}')
    aliyun(server.address).gateway.send(PHONE, ENGLISH)
    (heard,) = server.heard
    assert heard.headers["x-acs-content-sha256"] == sha256(heard.body)
    assert heard.headers["x-acs-date"] == "2026-03-02T09:00:00Z"
    assert (heard.form["PhoneNumbers"], heard.form["TemplateCode"]) == (PHONE.visible, "SMS_2")
    assert json.loads(heard.form["TemplateParam"]) == {"code": "123456", "person": "O*na", "service": "Housing fund"}
    signed = heard.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert set(signed) >= {"host", "content-type"} | {name for name in heard.headers if name.startswith("x-acs-")}


def test_tencent_hears_what_its_documentation_asks(server: Vendor):
    """The number in E.164, the variables in the order of the template, and the action in its header."""
    server.answer = (200, tencent("http://x").accepted)
    tencent(server.address).gateway.send(PHONE, MESSAGE)
    (heard,) = server.heard
    assert heard.json["PhoneNumberSet"] == [PHONE.canonical]
    assert heard.json["TemplateParamSet"] == ["123456", "欧*娜", "住房公积金"]
    assert (heard.headers["x-tc-action"], heard.headers["x-tc-version"]) == ("SendSms", "2021-01-11")


def test_a_name_cannot_add_a_field(server: Vendor):
    """A service whose name looks like JSON or a form stays one value."""
    server.answer = (200, b'{"code": "0"}')
    hostile = short_message("login_code", "zh-CN", code="1", person='","x":"{phone}', service="&mobile=1")
    for as_form in (False, True):
        call = HttpCall(f"{server.address}/", {"mobile": "{phone}", "content": "{person}{service}"}, as_form=as_form)
        HttpSms(call, None, fetcher(server.address)).send(PHONE, hostile)
    assert server.heard[0].json == {"mobile": PHONE.visible, "content": '","x":"{phone}&mobile=1'}
    assert server.heard[1].form == {"mobile": PHONE.visible, "content": '","x":"{phone}&mobile=1'}


NAMES = [template.name for template in MESSAGE_TEMPLATES]
ALIYUN = (
    """kind = "aliyun"
access_key_id = "key"
access_key_secret = "secret"
sign_name = "一通"
"""
    "[text]\n" + "".join(f'{name} = "SMS_1"\n' for name in NAMES)
)


def test_the_file_chooses_the_gateway(tmp_path):
    """Each kind is made from its file; without `private` no private address is reached."""
    file, asked = tmp_path / "sms.toml", []

    def poster(origins):
        asked.append(origins)
        return Fetcher(allowed_private=origins)

    http = 'kind = "http"\nprivate = true\n[text]\nurl = "http://10.1.2.3:8080/send"\nfields = {to = "{phone}"}\n'
    tencent_file = ALIYUN.replace("aliyun", "tencent").replace("access_key_id", "secret_id")
    tencent_file = tencent_file.replace("access_key_secret", "secret_key").replace("[text]", 'sdk_app_id = "1"\n[text]')
    for text, kind in ((ALIYUN, AliyunSms), (tencent_file, TencentSms), (http, HttpSms)):
        file.write_text(text, "utf-8")
        assert isinstance(gateway_of(file, poster, lambda: NOW, texts=NAMES, spoken=()), kind)
    assert asked == [(), (), ("http://10.1.2.3:8080",)]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("kind = ", "TOML"),
        ('kind = "pigeon"', "kind"),
        (ALIYUN.replace('phone_code = "SMS_1"\n', ""), "phone_code"),
        (ALIYUN.replace("sign_name", "signname"), "signname"),
        (ALIYUN.replace('access_key_secret = "secret"\n', ""), "access_key_secret"),
        ('kind = "http"', "The table text"),
    ],
)
def test_a_file_that_cannot_be_used_names_the_entry(tmp_path, text, named):
    """The error names what is missing or wrong, and contains no secret."""
    file = tmp_path / "sms.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(GatewayMisconfigured) as refused:
        gateway_of(file, lambda _: Fetcher(), lambda: NOW, texts=NAMES, spoken=())
    assert named in refused.value.cause
    assert "secret" not in refused.value.cause.replace("access_key_secret", "")


def test_voice_that_is_offered_must_be_described(tmp_path):
    """A deployment that offers calls needs the voice templates of both codes."""
    file = tmp_path / "sms.toml"
    file.write_text(ALIYUN, "utf-8")
    with pytest.raises(GatewayMisconfigured) as refused:
        gateway_of(file, lambda _: Fetcher(), lambda: NOW, texts=NAMES, spoken=("login_code",))
    assert refused.value.cause == "The table voice has no login_code."
