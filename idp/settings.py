"""Settings: everything a deployment may choose, typed, explained and checked before the first request.

Values come from the environment (`YITONG_…`), and from the file that `YITONG_ENV_FILE` names. In production an insecure
value refuses the start and names the cure. docs/reference/settings.md is written from this file.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import os
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from accounts.errors import AccountsError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_KEY_BYTES = 32
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_NEW_KEY = "python -c 'import base64,secrets; print(\"k1:\" + base64.b64encode(secrets.token_bytes(32)).decode())'"
SERVER_THREADS = 1024  # as many as the server's connections, so that no request waits for a thread


class Settings(BaseSettings):
    """The choices of one deployment. Secrets are masked in `repr`. Nothing changes after the start."""

    model_config = SettingsConfigDict(env_prefix="YITONG_", frozen=True, extra="ignore", hide_input_in_errors=True)

    environment: Literal["production", "demo", "test"] = Field(
        "production",
        description="What this process is for. `demo` and `test` allow http, development keys and sandbox systems; "
        "`production` refuses all of them.",
    )
    issuer: str = Field(
        "http://localhost:8000",
        description="The public origin, without a path: the `iss` of every token and the start of every link. "
        "Host and proxy headers are never asked. Changing it signs everybody out of every service, and "
        "a new host name ends every passkey.",
    )
    database_url: SecretStr = Field(
        SecretStr("sqlite:///var/yitong.db"),
        description="`sqlite:///path` or `postgresql://user:password@host/name`. SQLite serves one process. "
        "PostgreSQL on the same machine answers sooner over its socket: "
        "`postgresql://user@/name?host=/run/postgresql`.",
    )
    statement_timeout: timedelta = Field(
        timedelta(seconds=5),
        description="How long a statement may wait or run before the person is asked to try again.",
    )
    vault_keys: SecretStr = Field(
        SecretStr(""),
        description="`id:base64` of 32 random bytes, the current key first, older ones after commas. "
        "They seal every number and name: whoever loses them loses the data, whoever leaks them leaks it.",
    )
    crypto_profile: Literal["international", "gm"] = Field(
        "international",
        description="`gm` seals with SM4 and indexes with SM3. What the other profile sealed stays readable. "
        "A database refuses another profile under the same key: change it together with a new key in front.",
    )
    argon2_memory_kib: int = Field(
        19456, ge=8, description="Memory of one password check. `yitong calibrate` proposes a value for the machine."
    )
    argon2_passes: int = Field(2, ge=1, description="Passes over that memory; more cost an attacker and us alike.")
    argon2_lanes: int = Field(1, ge=1, description="Lanes of one check. More than one takes cores from other requests.")
    argon2_concurrent: int = Field(
        0, ge=0, description="Password checks at a time in this process; 0 is one for each core."
    )
    argon2_wait: timedelta = Field(
        timedelta(seconds=4),
        description="How long a login waits for its turn before the page says that too many people are logging in. "
        "It holds nothing while it waits; where the person signed in before it waits longer, and goes first.",
    )
    human_check: bool = Field(
        True,  # noqa: FBT003 - a field's default, not a switch
        description="Whether a login where guesses have accumulated asks the browser for a little work, or without "
        "scripts for half a minute of patience. A browser where the person logged in before is never asked.",
    )
    breach_list: str = Field(
        "",
        description="Path of a file that `yitong passwords build-list` made. No new password may be on that list, and "
        "whoever logs in with one that is must change it. It is read at the start; a missing or damaged file refuses "
        "the start. Without it only the built-in list of common passwords is asked.",
    )
    ldap_url: str = Field(
        "",
        description="The directory of staff: `ldaps://ldap.example.gov.cn`, or `ldap://…`, which then must StartTLS. "
        "`ldapi://%2Fpath` for demo and tests; production refuses it. Empty: no staff log in.",
    )
    ldap_ca_file: str = Field("", description="PEM file of the authority of its certificate; empty for the system's.")
    ldap_bind_dn: str = Field("", description="The service account that searches. It needs to read, and nothing else.")
    ldap_bind_password: SecretStr = Field(SecretStr(""), description="The password of that account.")
    ldap_base: str = Field("", description="Where the search begins: `ou=staff,dc=example,dc=gov,dc=cn`.")
    ldap_filter: str = Field(
        "(objectClass=person)",
        description="Who counts as staff, as a filter (RFC 4515). Active Directory: `(&(objectClass=user)"
        "(!(userAccountControl:1.2.840.113556.1.4.803:=2)))`.",
    )
    ldap_login_attribute: str = Field("uid", description="What staff type. Active Directory: `sAMAccountName`.")
    ldap_id_attribute: str = Field("employeeNumber", description="The staff id: never reused, also when names change.")
    ldap_division_attribute: str = Field(
        "", description="Holds the six-digit code of the division. Empty: all staff belong to `YITONG_LDAP_DIVISION`."
    )
    ldap_division: str = Field("510500", description="The division of staff where no attribute holds it.")
    ldap_timeout: int = Field(5, ge=1, le=60, description="Seconds for each step of a login at the directory.")
    concurrent_requests: int = Field(
        4,
        ge=1,
        description="Requests worked on at a time in this process: half as many pages, twice as many at /authorize, "
        "four times as many of machines. Each may hold a database connection. `yitong serve --threads` sets it.",
    )
    web_idle: timedelta = Field(
        timedelta(minutes=15), description="A web session unused for this long asks for a login again."
    )
    web_absolute: timedelta = Field(
        timedelta(hours=12), description="A web session never lasts longer than this, used or not."
    )
    closing_wait: timedelta = Field(
        timedelta(days=7),
        ge=timedelta(days=1),
        description="How long an account stays after its person asked to close it. Until then they can cancel, also "
        "where somebody else asked in their name.",
    )
    recovery_wait: timedelta = Field(
        timedelta(hours=72),
        ge=timedelta(hours=24),
        description="How long a person who lost the password waits if they showed a code to a phone and nothing else. "
        "Until then they can cancel, also where somebody else asked in their name.",
    )
    recovery_wait_stronger: timedelta = Field(
        timedelta(hours=24),
        ge=timedelta(hours=1),
        description="The same if they showed something stronger alone, such as a recovery code.",
    )
    refusal_remembered: timedelta = Field(
        timedelta(days=30),
        description="How long a person who refused a service twice is not asked again. `prompt=consent` asks at once.",
    )
    managers_at_most: int = Field(
        5,
        ge=1,
        le=50,
        description="How many managers an organisation may have, open invitations included. A lower value ends nobody.",
    )
    trusted_proxies: str = Field(
        "",
        description="Networks of our own proxies, comma-separated (`10.0.0.0/8`). Only they may say whom a request "
        "comes from; a stranger listed here can evade every limit.",
    )
    proxy_header: Literal["X-Forwarded-For", "Forwarded"] = Field(
        "X-Forwarded-For",
        description="The header in which our proxies say it: `X-Forwarded-For`, or `Forwarded` (RFC 7239). The other "
        "one is never read, for a client can send it. A header whose name has an underscore is never read as either.",
    )
    allow_private_destinations: bool = Field(
        False,  # noqa: FBT003 - a field's default, not a switch
        description="Whether logout notices may go to private addresses. For demo and tests; production refuses it.",
    )
    sandbox: bool = Field(
        False,  # noqa: FBT003 - a field's default, not a switch
        description="Whether short messages go to a page of ours instead of a telephone, and an invented registry says "
        "who people are. Production refuses it.",
    )
    sms_gateway: str = Field(
        "",
        description="The file that describes the SMS gateway: its vendor, keys and templates "
        "([messages](messages.md)). It holds secrets: keep it readable for the service alone.",
    )
    identity_providers: str = Field(
        "",
        description="The file that describes WeChat and Alipay: apps and keys "
        "([how to](../how-to/sign-in-with-wechat-and-alipay.md)). People who bound an account there log in with it. "
        "It holds secrets: keep it readable for the service alone. Empty: neither is offered.",
    )
    sms_codes: bool = Field(
        False,  # noqa: FBT003 - a field's default, not a switch
        description="Whether people may log in and add phones with codes that are sent to their phone. It needs "
        "YITONG_SMS_GATEWAY, or the sandbox of a demonstration.",
    )
    sms_voice: bool = Field(
        False,  # noqa: FBT003 - a field's default, not a switch
        description="Whether a code may also be read out by a telephone call. The gateway's file must describe it.",
    )
    sms_daily_budget: int = Field(
        50_000,
        ge=0,
        description="Codes that may be sent in a day, in the whole city; a sixth of them in any hour. 0 stops all "
        "sending at once: people log in another way.",
    )

    @property
    def is_secure(self) -> bool:
        """True if the public origin is https, so that cookies may be Secure."""
        return self.issuer.startswith("https://")

    @property
    def origin(self) -> str:
        """The public origin as browsers write it in `Origin`."""
        return self.issuer

    @property
    def rp_id(self) -> str:
        """The RP ID of passkeys (WebAuthn §5.1.2): our host name. Empty for an address, which no browser accepts."""
        host = urlsplit(self.issuer).hostname or ""
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return host
        return ""

    def vault_key_pairs(self) -> tuple[tuple[str, bytes], ...]:
        """(key id, 32 bytes) of each vault key, the current one first."""
        text = self.vault_keys.get_secret_value()
        return tuple(_key(part) for part in text.split(",")) if text else (_development_key(),)

    def proxies(self) -> tuple[Network, ...]:
        """The networks of our own reverse proxies."""
        parts = (part.strip() for part in self.trusted_proxies.split(","))
        return tuple(ipaddress.ip_network(part) for part in parts if part)

    @model_validator(mode="after")
    def _checked(self) -> Self:
        for problem in (*self._malformed(), *(self._insecure() if self.environment == "production" else ())):
            raise ValueError(problem)
        return self

    def _malformed(self) -> tuple[str, ...]:
        problems = []
        url = urlsplit(self.issuer)
        if url.scheme not in ("http", "https") or not url.hostname or self.issuer != f"{url.scheme}://{url.netloc}":
            problems.append("YITONG_ISSUER must be an origin such as https://id.example.gov.cn, without path or slash")
        if self.ldap_url and not self.ldap_url.startswith(("ldaps://", "ldap://", "ldapi://")):
            problems.append("YITONG_LDAP_URL must begin with ldaps://, ldap:// or ldapi://")
        if self.ldap_url and not (self.ldap_base and self.ldap_bind_dn and self.ldap_bind_password.get_secret_value()):
            problems.append("YITONG_LDAP_URL needs YITONG_LDAP_BASE, _BIND_DN and _BIND_PASSWORD beside it")
        if self.sms_codes and not (self.sms_gateway or self.sandbox):
            problems.append("YITONG_SMS_CODES needs a gateway; set YITONG_SMS_GATEWAY to its file")
        self.vault_key_pairs()
        self.proxies()
        return tuple(problems)

    def _insecure(self) -> tuple[str, ...]:
        refused = (
            (not self.is_secure, "YITONG_ISSUER must be https; put the server behind TLS and set its public origin"),
            (
                not self.vault_keys.get_secret_value(),
                f"YITONG_VAULT_KEYS is empty; make a key with {_NEW_KEY} and keep a copy offline",
            ),
            (self.sandbox, "YITONG_SANDBOX shows text messages to everybody; unset it and configure a gateway"),
            (
                self.ldap_url.startswith("ldapi://"),
                "YITONG_LDAP_URL is a socket file without TLS; use ldaps:// or ldap://",
            ),
            (
                self.allow_private_destinations,
                "YITONG_ALLOW_PRIVATE_DESTINATIONS lets clients probe our network; unset",
            ),
            (
                self.argon2_memory_kib * self.argon2_passes < 7168 * 5,
                "YITONG_ARGON2_MEMORY_KIB and _PASSES are weaker than 7168 × 5; run `yitong calibrate`",
            ),
        )
        return tuple(cure for is_so, cure in refused if is_so)


class SettingsFileMissing(AccountsError):
    """YITONG_ENV_FILE names a file that does not exist."""

    code = "settings_file_missing"
    cure = "Correct the path in YITONG_ENV_FILE, or unset it to read the settings from the environment alone."


def load() -> Settings:
    """The settings of this process. Raises pydantic's ValidationError; each of its lines names the cure.

    Raises SettingsFileMissing if YITONG_ENV_FILE names no file: without it every setting would seem to be wrong.
    """
    name = os.environ.get("YITONG_ENV_FILE")
    if name and not Path(name).is_file():
        raise SettingsFileMissing(detail="YITONG_ENV_FILE names a file that does not exist")
    return Settings(_env_file=Path(name) if name else None)  # type: ignore[call-arg]


def _key(part: str) -> tuple[str, bytes]:
    key_id, _, encoded = part.strip().partition(":")
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        key = b""
    if not key_id or len(key) != _KEY_BYTES:
        raise ValueError(f"YITONG_VAULT_KEYS: each key is id:base64 of 32 random bytes; make one with {_NEW_KEY}")
    return key_id, key


def _development_key() -> tuple[str, bytes]:
    """The same key for everybody. It protects nothing, so production refuses to start with it."""
    return "development", hashlib.sha256(b"yitong development vault key: protects nothing").digest()


def reference() -> str:
    """The text of docs/reference/settings.md: every setting with its default and its effect."""
    head = (
        "# Settings\n\nWritten from `idp/settings.py` by `scripts/docs-settings`; a test fails when it is stale.\n"
        "Values come from the environment, or from the file that `YITONG_ENV_FILE` names. Durations are seconds or "
        "ISO 8601 (`PT15M`).\nIn production an insecure value refuses the start and names the cure.\n"
    )
    return head + "".join(_entry(name, str(field.description), field.default) for name, field in _fields())


def _fields() -> list[tuple[str, FieldInfo]]:
    return list(Settings.model_fields.items())


def _entry(name: str, description: str, default: object) -> str:
    plain = default.get_secret_value() if isinstance(default, SecretStr) else default
    shown = f"{plain.total_seconds():g} s" if isinstance(plain, timedelta) else str(plain)
    return f"\n## YITONG_{name.upper()}\n\nDefault: {f'`{shown}`' if shown else 'empty'}. {description}\n"
