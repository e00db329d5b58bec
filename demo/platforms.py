"""WeChat and Alipay of the demonstration: their keys and configuration, and the sandbox server that plays both.

Run as `python -m demo.platforms DIRECTORY PORT ISSUER`, it serves until it is ended.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from accounts import private_files
from idp.adapters.systems.identity_providers.sandbox_platforms import SandboxApps, SandboxPlatforms
from idp.services import utc_now

CONFIGURATION, OUR_KEY, THEIR_KEY = "demo.platforms.toml", "demo.alipay-app.pem", "demo.alipay.pem"
_THEIR_PUBLIC_KEY = "demo.alipay-public.pem"
_WEBSITE, _OFFICIAL, _ALIPAY = "wx0000000000000001", "wx0000000000000002", "2021000000000001"
_SECRETS = {_WEBSITE: "sandbox-website", _OFFICIAL: "sandbox-official"}


def configure(directory: Path, port: int) -> Path:
    """The file for YITONG_IDENTITY_PROVIDERS: both platforms are the sandbox at this port. Keys are made once."""
    for name in (OUR_KEY, THEIR_KEY):
        if not (directory / name).exists():
            _write(directory / name, _new_key())
    public = _key(directory / THEIR_KEY).public_key()
    _write(directory / _THEIR_PUBLIC_KEY, public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    at = f"http://127.0.0.1:{port}"
    tables = {
        "wechat": {
            "app_id": _WEBSITE,
            "app_secret": _SECRETS[_WEBSITE],
            "official_app_id": _OFFICIAL,
            "official_app_secret": _SECRETS[_OFFICIAL],
            "pages": at,
            "api": at,
        },
        "alipay": {
            "app_id": _ALIPAY,
            "private_key": OUR_KEY,
            "alipay_public_key": _THEIR_PUBLIC_KEY,
            "pages": at,
            "gateway": f"{at}/gateway.do",
        },
    }
    text = "".join(
        f"[{name}]\n" + "".join(f'{entry} = "{value}"\n' for entry, value in table.items())
        for name, table in tables.items()
    )
    _write(directory / CONFIGURATION, text.encode())
    return directory / CONFIGURATION


def sandbox(directory: Path, port: int, issuer: str) -> SandboxPlatforms:
    """The server, for the keys that `configure` made."""
    callbacks = tuple(f"{issuer}/login/{name}/callback" for name in ("wechat", "alipay"))
    apps = SandboxApps(
        private_key=_key(directory / THEIR_KEY),
        app_key=_key(directory / OUR_KEY).public_key(),
        callbacks=callbacks,
        wechat=_SECRETS,
        alipay=_ALIPAY,
    )
    return SandboxPlatforms(apps, utc_now, environment="demo", port=port)


def _new_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _key(path: Path) -> RSAPrivateKey:
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def _write(path: Path, content: bytes) -> None:
    with private_files.opened(path, "wb") as file:
        file.write(content)


if __name__ == "__main__":
    with sandbox(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]) as serving:
        serving.serve_forever()
