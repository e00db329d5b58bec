from datetime import UTC, date, datetime, timedelta

import pytest

from accounts.errors import InvalidIdentifier
from accounts.identifiers import (
    CURES,
    ENGLISH,
    KINDS,
    BusinessRegistration,
    CitizenId,
    ForeignerCard,
    HkmoResidencePermit,
    HkmoTravelPermit,
    IdentifierKind,
    Mobile,
    OrganisationCode,
    Passport,
    TwResidencePermit,
    TwTravelPermit,
    Uscc,
    checks,
    guess_person_identifier,
    parse,
    resident_number,
)

CITIZENS = (
    ("11010519491231002X", "female", date(1949, 12, 31), ()),
    ("440524188001010014", "male", date(1880, 1, 1), ("area_unknown",)),
    ("519999199001010017", "male", date(1990, 1, 1), ("area_unknown",)),
    ("51999919900101005X", "male", date(1990, 1, 1), ("area_unknown",)),
    ("519999201306010026", "female", date(2013, 6, 1), ("area_unknown",)),
    ("519999194001010030", "male", date(1940, 1, 1), ("area_unknown",)),
    ("519999200002290028", "female", date(2000, 2, 29), ("area_unknown",)),
    ("510502189101010016", "male", date(1891, 1, 1), ()),
    ("510504189101010027", "female", date(1891, 1, 1), ()),
    ("510523189101010018", "male", date(1891, 1, 1), ("area_retired",)),
    ("512525189101010020", "female", date(1891, 1, 1), ("area_retired",)),
    ("510500189101010013", "male", date(1891, 1, 1), ("area_not_a_county",)),
)
SAME_CITIZEN = (
    "51999919900101005x",
    "5199991990010100 5X",
    " 519999-19900101-005X ",
    "５１９９９９１９９００１０１００５ｘ",
    "\u202d51999919900101005X\u202c",
    "519999\u00a01990\u30000101\u2013005X",
    "519.999.19900101.005X",
    "519999·19900101·005X。",
    "51999919900101005X，",
    "，51999919900101005X；",
    "（51999919900101005X）",
    "[51999919900101005x].",
    "【51999919900101005X】、",
    "“51999919900101005X”",
)
REFUSED = (
    (CitizenId, "", "identifier_empty"),
    (CitizenId, " - ", "identifier_empty"),
    (CitizenId, "5" * 65, "identifier_too_long"),
    (CitizenId, "51999919900101005Х", "identifier_foreign_characters"),
    (CitizenId, "51999919900101005×", "identifier_foreign_characters"),
    (CitizenId, "51999919900101005", "citizen_id_length"),
    (CitizenId, "519999900101001", "citizen_id_old"),
    (CitizenId, "X19999199001010017", "citizen_id_shape"),
    (CitizenId, "019999199001010017", "citizen_id_shape"),
    (CitizenId, "519999190002290021", "citizen_id_date"),
    (CitizenId, "519999199013010017", "citizen_id_date"),
    (CitizenId, "519999184901010017", "citizen_id_date"),
    (CitizenId, "519999199001010018", "citizen_id_check"),
    (CitizenId, "519999199010010017", "citizen_id_check"),
    (CitizenId, "169999199001010017", "citizen_id_province"),
    (CitizenId, "810000189101010017", "citizen_id_is_permit"),
    (CitizenId, "830000189101010010", "citizen_id_is_permit"),
    (HkmoResidencePermit, "830000189101010010", "residence_permit_area"),
    (TwResidencePermit, "810000189101010017", "residence_permit_area"),
    (HkmoTravelPermit, "A00000001", "hkmo_travel_permit_shape"),
    (HkmoTravelPermit, "H0000000101X", "hkmo_travel_permit_shape"),
    (TwTravelPermit, "000000011", "tw_travel_permit_shape"),
    (ForeignerCard, "519999199001010017", "foreigner_card_shape"),
    (ForeignerCard, "911124198108030028", "foreigner_card_check"),
    (ForeignerCard, "93510502100000008X", "foreigner_card_date"),
    (CitizenId, "519999(19900101)005X", "citizen_id_length"),
    (CitizenId, "51999919900101005.", "citizen_id_length"),
    (CitizenId, "。", "identifier_empty"),
    (CitizenId, "（）", "identifier_empty"),
    (HkmoTravelPermit, "HA123456(7)", "hkmo_travel_permit_shape"),
    (HkmoTravelPermit, "HB0000001", "hkmo_travel_permit_shape"),
    (HkmoTravelPermit, "HA00000001", "hkmo_travel_permit_shape"),
    (HkmoTravelPermit, "HA000000101", "hkmo_travel_permit_shape"),
    (Passport, "HKG:E00000000", "passport_shape"),
    (Passport, "MAC:K00000000", "passport_shape"),
    (Passport, "E00000001", "passport_issuer"),
    (Passport, "CHN:X00000000", "passport_shape"),
    (Passport, "USA:1234567890", "passport_shape"),
    (Uscc, "9151050220470671", "uscc_length"),
    (Uscc, "B1510500204706718H", "uscc_shape"),
    (Uscc, "91A10500204706718H", "uscc_shape"),
    (Uscc, "91110108717809965C", "uscc_check"),
    (Uscc, "91110000800088421P", "uscc_check"),
    (Uscc, "9133010057462616XH", "uscc_check"),
    (Uscc, "91440300553897623C", "uscc_check"),
    (OrganisationCode, "D2143569-0", "organisation_code_check"),
    (OrganisationCode, "D2143569", "organisation_code_shape"),
    (BusinessRegistration, "510504000000003", "business_registration_check"),
    (BusinessRegistration, "5105040000002", "business_registration_shape"),
    (Mobile, "1390000000", "mobile_shape"),
    (Mobile, "no number", "mobile_shape"),
    (Mobile, "96196", "mobile_shape"),
    (Mobile, "0830 2345678", "mobile_kind"),
)
COMPANIES = (
    "91510500204706718H",
    "914403001922038216",
    "9144030071526726XG",
    "91110108551385082Q",
    "91100000100003962T",
    "911000001000013428",
    "911100001000044477",
    "91110000710925462X",
    "91330100799655058B",
    "91440400192548256N",
    "91440300192317458F",
    "9144030027939873X7",
    "91440300192181490G",
    "9144030010001686XA",
    "91110000802100433B",
    "91440300100012316L",
    "91350100M000100Y43",  # the first edition (2015): authorities 1, 5, 9 and Y only, built the same way
    "91510502MF00005310",
    "91510502MF0000718Y",
    "91510502MF000003XA",
    "91510502100000040F",
    "11510502100000008C",
    "525105021000000085",
    "93510502100000008X",
    "N2510502100000008K",
    "Y1510502100000008E",
    "A15105021000000083",
)
OTHERS = (
    (HkmoResidencePermit, "810000189101010017", "810000189101010017"),
    (HkmoResidencePermit, "820000189101010027", "820000189101010027"),
    (TwResidencePermit, "830000189101010010", "830000189101010010"),
    (HkmoTravelPermit, "H0000000102", "H00000001"),
    (HkmoTravelPermit, "m00000001", "M00000001"),
    (HkmoTravelPermit, "H00000001（02）", "H00000001"),
    (HkmoTravelPermit, "ha 0000001", "HA0000001"),
    (HkmoTravelPermit, "ＭＡ0000001", "MA0000001"),
    (TwTravelPermit, "00000001", "00000001"),
    (TwTravelPermit, "0000000102（Ｂ）", "00000001"),
    (ForeignerCard, "951840189101010013", "951840189101010013"),
    (ForeignerCard, "951392189101010020", "951392189101010020"),
    (ForeignerCard, "932682198501010017", "932682198501010017"),
    (ForeignerCard, "usa 510000000001", "USA510000000001"),
    (Passport, "chn:e00000000", "CHN:E00000000"),
    (Passport, "CHN:EA0000000", "CHN:EA0000000"),
    (Passport, "CHN:K00000000", "CHN:K00000000"),
    (Passport, "HKG：HJ0000000", "CHN:HJ0000000"),
    (Passport, "mac:ma0000000", "CHN:MA0000000"),
    (Passport, "D:C01X00T47", "D:C01X00T47"),
    (OrganisationCode, "d2143569-x", "D2143569X"),
    (BusinessRegistration, "510504000000002", "510504000000002"),
    (BusinessRegistration, "110108012660422", "110108012660422"),
    (BusinessRegistration, "440301103448669", "440301103448669"),
    (Mobile, "139 0000 0001", "+8613900000001"),
    (Mobile, "008613900000001", "+8613900000001"),
    (Mobile, "+852 9123 4567", "+85291234567"),
    (Mobile, "（+86）139 0000 0001。", "+8613900000001"),
    (Mobile, "139.0000.0001", "+8613900000001"),
)


