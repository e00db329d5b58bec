"""VALUES: what UserInfo returns for each claim of the citizen of tests/fixtures/city.py. A new claim adds a row."""

from idp.adapters.systems.sandbox_enterprises import invented_uscc
from tests.conftest import START
from tests.fixtures.city import ADDRESS, BORN, EMAIL, ID_NUMBER, NAME, PHONE

LEGACY_UID = "old-7"

VALUES = {
    "name": NAME,
    "birthdate": BORN.isoformat(),
    "gender": "female",
    "zoneinfo": "Asia/Shanghai",
    "locale": "zh-CN",
    "updated_at": int(START.timestamp()),
    "age_over_18": True,
    "phone_number": PHONE,
    "phone_number_verified": False,
    "email": EMAIL,
    "email_verified": False,
    "address": {"formatted": ADDRESS, "country": "CN"},
    "identity_number": ID_NUMBER,
    "identity_number_type": "citizen_id",
    "organization_name": "泸州示例企业31",
    "uscc": invented_uscc("91", 31).canonical,
    "legacy_sub": LEGACY_UID,
}
