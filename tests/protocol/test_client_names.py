"""A client that registers itself cannot have an official client's name, however it is written."""

import pytest

from idp.oidc.clients import registry
from idp.oidc.clients.client_names import check_name, skeleton
from idp.oidc.errors import InvalidClientMetadata
from tests.fixtures.city import City
from tests.protocol.test_client_metadata import invitation, register

OFFICIAL, OFFICIAL_EN = "泸州市住房公积金", "Luzhou Housing Fund"


@pytest.fixture
def city(database, vault, clock) -> City:
    made = City(database, vault, clock)
    made.register_client(name=OFFICIAL, name_en=OFFICIAL_EN)
    return made


IMITATIONS = {
    "the name": OFFICIAL,
    "the English name": OFFICIAL_EN,
    "case": "LUZHOU housing FUND",
    "wide letters": "Ｌｕｚｈｏｕ Ｈｏｕｓｉｎｇ Ｆｕｎｄ",
    "no spaces": "LuzhouHousingFund",
    "spaces": "泸州市 住房 公积金",
    "punctuation": "泸州市·住房公积金。",
    "quotes": "“泸州市”住房公积金",
    "more around it": "泸州市住房公积金（官方）",
    "more before it": "登录泸州市住房公积金",
    "less": "住房公积金",
    "traditional": "瀘州市住房公積金",
    "one traditional": "泸州市住房公積金",
    "a character of compatibility": "泸州市住房公積⾦",
    "a radical": "泸州市住房公积\u2fa6",
    "another character that looks so": "泸州巿住房公积金",
    "a digit for a letter": "Luzh0u Housing Fund",
    "one for i": "Luzhou Hous1ng Fund",
    "l for i": "Luzhou Houslng Fund",
    "Cyrillic": "Luzhоu Housing Fund",
    "Greek": "Luzhου Housing Fund",
    "mathematical": "𝐋𝐮𝐳𝐡𝐨𝐮 𝐇𝐨𝐮𝐬𝐢𝐧𝐠 𝐅𝐮𝐧𝐝",
    "circled": "Ⓛⓤⓩⓗⓞⓤ Housing Fund",
    "accents": "Lúzhōu Housing Fund",
    "a combining mark": "Luzho\u0335u Housing Fund",
    "a variation selector": "泸州市\ufe00住房公积金",
    "a filler": "泸州市\u3164住房公积金",
    "a joiner of graphemes": "泸州市\u034f住房公积金",
    "a space of no width": "泸州市\u200b住房公积金",
    "a mark of direction": "泸州市\u200e住房公积金",
    "a Braille blank": "泸州市\u2800住房公积金",
    "kana": "泸州市住房公积金ー",
    "dotless": "Luzhou Housıng Fund",
}


@pytest.mark.parametrize("member", ["client_name", "client_name#en"])
def test_an_official_name_is_taken(city, member):
    """No name of a self-registered client may be confused with a name of an official client."""
    token = invitation(city)
    for how, name in IMITATIONS.items():
        status, told = register(city, token, **{"client_name": "借书小程序", member: name})
        assert (how, status, told.get("error")) == (how, 400, "invalid_client_metadata")
        assert "client_name" in told["error_description"]


def test_other_names_are_free(city):
    """Honest names with digits, accents and punctuation may be registered, also twice."""
    token = invitation(city)
    for name in (
        "借书小程序",
        "Housing calculator",
        "泸州市图书馆",
        "A+ 学习平台（二期）",
        "Café 1号",
        "第〇一号",
        "Kids' Club",
    ):
        assert [register(city, token, client_name=name)[0] for _ in range(2)] == [201, 201]


def test_a_disabled_official_client_keeps_its_name(city):
    """People remember the name longer than the registration lasts."""
    with city.database.transaction() as c:
        registry.change_status(c, "fund", "disabled", now=city.clock())
    assert register(city, invitation(city), client_name=OFFICIAL)[0] == 400


def test_a_name_needs_a_letter():
    """A name of marks alone is refused."""
    with pytest.raises(InvalidClientMetadata, match="no letter"):
        check_name("——（）", ())


def test_a_short_official_name_may_be_part_of_another():
    """When tax is an official name, taxi may still be registered."""
    assert skeleton("Tax") == "tax"
    official = type("Official", (), {"registration_token_digest": None, "name": "税务", "name_en": "Tax"})
    check_name("Taxi stand", [official])
    with pytest.raises(InvalidClientMetadata, match="too close"):
        check_name("ＴＡＸ", [official])


@pytest.mark.parametrize(
    "name", ["一通", "一 通", "YITONG login", "公积金（官方）", "公安局", "Official portal", "0fficial"]
)
def test_a_name_that_looks_official_is_taken(city, name):
    """The provider's own name, and words of authorities, are for systems that an administrator registers."""
    status, told = register(city, invitation(city), client_name=name)
    assert (status, told["error"]) == (400, "invalid_client_metadata")
