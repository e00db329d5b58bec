import re
import tomllib

import pytest
from pydantic import BaseModel

from accounts.credentials.legacy import FAMILIES, Recipe
from accounts.credentials.legacy.recipe_language import _PLAIN, _SPECIAL
from migration_tools import mapping
from migration_tools.planning.matching import CLASSES
from tests.migration.bench import ROOT

PAGE = (ROOT / "docs/reference/merge-mapping.md").read_text(encoding="utf-8")


def test_the_reference_names_every_key_of_a_mapping():
    """Every key that is read is described."""
    example = tomllib.loads(re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1])
    sections = mapping._File.model_fields
    assert set(example) == set(sections)
    for name, described in example.items():
        kinds = (sections[name].annotation, *getattr(sections[name].annotation, "__args__", ()))
        (kind,) = (k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel))
        assert set(described) == set(kind.model_fields), name
    assert set(example["password"]["tests"][0]) == set(mapping.KnownPassword.model_fields)


@pytest.mark.parametrize("name", [*_PLAIN, *_SPECIAL, *(family for family, _ in FAMILIES)])
def test_the_reference_names_every_function_and_family(name):
    """Everything that a recipe may use is described."""
    assert re.search(rf"`{name}[`(]", PAGE)


@pytest.mark.parametrize("kind", CLASSES)
def test_the_reference_explains_every_class(kind):
    """Every class in a report is explained."""
    assert f"| `{kind}` |" in PAGE


def test_every_recipe_of_the_reference_is_one():
    """Examples are copied, so they must work."""
    table = PAGE[PAGE.index("| the old system |") : PAGE.index("Or the name of a family")]
    recipes = re.findall(r"\| `(.+)` \|", table)
    assert len(recipes) == 7
    for recipe in recipes:
        Recipe.parse(recipe)
