import base64

import pytest
from click.testing import CliRunner

from idp.cli import main

SMALL = {
    "YITONG_ENVIRONMENT": "test",
    "YITONG_ENV_FILE": "",
    "YITONG_ARGON2_MEMORY_KIB": "8",
    "YITONG_ARGON2_PASSES": "1",
}


def vault_keys(*pairs):
    """The value of YITONG_VAULT_KEYS for these (id, bytes)."""
    return ",".join(f"{name}:{base64.b64encode(root).decode()}" for name, root in pairs)


@pytest.fixture
def yitong(database_url, monkeypatch):
    """The `yitong` command on its own database, once on SQLite and once on PostgreSQL."""
    for name, value in {**SMALL, "YITONG_DATABASE_URL": database_url}.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments, typed=None: CliRunner().invoke(main, arguments, input=typed)
