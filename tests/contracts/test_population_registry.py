"""What every adapter of the registries promises: the sandbox's today, a real one's by one more row of REGISTRIES."""

from dataclasses import dataclass

import pytest

from accounts.errors import RegistryUnavailable
from accounts.evidence import UPSTREAM_LEVELS, EvidenceKind, upstream_kind
from accounts.identifiers import CitizenId, Identifier, IdentifierKind, Mobile, parse
from accounts.ports import PersonVerification, PopulationRegistry
from idp.adapters.systems.sandbox import SandboxInProduction
from idp.adapters.systems.sandbox_registry import INVENTED, SandboxPopulation, SandboxVerification, Scenario
from tests.fixtures.registrations import BY_NAME, DAMING, XIAODONG, XIAOYU, YULAN
from tests.fixtures.site import citizen_number

NOBODY = CitizenId.parse(citizen_number(77))


def identifier(person) -> Identifier:
    return parse(person.kind, person.number)


@dataclass(frozen=True)
class Registry:
    """An adapter, and persons that its test system knows: one alive with a phone, one dead, one that fails."""

    adapter: PopulationRegistry
    living: object = XIAOYU
    dead: object = YULAN
    failing: object = XIAODONG


REGISTRIES = {"sandbox": Registry(SandboxPopulation(environment="test"))}
VERIFICATIONS = {name: SandboxVerification(name, environment="test") for name in ("face_match", "network_identity")}


@pytest.fixture(params=REGISTRIES)
def registry(request) -> Registry:
    return REGISTRIES[request.param]


@pytest.fixture(params=VERIFICATIONS)
def verification(request) -> PersonVerification:
    return VERIFICATIONS[request.param]


def test_a_number_and_its_name_agree(registry):
    """Two elements: the holder's name matches, another name and an unknown number do not."""
    living = registry.living
    assert registry.adapter.check(identifier(living), living.name).matches
    assert not registry.adapter.check(identifier(living), "赵无名").matches
    assert not registry.adapter.check(NOBODY, living.name).matches
    assert not registry.adapter.check(identifier(living), "").matches


def test_the_phone_is_the_third_element(registry):
    """Three elements: the own phone matches, another one does not, and the phone alone is worth nothing."""
    living, phone = registry.living, Mobile.parse(registry.living.phone)
    assert registry.adapter.check(identifier(living), living.name, phone).matches
    assert not registry.adapter.check(identifier(living), living.name, Mobile.parse("+8613900000099")).matches
    assert not registry.adapter.check(identifier(living), "赵无名", phone).matches


def test_a_death_is_told(registry):
    """The record of a deceased person has the day."""
    assert registry.adapter.check(identifier(registry.dead), registry.dead.name).deceased_on is not None
    assert registry.adapter.check(identifier(registry.living), registry.living.name).deceased_on is None


def test_an_outage_is_registry_unavailable(registry):
    """No adapter lets an error of its own library out."""
    with pytest.raises(RegistryUnavailable):
        registry.adapter.check(identifier(registry.failing), registry.failing.name)


def test_a_registry_says_what_it_confirms(registry):
    """Citizens at least, never an organisation, and evidence can name the source."""
    assert IdentifierKind.CITIZEN_ID in registry.adapter.confirms
    assert not registry.adapter.confirms & {IdentifierKind.USCC, IdentifierKind.MOBILE}
    assert registry.adapter.source.startswith("registry:")


def test_an_answer_holds_nothing_personal(registry):
    """A record is printed without a name, a number or a phone."""
    shown = repr(registry.adapter.check(identifier(registry.living), registry.living.name))
    assert registry.living.name not in shown
    assert registry.living.number not in shown


def test_a_check_elsewhere_is_about_this_person(verification):
    """The grade is one that we value for the holder, and none for another face, name or number."""
    address = verification.begin(identifier(XIAOYU), XIAOYU.name, reference="r1", return_to="/sign-up/check")
    assert XIAOYU.number not in address
    verified = verification.outcome(identifier(XIAOYU), XIAOYU.name, reference="r1")
    assert upstream_kind(verification.upstream, verified) in (EvidenceKind.FACE_MATCH, EvidenceKind.NETWORK_IDENTITY)
    for who, name in ((DAMING, DAMING.name), (YULAN, YULAN.name), (XIAOYU, "赵无名")):
        refused = verification.outcome(identifier(who), name, reference="r1")
        assert refused is not None
        assert upstream_kind(verification.upstream, refused) is None
    refused = verification.outcome(NOBODY, XIAOYU.name, reference="r1")
    assert upstream_kind(verification.upstream, refused or "") is None
    with pytest.raises(RegistryUnavailable):
        verification.outcome(identifier(XIAODONG), XIAODONG.name, reference="r1")


def test_every_offered_upstream_is_in_the_table():
    """A check whose upstream has no row would prove nothing, whatever it answers."""
    assert set(VERIFICATIONS) <= {upstream for upstream, _, _ in UPSTREAM_LEVELS}


@pytest.mark.parametrize("made", [SandboxPopulation, lambda **named: SandboxVerification("face_match", **named)])
def test_production_has_no_sandbox_registry(made):
    """In production nobody is confirmed by an invented registry."""
    with pytest.raises(SandboxInProduction):
        made(environment="production")


def test_the_sandbox_has_every_scenario_and_prints_nobody():
    """Each answer of a real registry can be tried, and no log line can show an invented person's number."""
    assert {person.scenario for person in INVENTED} == set(Scenario)
    assert all(person.number not in repr(person) and person.name not in repr(person) for person in INVENTED)
    assert {BY_NAME[person.name] for person in INVENTED} == set(INVENTED)
