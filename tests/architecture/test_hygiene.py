import logging

import pytest

from tests.fixtures.hygiene import HYGIENE, Hygiene, _Listener

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
