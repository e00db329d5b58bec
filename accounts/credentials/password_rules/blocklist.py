"""The list of common passwords: a sorted file, searched in halves through a memory map. No network is used."""

from __future__ import annotations

import mmap
from functools import lru_cache
from pathlib import Path

LIST = Path(__file__).parents[2] / "data" / "common_passwords.txt"


class CommonPasswords:
    """One sorted file of passwords: UTF-8, lower case, one a line, in the order of their bytes."""

    def __init__(self, path: Path = LIST) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __contains__(self, password: str) -> bool:
        """Whether the list holds this password, whatever its case."""
        wanted = password.lower().encode("utf-8", "surrogatepass")
        low, high = 0, len(self._map)
        while low < high:
            middle = self._map.rfind(b"\n", 0, (low + high) // 2) + 1
            end = self._map.find(b"\n", middle)
            end = len(self._map) if end < 0 else end
            line = self._map[middle:end]
            if line == wanted:
                return True
            if line < wanted:
                low = end + 1
            else:
                high = middle
        return False


@lru_cache(maxsize=1)
def common_passwords() -> CommonPasswords:
    """The list that comes with the product, opened once."""
    return CommonPasswords()