@pytest.mark.parametrize(("text", "sex", "born", "warnings"), CITIZENS)
def test_a_valid_citizen_number_tells_birth_sex_and_what_is_unusual(text, sex, born, warnings):
    """Real people have retired, unknown and prefecture-level areas, so these only warn."""
    number = CitizenId.parse(text)
    assert (number.canonical, number.sex, number.birth_date, number.warnings) == (text, sex, born, warnings)


@pytest.mark.parametrize("text", SAME_CITIZEN)
def test_every_spelling_of_a_number_is_one_number(text):
    """A number has one canonical form, however it is typed or pasted."""
    assert CitizenId.parse(text) == CitizenId.parse("51999919900101005X")


@pytest.mark.parametrize(("kind", "text", "code"), REFUSED)
def test_a_refused_number_gets_a_stable_code_and_a_cure_without_itself(kind, text, code):
    """The error says what to do and does not contain the number, so that no log does."""
    with pytest.raises(InvalidIdentifier) as refused:
        kind.parse(text)
    assert refused.value.code == code
    assert refused.value.cure == ENGLISH[code]
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
    if len(text) > 6:
        assert text not in f"{refused.value} {refused.value!r}"


def test_every_code_has_a_cure_in_both_languages():
    """Every code has a text for persons and integrators."""
    assert set(ENGLISH) == set(CURES)
    assert all(ENGLISH.values())
    assert all(not cure.isascii() for cure in CURES.values())


