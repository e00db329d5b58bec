import logging
import os
import subprocess
import sys

import pytest

from tests.fixtures.hygiene import HYGIENE, Hygiene, _Listener
from tests.fixtures.processes import ROOT

LEAKS = (
    "51999919900101005X",
    "id=51999919900101005x&next=",
    "510502189101010016",
    "810000189101010017",
    "519999900101001",
    "+8613900000012",
    "tel%3A 13900000012 ",
    "519999.1990.0101.0058",
    "519999 19900101 005X",
    "519999-19900101-005x",
    "５１９９９９１９９００１０１００５Ｘ",
    "139 0000 0012",
    "139-0000-0012",
    "１３９００００００１２",
)
CLEAN = ("a5199991990010100517b", "1893-01-01", "5199991990", "+8613812345678", "c3519999199001010017f0")


@pytest.mark.parametrize("text", LEAKS)
def test_a_leak_is_found_wherever_it_stands(text):
    """The scan finds a leak in every notation; otherwise it would prove nothing."""
    seen = Hygiene()
    seen.look("url", "/authorize", f"https://idp.example/{text}")
    seen.look("page", "/", f"<p>{text}</p>")
    assert len(seen.hits) == 2


@pytest.mark.parametrize("text", CLEAN)
def test_what_is_no_number_is_no_hit(text):
    """Digests and dates that resemble a number raise no false alarm."""
    seen = Hygiene()
    seen.look("log", "idp", text)
    assert not seen.hits


def test_the_run_listens_to_every_logger_at_debug(pytestconfig):
    """The scan also reads debug lines of libraries."""
    before = pytestconfig.stash[HYGIENE].looked.get("log", 0)
    logging.getLogger("some.library").debug("forty-two")
    assert pytestconfig.stash[HYGIENE].looked["log"] > before
    assert any(isinstance(handler, _Listener) for handler in logging.getLogger().handlers)


_LEAKING = """
import logging, pytest

@pytest.mark.parametrize("number", range(4))
def test_it(number):
    logging.getLogger("some.library").debug("519999" + "199001010017")
"""


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_leak_fails_the_run_in_every_process(tmp_path, processes):
    """A hit fails the run although all tests passed, in one process and in several."""
    (tmp_path / "test_leak.py").write_text(_LEAKING)
    command = [sys.executable, "-m", "pytest", "-q", "-n", processes, "-p", "tests.fixtures.hygiene", str(tmp_path)]
    there = {**os.environ, "PYTHONPATH": str(ROOT)}
    command += ["--rootdir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=there, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    assert "4 hits" in done.stdout
