import pytest

from accounts.identifiers import divisions

LUZHOU = ("510500", "510502", "510503", "510504", "510521", "510522", "510524", "510525")
RETIRED = {
    "510523": ("510502", "510503"),
    "512502": ("510502",),
    "512521": ("510521",),
    "512523": ("510522",),
    "512524": ("510523",),
    "512525": ("510524",),
    "512526": ("510525",),
}


def test_luzhou_has_its_seven_counties_and_districts():
    """The first city's divisions are complete and in force."""
    assert tuple(d.code for d in divisions.under("5105")) == LUZHOU
    assert [d.name for d in divisions.under("51050")][1:] == ["江阳区", "纳溪区", "龙马潭区"]


@pytest.mark.parametrize(("code", "successors"), RETIRED.items())
def test_retired_codes_of_luzhou_name_their_successors(code, successors):
    """People still have numbers that begin with codes retired decades ago."""
    found = divisions.find(code)
    assert found is not None
    assert found.is_retired
    assert divisions.is_retired(code)
    assert found.successors == successors


def test_every_successor_is_a_known_code():
    """Every successor is itself in the table."""
    for division in divisions.under(""):
        assert not division.successors
    for code in RETIRED:
        assert all(divisions.find(successor) for successor in divisions.find(code).successors)


def test_the_unallocated_test_area_is_unknown():
    """519999 names no place, so fixtures belong to no real person."""
    assert divisions.find("519999") is None
    assert divisions.is_province("51")
    assert not divisions.is_province("16")
