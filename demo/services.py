"""The relying systems of the demonstration, as an administrator would register them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from idp.oidc.clients.client import HELPERS, SERVES
from idp.oidc.clients.registry import NewClient
from idp.oidc.consent.claims import of_scopes
from idp.oidc.representation import Serves

SUITES = ("https://localhost.emobix.co.uk:8443", "https://localhost:8443", "https://www.certification.openid.net")
_OF_SUITE = "/test/a/yitong"


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of the demonstration's processes on 127.0.0.1."""

    provider: int = 8000
    housing_fund: int = 8001
    social_security: int = 8002
    civic_forum: int = 8003
    enterprise_services: int = 8004

    def origin_of(self, service: str) -> str:
        """The origin of one of them."""
        return f"http://127.0.0.1:{getattr(self, service)}"


def registrations(ports: Ports) -> tuple[NewClient, ...]:
    """Every client of the demonstration."""
    return (*(_at(ports, service) for service in SERVICES), *_of_suites(), MACHINE)


def _at(ports: Ports, new: NewClient) -> NewClient:
    origin = ports.origin_of(new.client_id.replace("-", "_"))
    return replace(
        new,
        redirect_uris=(f"{origin}/callback",),
        post_logout_redirect_uris=(f"{origin}/",),
        backchannel_logout_uri=f"{origin}/backchannel-logout",
        home_uri=f"{origin}/",
    )


SERVICES: tuple[NewClient, ...] = (
    NewClient(
        client_id="housing-fund",
        name="泸州市住房公积金",
        name_en="Luzhou Housing Fund",
        division="510500",
        purpose="依照《住房公积金管理条例》办理缴存、提取和贷款",
        purpose_en="Keeping, paying out and lending housing funds under the Housing Fund Regulations",
        legal_basis="statutory_duty",
        redirect_uris=(),
        scopes=("openid", "profile", "phone", "identity_number"),
        claims_ceiling=("name", "birthdate", "gender", *of_scopes(("phone", "identity_number"))),
    ),
    NewClient(
        client_id="social-security",
        name="泸州市社会保险",
        name_en="Luzhou Social Security",
        division="510500",
        purpose="查询您的参保记录和待遇",
        purpose_en="Showing your insurance record and benefits",
        legal_basis="consent",
        redirect_uris=(),
        scopes=("openid", "profile", "age", "phone"),
        claims_ceiling=("name", *of_scopes(("age", "phone"))),  # adult or not, without the date of birth
        metadata={HELPERS: True},
    ),
    NewClient(
        client_id="civic-forum",
        name="泸州市民论坛",
        name_en="Luzhou Civic Forum",
        division="510502",
        purpose="用您原来的论坛账号继续发帖",
        purpose_en="Posting under the forum account you had before",
        legal_basis="consent",
        redirect_uris=(),
        scopes=("openid", "profile", "legacy"),
        claims_ceiling=("name", *of_scopes(("legacy",))),
        legacy_system="forum",
    ),
    NewClient(
        client_id="enterprise-services",
        name="泸州市企业服务",
        name_en="Luzhou Enterprise Services",
        division="510500",
        purpose="为您代表的单位办理登记、纳税和社保",
        purpose_en="Registration, tax and social insurance for the organisation that you act for",
        legal_basis="consent",
        redirect_uris=(),
        scopes=("openid", "profile", "organization", "uscc"),
        claims_ceiling=("name", *of_scopes(("organization", "uscc"))),
        metadata={SERVES: Serves.ORGANISATIONS.value},
    ),
)
MACHINE = NewClient(
    client_id="data-exchange",
    name="数据共享交换平台",
    name_en="Data Exchange",
    division="510500",
    purpose="系统之间交换数据",
    purpose_en="Exchanging data between systems",
    legal_basis="statutory_duty",
    redirect_uris=(),
    scopes=("openid",),
    claims_ceiling=(),
    grant_types=("client_credentials",),
)


def _of_suites() -> tuple[NewClient, ...]:
    """Clients for the OpenID Foundation's test plans, which run without PKCE: this exception is for them alone.

    Only the last has a back-channel: a notice fails any module of the suite that does not wait for one.
    """
    methods = ("client_secret_basic", "client_secret_post", "client_secret_basic")
    told = f"{SUITES[0]}{_OF_SUITE}/backchannel_logout"
    plain = (_of_suite(number, method) for number, method in enumerate(methods, start=1))
    return (*plain, replace(_of_suite(len(methods) + 1, "client_secret_basic"), backchannel_logout_uri=told))


def _of_suite(number: int, method: str) -> NewClient:
    scopes = ("openid", "profile", "email", "address", "phone", "offline_access")
    return NewClient(
        client_id=f"conformance-{number}",
        name=f"一致性测试{number}",
        name_en=f"Conformance Suite {number}",
        division="510500",
        purpose="OpenID 一致性测试",
        purpose_en="Conformance testing",
        legal_basis="consent",
        sector="conformance",
        redirect_uris=tuple(f"{suite}{_OF_SUITE}/callback" for suite in SUITES),
        post_logout_redirect_uris=tuple(f"{suite}{_OF_SUITE}/post_logout_redirect" for suite in SUITES),
        scopes=scopes,
        claims_ceiling=of_scopes(scopes),
        token_endpoint_auth_method=method,
        require_pkce=False,
    )
