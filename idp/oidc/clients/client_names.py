"""The names that a system may register for itself: none that people could take for another client's name.

A name is compared by its *skeleton*, so that width, case, spaces, punctuation, invisible marks and the digits that look
like letters make no difference. Look-alikes that have no common skeleton are excluded by the repertoire: simplified
Chinese characters (those of GB 2312, and 〇), Latin letters, digits and punctuation. That is the restriction to one
script with Latin which Unicode Technical Standard #39 §5.2 recommends, made narrower: a traditional or rare character,
Cyrillic, Greek or kana is refused, not mapped. An administrator may use any of them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from idp.oidc.clients.client import Client
from idp.oidc.errors import InvalidClientMetadata

_ALIKE = str.maketrans({"0": "o", "〇": "o", "○": "o", "1": "l", "i": "l", "|": "l", "5": "s", "8": "b"})
_PAIRS_ALIKE = (("rn", "m"), ("vv", "w"))
# What the provider itself is called, and what makes a name look official.
RESERVED = (
    *("一通", "yitong", "统一身份认证", "官方", "official"),
    *("政府", "政务", "公安", "法院", "检察", "税务", "government", "police"),
)
_LEAST_PART = 4  # characters: a shorter official name, such as "Tax", may be part of an honest one


def check_name(name: str, clients: Iterable[Client]) -> None:
    """The name uses plain characters. It is not an official client's name, nor a part of one, nor contains one.

    A client is official if an administrator registered it, in use or not. Raises InvalidClientMetadata with the cure.
    """
    if not all(_is_plain(character) for character in unicodedata.normalize("NFKC", name)):
        raise InvalidClientMetadata(
            "client_name may hold simplified Chinese characters (GB 2312), Latin letters, digits and punctuation only; "
            "ask the administrator to register another name"
        )
    mine = skeleton(name)
    if not mine:
        raise InvalidClientMetadata("client_name holds no letter or digit; choose one that people can read")
    if any(word in mine for word in map(skeleton, RESERVED)):
        raise InvalidClientMetadata(
            "client_name holds a word that only official systems may use; choose another name, "
            "or ask the administrator to register this one"
        )
    for client in clients:
        official = client.registration_token_digest is None
        if official and any(_imitates(mine, skeleton(theirs)) for theirs in (client.name, client.name_en)):
            raise InvalidClientMetadata(
                "client_name is too close to the name of an official client; choose another, "
                "or ask the administrator to register this one"
            )


def skeleton(name: str) -> str:
    """The name without everything that people overlook. It is equal for names that look alike."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    letters = "".join(c for c in decomposed.translate(_ALIKE) if unicodedata.category(c)[0] in "LN")
    for pair, single in _PAIRS_ALIKE:
        letters = letters.replace(pair, single)
    return letters


def _imitates(mine: str, theirs: str) -> bool:
    if mine == theirs:
        return True
    shorter, longer = sorted((mine, theirs), key=len)
    return len(shorter) >= _LEAST_PART and shorter in longer


def _is_plain(character: str) -> bool:
    """True if the character, once normalised (NFKC), is in the repertoire."""
    if character.isascii():
        return character.isprintable()
    category = unicodedata.category(character)
    if category in ("Ll", "Lu"):
        return unicodedata.normalize("NFD", character)[0].isascii()
    if category in ("Lo", "Nl"):
        return character == "〇" or (unicodedata.name(character, "").startswith("CJK") and _is_in_gb2312(character))
    return category[0] == "P"


def _is_in_gb2312(character: str) -> bool:
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True
