"""Pages that are rendered once and then filled in: they differ only in token, nonce and paths.

Every person who logs in sees the login page, and rendering it costs more than all other work but the password check.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Hashable, Mapping
from functools import lru_cache, partial

import flask
from markupsafe import escape

from idp.web import request_security
from idp.web.pages.drawing import layout

_MARK = f"fill-{secrets.token_hex(16)}-"  # random: nobody can put it into a name or an address on a page
_MARKED = re.compile(f"{_MARK}(\\w+)-")
_CALLED = ("csrf_token", "csp_nonce")  # templates call these
_MOST = 256  # pages of some 20 kB: languages × views × services


def page(template: str, filled: Mapping[str, str], **values: Hashable) -> str:
    """The template rendered with both. It may only print the values in `filled`, or test whether they are empty.

    These values, and the page's token, nonce and ways back, are escaped and put into the text that was rendered before
    for the same language, view and `values`.
    """
    all_filled = {
        **filled,
        "return_to": layout.return_to(),
        "preferences_at": layout.preferences_at(),
        "csrf_token": request_security.csrf_token(),
        "csp_nonce": request_security.csp_nonce(),
    }
    texts = {name: escape(value) for name, value in all_filled.items()}
    present = frozenset(name for name, text in texts.items() if text)
    absent = frozenset(texts.keys() - present)
    pieces = _pieces(template, layout.language(), layout.view(), (present, absent), frozenset(values.items()))
    return "".join(texts[piece] if i % 2 else piece for i, piece in enumerate(pieces))


@lru_cache(maxsize=_MOST)
def _pieces(
    template: str,
    language: str,
    view: str,
    filled: tuple[frozenset[str], frozenset[str]],
    values: frozenset[tuple[str, Hashable]],
) -> tuple[str, ...]:
    """The text of the page in pieces. Every odd piece is the name of the value that belongs there."""
    present, absent = filled
    marks = {name: f"{_MARK}{name}-" for name in present} | dict.fromkeys(absent, "")
    called = {name: partial(str, marks.pop(name)) for name in _CALLED}
    text = flask.render_template(
        template, **dict(values), **marks, **called, lang=language, view=view, session_ends=None
    )
    return tuple(_MARKED.split(text))
