"""What every adapter of the enterprise register promises; the sandbox is the one there is."""

from dataclasses import fields
from datetime import timedelta

import pytest

from accounts.errors import RegistryUnavailable
from accounts.identifiers import Uscc
from accounts.organisations.kinds import OrganisationKind, kind_of
from accounts.ports import EnterpriseRecord, RegisterStatus
from idp.adapters.systems.sandbox import SandboxInProduction
from idp.adapters.systems.sandbox_enterprises import INVENTED, SandboxEnterprises, invented_number, invented_uscc

COMPANY = INVENTED[2]
NOBODYS = invented_uscc("91", 777)


@pytest.fixture
def registry():
    return SandboxEnterprises(environment="test")


def test_every_kind_of_organisation_can_be_looked_up(registry):
    """The kinds of GB 32100 and branches are all there, each under a code that names its kind."""
    found = {registry.look_up(enterprise.uscc).kind for enterprise in INVENTED}
    needed = ("COMPANY", "INDIVIDUAL_BUSINESS", "INSTITUTION", "SOCIETY", "LAW_FIRM", "VILLAGE_COLLECTIVE", "BRANCH")
    assert {OrganisationKind[name] for name in needed} <= found
    for enterprise in INVENTED:
        assert enterprise.kind in (kind_of(enterprise.uscc), OrganisationKind.BRANCH)


def test_an_unknown_code_has_no_record_and_no_representative(registry):
    """A well-formed code that the register does not have is no error."""
    assert registry.look_up(NOBODYS) is None
    assert not registry.confirms_representative(NOBODYS, COMPANY.number, COMPANY.representative)


def test_a_representative_is_confirmed_by_number_and_name_together(registry):
    """One of the two is not enough."""
    assert registry.confirms_representative(COMPANY.uscc, COMPANY.number, COMPANY.representative)
    assert not registry.confirms_representative(COMPANY.uscc, invented_number(500), COMPANY.representative)
    assert not registry.confirms_representative(COMPANY.uscc, COMPANY.number, "别人")


def test_no_record_has_a_number(registry):
    """The register compares numbers and returns none, neither as a member nor in a text."""
    record = registry.look_up(COMPANY.uscc)
    assert COMPANY.number.canonical not in repr([getattr(record, f.name) for f in fields(EnterpriseRecord)])
    assert COMPANY.representative not in repr(record)


def test_changes_are_listed_from_a_moment_on(registry, clock):
    """A change of representative or status is found by its time, the oldest first."""
    since = clock.advance(days=1)
    registry.name_representative(COMPANY.uscc, invented_number(501), "新示例", now=since)
    registry.change_status(INVENTED[3].uscc, RegisterStatus.REVOKED, now=since + timedelta(hours=1))
    assert registry.changed_since(since) == (COMPANY.uscc, INVENTED[3].uscc)
    assert registry.changed_since(since + timedelta(hours=2)) == ()


def test_a_register_that_is_out_says_so(registry):
    """Every call raises RegistryUnavailable, and none an error of its own."""
    registry.fail()
    for call in (
        lambda: registry.look_up(COMPANY.uscc),
        lambda: registry.confirms_representative(COMPANY.uscc, COMPANY.number, COMPANY.representative),
        lambda: registry.changed_since(COMPANY.changed_at),
    ):
        with pytest.raises(RegistryUnavailable):
            call()
    registry.fail(is_out=False)
    assert registry.look_up(COMPANY.uscc) is not None


def test_production_has_no_sandbox_register():
    """In production the sandbox cannot be created."""
    with pytest.raises(SandboxInProduction):
        SandboxEnterprises(environment="production")


@pytest.mark.parametrize(
    ("category", "kind"),
    [
        ("12", "INSTITUTION"),
        ("31", "LAW_FIRM"),
        ("51", "SOCIETY"),
        ("92", "INDIVIDUAL_BUSINESS"),
        ("N1", "VILLAGE_COLLECTIVE"),
        ("Y1", "OTHER"),
    ],
)
def test_a_code_names_its_kind(category, kind):
    """The first two characters are the authority and the category of GB 32100."""
    assert kind_of(Uscc.parse(invented_uscc(category, 5).canonical)) is OrganisationKind[kind]
