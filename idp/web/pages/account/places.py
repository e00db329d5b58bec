"""Where a reader is in a long list: `?before=` names the last entry that they have seen, by its time and key."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import flask

from accounts.database import microseconds, moment
from idp.rights.ledger import Place

_BEFORE = re.compile(r"(\d{1,17})-([0-9a-f]{32})", re.ASCII)


def asked_place() -> Place | None:
    """The place in the request's address. None on the first page. Any other text is an unknown address: 404."""
    text = flask.request.args.get("before")
    if text is None:
        return None
    found = _BEFORE.fullmatch(text)
    at = moment(int(found[1])) if found else None
    if found is None or at is None:
        flask.abort(404)
    return Place(at, found[2])


def before_now(now: datetime) -> Place:
    """The place before which every entry of this moment stands."""
    return Place(now, "g" * 32)  # sorts after every key


def next_page(rows: list[Any], most: int) -> str:
    """The address of the next page, for a list that was read with one row more than it shows. Empty at its end."""
    if len(rows) <= most:
        return ""
    last = rows[most - 1]
    return f"{flask.request.path}?before={microseconds(last.at)}-{last.id}"
