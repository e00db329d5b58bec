"""The four check-character calculations. Their input is already known to be well formed."""

from __future__ import annotations

_MOD_11_2 = "10X98765432"  # the check character for each remainder 0…10 of the weighted sum (GB 11643-1999 §6)
_WEIGHTS_ORGANISATION = (3, 7, 9, 10, 5, 8, 4, 2)
USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # no I O S V Z (GB 32100-2015 §5)


def mod_11_2(body: str) -> str:
    """The check character after 17 digits (ISO 7064 MOD 11-2): finds every single error and adjacent swap."""
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(body))
    return _MOD_11_2[total % 11]


def uscc(body: str) -> str:
    """The check character after 17 characters of a unified social credit code (weights 3^i mod 31)."""
    total = sum(USCC_ALPHABET.index(character) * pow(3, place, 31) for place, character in enumerate(body))
    return USCC_ALPHABET[-total % 31]


def organisation_code(body: str) -> str:
    """The check character after 8 characters (GB 11714-1997). Modulus 11 over 36 symbols misses some errors."""
    total = sum(int(character, 36) * weight for character, weight in zip(body, _WEIGHTS_ORGANISATION, strict=True))
    return "0123456789X"[-total % 11]


def mod_11_10(body: str) -> str:
    """The check digit after the digits of a business registration number (ISO 7064 MOD 11,10)."""
    product = 10
    for digit in body:
        product = ((product + int(digit)) % 10 or 10) * 2 % 11
    return str((11 - product) % 10)
