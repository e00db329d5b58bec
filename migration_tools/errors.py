"""Refusals of the merge tools. Each has a code, a cause, a cure, and the exit code of its command."""

from __future__ import annotations

import os
from pathlib import Path

from accounts.errors import AccountsError

ERROR, USAGE, REFUSED, NEEDS_APPROVAL, REVIEW, LOCKED, INTERRUPTED = 1, 2, 3, 4, 5, 6, 75


class MergeRefused(AccountsError):
    """Nothing was written. `cure` says what to do. Neither text holds a value of a row."""

    exit_code = REFUSED

    def __init__(self, code: str, cause: str, cure: str) -> None:
        self.code = code
        self.cure = cure
        self.cause = cause
        super().__init__(detail=cause)


class SourceRefused(MergeRefused):
    """An export cannot be read as its mapping says. File and line are named, so that its author can look."""

    def __init__(self, path: Path, line: int | None, cause: str, cure: str) -> None:
        at = f"{path.name}, line {line}" if line else path.name
        super().__init__("source_refused", f"{at}: {cause}", cure)


class FileError(MergeRefused):
    """A file or directory of ours cannot be read or written: no space, or no permission."""

    exit_code = ERROR

    def __init__(self, error: OSError) -> None:
        at = Path(os.fsdecode(error.filename)).name if isinstance(error.filename, str | bytes) else "a file"
        cause = f"{at}: {error.strerror or type(error).__name__}"
        super().__init__(
            "file", cause, "Check the disk, the path and its permissions, then run the same command again."
        )


class MappingRefused(MergeRefused):
    """A mapping file lacks what a merge needs to know."""

    exit_code = USAGE

    def __init__(self, path: Path, key: str, cause: str, cure: str) -> None:
        super().__init__("mapping_refused", f"{path.name}, {key}: {cause}", cure)


class RowsRefused(MergeRefused):
    """The plan is complete, but rows of its source were refused and nobody agreed to leave so many out."""

    def __init__(self, refused: int, rows: int, most: int | None) -> None:
        allowed = "" if most is None else f", and {most:,} may stay behind"
        cure = (
            "Repair those lines where the export is made and plan again; or, if these accounts may stay behind, "
            f"plan again with --leave-out-refused {refused}."
        )
        cause = f"{refused:,} refused of {rows:,} rows{allowed}: this plan cannot be applied"
        super().__init__("rows_refused", cause, cure)


class PlanRefused(MergeRefused):
    """The plan has changed, or belongs to another source."""

    def __init__(self, cause: str, cure: str) -> None:
        super().__init__("plan_refused", cause, cure)
