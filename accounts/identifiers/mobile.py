"""Mobile numbers, read by the numbering plans of the `phonenumbers` library; stored as E.164."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from accounts.identifiers.identifier import Identifier, IdentifierKind, normalise, refuse

_HOME = "CN"


@dataclass(frozen=True, slots=True, repr=False)
class Mobile(Identifier):
    """A mobile number, `+8613900000001`. It identifies a SIM card, not a person: families share, operators reissue."""

    kind: ClassVar[IdentifierKind] = IdentifierKind.MOBILE

    @classmethod
    def parse(cls, text: str) -> Self:
        """The number in the text, a Chinese one where no country is given. Raises InvalidIdentifier."""
        import phonenumbers  # noqa: PLC0415 - a fifth of a second of tables, which a start does not need
        from phonenumbers import PhoneNumberFormat, PhoneNumberType  # noqa: PLC0415 - as above

        try:
            number = phonenumbers.parse(normalise(text), _HOME)
        except phonenumbers.NumberParseException:
            refuse("mobile_shape")
        if not phonenumbers.is_valid_number(number) or number.extension:
            refuse("mobile_shape")
        if phonenumbers.number_type(number) not in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE):
            refuse("mobile_kind")
        return cls(phonenumbers.format_number(number, PhoneNumberFormat.E164))

    @property
    def visible(self) -> str:
        """A Chinese number as it is dialled at home; any other with its country code."""
        return self.canonical.removeprefix("+86")
