"""Where our own records go: to standard error, a line each, from INFO on. Libraries tell of trouble only.

Nothing in them is personal (docs/decisions/0017-logging-through-the-standard-library.md), so a service manager may keep
them. Each refusal's line holds the id that its page shows: without it, nobody can look up what is read out to them.
"""

from __future__ import annotations

import logging


def to_standard_error() -> None:
    """They do. Whoever has given the process handlers of their own keeps these."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("idp").setLevel(logging.INFO)