def test_a_birth_date_ahead_of_today_is_refused():
    """A birth date in the future is refused."""
    tomorrow = datetime.now(UTC) + timedelta(days=2)
    body = f"519999{tomorrow:%Y%m%d}001"
    with pytest.raises(InvalidIdentifier, match="citizen_id_date"):
        CitizenId.parse(body + checks.mod_11_2(body))


@pytest.mark.parametrize(("kind", "text", "canonical"), OTHERS)
def test_other_documents_read_to_their_lasting_part(kind, text, canonical):
    """The part that changes on renewal is dropped; the part that identifies the person stays."""
    assert kind.parse(text).canonical == canonical
    assert parse(kind.kind, text) == kind.parse(text)


@pytest.mark.parametrize("text", COMPANIES)
def test_companies_of_every_authority_are_accepted(text):
    """Village collectives, military units and unions are organisations like any company."""
    code = Uscc.parse(text)
    assert code.canonical == text
    assert OrganisationCode.parse(code.organisation_code.canonical).canonical == text[8:17]


def test_letters_that_never_occur_are_offered_back_corrected():
    """For a typed O the error proposes 0; it is never replaced silently."""
    with pytest.raises(InvalidIdentifier, match="uscc_letters") as refused:
        Uscc.parse("9I5IO5OO2O47O67I8H")
    assert refused.value.suggestion == "91510500204706718H"
    assert "91510500204706718H" not in str(refused.value)
    with pytest.raises(InvalidIdentifier) as hopeless:
        Uscc.parse("9I5IO5OO2O47O67I8A")
    assert hopeless.value.suggestion is None


def test_a_first_generation_number_gains_its_century_and_check():
    """Records of the 1990s find the person of today."""
    assert CitizenId.upgrade_15("519999 900101 001").canonical == "519999199001010017"


@pytest.mark.parametrize("sequence", ["996", "997", "998", "999"])
def test_a_centenarians_sequence_is_left_to_a_human(sequence):
    """The naive rule would move a person born in 1890 to 1990."""
    with pytest.raises(InvalidIdentifier, match="citizen_id_century"):
        CitizenId.upgrade_15("519999900101" + sequence)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("51999919900101005x", IdentifierKind.CITIZEN_ID),
        ("519999900101001", IdentifierKind.CITIZEN_ID),
        ("820000189101010027", IdentifierKind.HKMO_RESIDENCE_PERMIT),
        ("830000189101010010", IdentifierKind.TW_RESIDENCE_PERMIT),
        ("H0000000101", IdentifierKind.HKMO_TRAVEL_PERMIT),
        ("932682198501010017", IdentifierKind.FOREIGNER_CARD),
        ("139 0000 0001", IdentifierKind.MOBILE),
        ("139 0000 0001。", IdentifierKind.MOBILE),
        ("HA0000001", IdentifierKind.HKMO_TRAVEL_PERMIT),
    ],
)
def test_a_login_field_understands_numbers(text, kind):
    """One field accepts every kind of number that people know by heart."""
    guessed = guess_person_identifier(text)
    assert guessed is not None
    assert guessed.kind == kind


@pytest.mark.parametrize(
    "text", ["wanglan", "519999900101998", "519999199001010018", "", "王兰", "x" * 500, "A123456(7)", "HA123456(7)"]
)
def test_a_login_field_takes_anything_else_for_a_login_name(text):
    """No input raises an error."""
    assert guess_person_identifier(text) is None


def test_a_mixed_column_is_read_by_area():
    """A column of ID numbers also holds residents of Hong Kong, Macao and Taiwan."""
    read = [resident_number(text) for text in ("519999199001010017", "810000189101010017", "830000189101010010", "x")]
    assert [number and number.kind.value for number in read] == [
        "citizen_id",
        "hkmo_residence_permit",
        "tw_residence_permit",
        None,
    ]


def test_masks_show_the_ends_only():
    """Staff see two characters, the holder seven, and repr never more than staff."""
    number = CitizenId.parse("51999919900101005X")
    assert number.masked == "5****************X"
    assert number.masked_own == "519***********005X"
    assert repr(number) == str(number) == "CitizenId('5****************X')"
    assert Mobile.parse("13900000001").masked_own == "139****0001"
    assert TwTravelPermit.parse("00000012").masked_own == "0*****12"
    assert Passport.parse("CHN:E00000000").masked == "E*******0"


def test_each_kind_has_exactly_one_reader():
    """A kind without a reader, or with two, would first fail in production."""
    assert sorted(cls.kind for cls in KINDS) == sorted(IdentifierKind)
