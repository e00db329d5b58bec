"""Pages that differ only in what was drawn for one response, its token and its paths: rendered once, then filled in.

Whoever logs in sees the login page, and rendering it costs more than all that is done for them but the password check.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Hashable, Mapping
from functools import lru_cache, partial

import flask
from markupsafe import escape

from idp.web import request_security
from idp.web.pages import layout

_MARK = f"fill-{secrets.token_hex(16)}-"  # nobody can write it into a name or an address that a page shows
_MARKED = re.compile(f"{_MARK}(\\w+)-")
_CALLED = ("csrf_token", "csp_nonce")  # which templates call
_MOST = 256  # of some 20 kB: languages × views × services


def page(template: str, filled: Mapping[str, str], **values: Hashable) -> str:
    """The template rendered with both; what is in `filled` it only prints, or asks whether it is there.

    Those, and the page's token, nonce and ways back, are escaped and put into what was rendered before for the same
    language, view and `values`.
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
    """What the page says, and in between, at every odd place, the name of what stands there."""
    present, absent = filled
    marks = {name: f"{_MARK}{name}-" for name in present} | dict.fromkeys(absent, "")
    called = {name: partial(str, marks.pop(name)) for name in _CALLED}
    text = flask.render_template(
        template, **dict(values), **marks, **called, lang=language, view=view, session_ends=None
    )
    return tuple(_MARKED.split(text))
