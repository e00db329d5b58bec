"""The commands about persons: `people`, with what operators and clerks do for a person's rights."""

from __future__ import annotations

from idp.cli.people import people
from idp.cli.rights import guardians, recovery, requests_of_persons, restrictions

__all__ = ["guardians", "people", "recovery", "requests_of_persons", "restrictions"]
