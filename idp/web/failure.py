"""What a handler of the front raised, on its way to the page that reports it: what failed is not run again."""

from __future__ import annotations

from typing import Any

_RAISED = "yitong.raised"


def keep(environ: dict[str, Any], error: Exception) -> None:
    """The request failed so."""
    environ[_RAISED] = error


def raise_kept(environ: dict[str, Any]) -> None:
    """Raises what was kept, if the request failed already."""
    error = environ.get(_RAISED)
    if error is not None:
        raise error
