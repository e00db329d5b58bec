"""Logging: our own records go to standard error, a line each, from INFO on; those of libraries from WARNING on.

Nothing in them is personal (docs/decisions/0017-logging-through-the-standard-library.md), so a service manager may keep
them. The line of a refusal holds the id that its page shows, so that support can find it when a person reads it out.
"""

from __future__ import annotations

import logging


def to_standard_error() -> None:
    """Send the records to standard error, unless the process has log handlers already."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("idp").setLevel(logging.INFO)
