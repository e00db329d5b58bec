"""What our processes write to standard error, as the service manager collects it."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ASK = """
from werkzeug.test import Client
from wsgi import application
print(Client(application).get("/authorize?client_id=").get_data(as_text=True))
"""


def test_the_log_id_that_a_page_shows_is_in_the_servers_log(tmp_path):
    """The application as the server loads it, without the tests' logging, logs the id on an error page."""
    ours = {
        "YITONG_ENVIRONMENT": "test",
        "YITONG_ENV_FILE": "",
        "YITONG_DATABASE_URL": f"sqlite:///{tmp_path / 'empty.db'}",
        "PYTHONPATH": str(ROOT),
        "PYTHONIOENCODING": "utf-8",
    }
    asked = subprocess.run(
        [sys.executable, "-c", ASK], env=os.environ | ours, cwd=ROOT, capture_output=True, check=True
    )
    (log_id,) = re.findall(r"<strong class=\"number\">([0-9-]{11})</strong>", asked.stdout.decode())
    assert f"INFO refused code=client_missing status=400 log_id={log_id}" in asked.stderr.decode()
