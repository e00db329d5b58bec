"""The exception of a front handler, kept for the page that reports it. The failed request is not run again."""

from __future__ import annotations

from typing import Any

_RAISED = "yitong.raised"


def keep(environ: dict[str, Any], error: Exception) -> None:
    """The exception is kept with the request."""
    environ[_RAISED] = error


def raise_kept(environ: dict[str, Any]) -> None:
    """Raises the exception that was kept, if any."""
    error = environ.get(_RAISED)
    if error is not None:
        raise error
