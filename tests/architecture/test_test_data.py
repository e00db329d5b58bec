import runpy
import subprocess
import sys

import pytest

from accounts.identifiers import checks
from tests.architecture.tracked import ROOT

SCAN = ROOT / "scripts" / "check-test-data"


def test_no_living_persons_number_is_in_the_repository():
    """The ID numbers of fixtures belong to no living person."""
    done = subprocess.run([sys.executable, str(SCAN)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("body", "found"), [("51050219800101001", True), ("51999919800101001", False), ("51050218930101001", False)]
)
def test_the_scan_finds_what_it_must(body, found):
    """A scan that finds nothing would prove nothing."""
    could_be_somebodys = runpy.run_path(str(SCAN))["could_be_somebodys"]
    assert could_be_somebodys(body + checks.mod_11_2(body)) is found
