"""Message catalogues: extracted from pages and modules, merged into each language, and compiled beside it.

`scripts/catalogues` runs `renew`; a test runs `faults`. Both .po and .mo are in the repository, so that a deployment
needs no extra step and a reader of the source sees every sentence.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from accounts.audit.events import EVENTS
from idp.i18n import CATALOGUES

ROOT = Path(__file__).parents[2]
TRANSLATED = ("en",)
_SOURCES = {"templates": [("**.html", "jinja2")], "idp": [("**.py", "python")]}
_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")
_CHANGING = re.compile(
    rb'"(?:POT-Creation-Date|PO-Revision-Date|Generated-By|Report-Msgid-Bugs-To|Last-Translator|Language-Team)[^"]*"\n'
)
_ALWAYS = datetime(2026, 1, 1, tzinfo=UTC)  # the same texts always compile to the same file
_HEADER = "# One language of Yitong's pages. The message ids are the Chinese source texts.\n"


def extracted() -> Catalog:
    """Every source text of pages and modules, and of the events that an account page shows."""
    catalogue = Catalog(project="Yitong", version="1", header_comment=_HEADER)
    for folder, methods in _SOURCES.items():
        for name, _, text, comments, context in extract_from_dir(ROOT / folder, methods):
            catalogue.add(text, locations=[(f"{folder}/{name}", 0)], auto_comments=comments, context=context)
    for event in EVENTS:
        catalogue.add(event.zh, locations=[("accounts/audit/events.py", 0)])
    return catalogue


def renew(language: str) -> Catalog:
    """The language's .po holds exactly today's source texts, and its .mo matches the .po."""
    catalogue = stored(language)
    catalogue.fuzzy = False
    catalogue.update(extracted(), no_fuzzy_matching=True, update_header_comment=True)
    catalogue.obsolete.clear()
    for event in EVENTS:  # the list of events has their English beside their Chinese
        catalogue[event.zh].string = event.en
    _path(language, "po").write_bytes(_po(catalogue))
    _path(language, "mo").write_bytes(compiled(catalogue))
    return catalogue


def stored(language: str) -> Catalog:
    """The language's .po in the repository, or an empty catalogue if there is none."""
    path = _path(language, "po")
    if not path.exists():
        return Catalog(locale=language, project="Yitong", version="1")
    with path.open("rb") as file:
        return read_po(file, locale=language)


def compiled(catalogue: Catalog) -> bytes:
    """The .mo that belongs to this catalogue, byte for byte."""
    catalogue.creation_date = catalogue.revision_date = _ALWAYS
    written = io.BytesIO()
    write_mo(written, catalogue)
    return written.getvalue()


def faults(language: str) -> Iterator[str]:
    """The faults of the language's catalogue, one line each. Empty if it is complete and compiled."""
    catalogue = stored(language)
    today = {message.id for message in extracted() if message.id}
    held = {message.id: message for message in catalogue if message.id}
    yield from (f"not in the catalogue: {text}" for text in sorted(map(str, today - held.keys())))
    yield from (f"no longer used: {text}" for text in sorted(map(str, held.keys() - today)))
    yield from (f"{fault}: {message.id}" for message in held.values() for fault in _message_faults(message))
    if not _path(language, "mo").exists() or _path(language, "mo").read_bytes() != compiled(catalogue):
        yield "the .mo is older than the .po: run scripts/catalogues"


def _message_faults(message: Message) -> Iterator[str]:
    texts = _texts(message.string)
    if not all(texts):
        yield "not translated"
    if message.fuzzy:
        yield "fuzzy"
    wanted = {placeholder for text in _texts(message.id) for placeholder in _PLACEHOLDER.findall(text)}
    if any(text and set(_PLACEHOLDER.findall(text)) != wanted for text in texts):
        yield "other placeholders than the source"


def _texts(text: str | Iterable[str] | None) -> tuple[str, ...]:
    return (text or "",) if text is None or isinstance(text, str) else tuple(text)


def _path(language: str, kind: str) -> Path:
    return CATALOGUES / language / "LC_MESSAGES" / f"messages.{kind}"


def _po(catalogue: Catalog) -> bytes:
    written = io.BytesIO()
    write_po(written, catalogue, width=120, sort_output=True, include_lineno=False, omit_header=False)
    # Dates and unknown translators would make every renewal a change.
    return _CHANGING.sub(b"", written.getvalue())
