"""The mapping of one source: a TOML file that says what its columns mean (docs/reference/merge-mapping.md).

It is TOML, because YAML reads `0123` as octal and `no` as false. A recipe needs pairs of a known password and its hash.
Without pairs, or if they do not verify, it is refused before a row is read: a wrong recipe would lock every citizen
out.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from accounts.credentials.legacy import LegacySecret, Recipe
from accounts.credentials.legacy.recipe_language import RecipeRefused
from migration_tools.errors import MappingRefused

_CURES = {
    "missing": "Add it; docs/reference/merge-mapping.md shows a whole file.",
    "extra_forbidden": "Remove it, or look for a misspelt key.",
    "literal_error": "Use one of the values named.",
    "unknown_format": "Use one of the formats named, or export again in one of them.",
}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class System(_Section):
    """The older system. `id` stands in links, claims and reports, and never changes."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_-]{1,31}$")
    name: str = ""
    kind: Literal["person"] = "person"
    trust: int = Field(default=1, ge=1, le=3)
    sensitivity: Literal["normal", "high"] = "normal"
    cutover: date | None = None


class Source(_Section):
    """How the export is written. Without `encoding` it is UTF-8 or, failing that, GB18030."""

    format: str
    key: str = Field(min_length=1)
    file: str | None = None
    encoding: Literal["utf-8", "gb18030"] | None = None
    delimiter: str = Field(default=",", pattern=r"^(\t|[^\w\s\"])$")
    object_class: str | None = None
    expect_rows: tuple[int, int] | None = None

    @field_validator("format")
    @classmethod
    def _one_with_a_reader(cls, value: str, info: ValidationInfo) -> str:
        formats = (info.context or {}).get("formats", ())
        if value not in formats:
            raise PydanticCustomError(
                "unknown_format", "no reader for it; there are {names}", {"names": ", ".join(formats)}
            )
        return value

    @field_validator("expect_rows")
    @classmethod
    def _least_before_most(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        if value is not None and not 0 <= value[0] <= value[1]:
            raise ValueError("the least comes before the most")
        return value


class Fields(_Section):
    """Which column holds which field."""

    id_no: str
    name: str
    login_name: str | None = None
    phone: str | None = None
    email: str | None = None
    birth: str | None = None
    sex: str | None = None
    last_login: str | None = None


class KnownPassword(_Section):
    """A password whose hash is known, to prove the recipe."""

    password: str = Field(repr=False)
    hash: str = Field(repr=False)
    salt: str = Field(default="", repr=False)
    user: str = ""


class Password(_Section):
    """Where the hash is, and how it was made."""

    column: str
    recipe: str
    salt: str | None = None
    user: str | None = None
    tests: tuple[KnownPassword, ...] = Field(min_length=1)


class Subject(_Section):
    """What the system's own relying party receives as `legacy_sub`: the key, in this version."""

    legacy_sub: str


class _File(_Section):
    system: System
    source: Source
    fields: Fields
    password: Password | None = None
    subject: Subject | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """One mapping file, checked."""

    path: Path
    digest: str
    system: System
    source: Source
    fields: Fields
    password: Password | None

    @property
    def recipe(self) -> Recipe | None:
        """How this system's passwords are verified, or None when it brings none."""
        return Recipe.parse(self.password.recipe) if self.password else None

    def columns(self) -> tuple[tuple[str, str], ...]:
        """(field of LegacyAccount, column of the source) for every field that is mapped."""
        named = {"number": self.fields.id_no, **self.fields.model_dump(exclude={"id_no"})}
        wanted = {"uid": self.source.key, **named}
        if self.password:
            wanted |= {"password": self.password.column, "salt": self.password.salt}
            wanted["password_user"] = self.password.user
        return tuple((name, column) for name, column in wanted.items() if column)


def load(path: Path, formats: Collection[str]) -> Mapping:
    """The mapping in that file, whose format is one of these. Raises MappingRefused, naming file, key and cure."""
    try:
        raw = path.read_bytes()
        parsed = _File.model_validate(tomllib.loads(raw.decode()), context={"formats": formats})
    except OSError as error:
        raise MappingRefused(path, "file", error.strerror or "unreadable", "Check the path.") from None
    except UnicodeDecodeError:
        raise MappingRefused(path, "file", "not UTF-8", "Save the mapping as UTF-8.") from None
    except RecursionError:
        raise MappingRefused(path, "file", "nested without end", "Correct the TOML.") from None
    except tomllib.TOMLDecodeError as error:
        raise MappingRefused(path, "file", str(error), "Correct the TOML at that line.") from None
    except ValidationError as error:
        raise _refused(path, error) from None
    mapping = Mapping(
        path, hashlib.sha256(raw).hexdigest(), parsed.system, parsed.source, parsed.fields, parsed.password
    )
    if parsed.subject and parsed.subject.legacy_sub != parsed.source.key:
        cure = f"Write legacy_sub = {parsed.source.key!r}, or make that column the key."
        raise MappingRefused(path, "subject.legacy_sub", "only the key can be the legacy_sub", cure)
    _prove(mapping)
    return mapping


def _refused(path: Path, error: ValidationError) -> MappingRefused:
    first = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"]) or "file"
    return MappingRefused(path, key, first["msg"], _CURES.get(first["type"], "Correct this value."))


def _prove(mapping: Mapping) -> None:
    """The recipe accepts the known passwords, and no other."""
    password = mapping.password
    if password is None:
        return
    try:
        recipe = Recipe.parse(password.recipe)
    except RecipeRefused as refused:
        raise MappingRefused(mapping.path, "password.recipe", "not a recipe", refused.cure) from None
    for needed, column, name in (("s", password.salt, "salt"), ("u", password.user, "user")):
        if needed in recipe.names and not column and not (needed == "u" and mapping.fields.login_name):
            cure = f"Name the column under password.{name}."
            raise MappingRefused(mapping.path, f"password.{name}", f"the recipe uses {needed}", cure)
    for position, pair in enumerate(password.tests):
        secret = LegacySecret(pair.hash, pair.salt, pair.user)
        if not recipe.verify(secret, pair.password) or recipe.verify(secret, pair.password + "~"):
            key, cause = f"password.tests[{position}]", "the recipe does not verify this pair"
            cure = "Compare with the old system's login code: order of salt and password, encoding, rounds."
            raise MappingRefused(mapping.path, key, cause, cure)
