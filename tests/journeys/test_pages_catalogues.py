"""The languages: complete, compiled, and chosen by the reader."""

import pytest

from accounts.audit.events import EVENTS
from idp import i18n
from idp.i18n import catalogues
from idp.i18n.labels import LEGAL_BASES
from idp.oidc.consent.claims import CLAIMS
from idp.oidc.models import clients


@pytest.mark.parametrize("language", catalogues.TRANSLATED)
def test_catalogue_is_complete_and_compiled(language: str):
    """Every source text is translated, none fuzzily, with the same placeholders, and .mo and .po agree."""
    found = list(catalogues.faults(language))
    assert found == [], "\n".join(found)


def test_catalogue_speaks_for_claims_and_events():
    """The catalogue also has the texts of other modules that pages show."""
    held = {message.id for message in catalogues.stored("en")}
    shown = {text for claim in CLAIMS for text in (claim.label, claim.purpose)} | {event.zh for event in EVENTS}
    assert shown <= held


def test_every_legal_basis_has_a_name():
    """The consent page has a name for every legal basis that a client can have."""
    rule = next(str(c.sqltext) for c in clients.constraints if "legal_basis" in str(getattr(c, "sqltext", "")))
    assert {word for word in rule.split("'") if word.isidentifier() and word != "legal_basis"} == set(LEGAL_BASES)


@pytest.mark.parametrize(
    ("wishes", "chosen"),
    [
        (("", "", ""), "zh-CN"),
        (("en", "zh-CN", "zh-CN"), "en"),
        (("", "en-GB zh-CN", ""), "en"),
        (("", "", "zh-TW,en;q=0.8"), "zh-CN"),
        (("", "", "fr-FR,en;q=0.8"), "en"),
        (("", "", "fr, de"), "zh-CN"),
        (("<script>", "../..", "*;q=0,\x00"), "zh-CN"),
    ],
)
def test_language_is_chosen_by_wish(wishes: tuple[str, ...], chosen: str):
    """The reader's choice wins, then the client's, then the browser's, then Chinese; unknown values are ignored."""
    assert i18n.choose_language(*wishes) == chosen
