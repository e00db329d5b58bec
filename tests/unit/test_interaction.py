from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from idp.adapters.channels.web import WEB
from idp.login.interaction import AuthenticationState, PromptRequest, Step, next_step
from idp.oidc.errors import ConsentRequired, LoginRequired, UnmetAuthenticationRequirements

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BEFORE, AFTER = AT - timedelta(minutes=10), AT + timedelta(seconds=20)
HERE = AuthenticationState(
    auth_time=BEFORE, acr="urn:yitong:ial3:aal1", sub="s", consent_needed=False, consent_at=BEFORE
)
FRESH = AuthenticationState(
    auth_time=AFTER, acr="urn:yitong:ial3:aal1", sub="s", consent_needed=False, consent_at=BEFORE
)


def asked(**changes):
    return PromptRequest(created_at=AT, **changes)


@pytest.mark.parametrize(
    ("request_", "standing", "step", "silent"),
    [
        (asked(), AuthenticationState(), Step.LOGIN, LoginRequired),
        (asked(), HERE, None, None),
        (asked(prompt=frozenset({"login"})), HERE, Step.LOGIN, None),
        (asked(prompt=frozenset({"login"})), FRESH, None, None),
        (asked(prompt=frozenset({"select_account"})), HERE, Step.LOGIN, None),
        (asked(max_age=timedelta(minutes=11)), HERE, None, None),
        (asked(max_age=timedelta(minutes=9)), HERE, Step.LOGIN, LoginRequired),
        (asked(max_age=timedelta(0)), HERE, Step.LOGIN, LoginRequired),
        (asked(max_age=timedelta(0)), FRESH, None, None),
        (asked(subject="s"), HERE, None, None),
        (asked(subject="t"), HERE, Step.LOGIN, LoginRequired),
        (asked(prompt=frozenset({"consent"})), HERE, Step.CONSENT, None),
        (asked(essential_acr=("urn:yitong:ial2:aal1",)), HERE, None, None),
    ],
)
def test_each_row_of_the_table(request_, standing, step, silent):
    """Every row gives its step, and under prompt=none its own error."""
    assert next_step(request_, standing, WEB) is step
    if silent is not None:
        quiet = PromptRequest(AT, frozenset({"none"}), request_.max_age, request_.essential_acr, request_.subject)
        with pytest.raises(silent):
            next_step(quiet, standing, WEB)


def test_consent_is_due_until_given():
    """Claims without consent make the consent step pending; prompt=none gets consent_required."""
    unseen = AuthenticationState(auth_time=BEFORE, acr="urn:yitong:ial3:aal1", sub="s")
    assert next_step(asked(), unseen, WEB) is Step.CONSENT
    with pytest.raises(ConsentRequired):
        next_step(asked(prompt=frozenset({"none"})), unseen, WEB)


def test_an_essential_level_out_of_reach_is_an_error_at_once():
    """No page is shown, as none could help."""
    with pytest.raises(UnmetAuthenticationRequirements):
        next_step(asked(essential_acr=("urn:yitong:ial4:aal2",)), HERE, WEB)


def test_the_wrong_person_after_a_login_ends_instead_of_looping():
    """A login as another person than the hint names ends with an error, not with endless logins."""
    with pytest.raises(LoginRequired):
        next_step(asked(subject="t"), FRESH, WEB)


LOW = AuthenticationState(
    auth_time=BEFORE, acr="urn:yitong:ial1:aal1", provable_ial=3, sub="s", consent_needed=False, consent_at=BEFORE
)


@pytest.mark.parametrize(
    ("levels", "standing", "step"),
    [
        (("ial3:aal1",), LOW, Step.PROOFING),
        (("ial2:aal1",), LOW, Step.PROOFING),
        (("ial1:aal1",), LOW, None),
        (("ial4:aal1", "ial3:aal1"), LOW, Step.PROOFING),
        (("ial3:aal2",), LOW, Step.SECOND_FACTOR),  # first the factor, then the proof
        (("ial3:aal2",), replace(LOW, acr="urn:yitong:ial1:aal2"), Step.PROOFING),
        (("ial3:aal1",), replace(LOW, has_authenticator=True), Step.SECOND_FACTOR),
        (("ial3:aal2", "ial3:aal1"), LOW, Step.PROOFING),  # the proof alone is enough
        ((), LOW, None),
    ],
)
def test_a_person_is_asked_for_exactly_what_is_missing(levels, standing, step):
    """More proof, one more factor, both in turn, or nothing: never more than an essential level needs."""
    request = asked(essential_acr=tuple(f"urn:yitong:{level}" for level in levels))
    assert next_step(request, standing, WEB) is step


@pytest.mark.parametrize("level", ["ial4:aal1", "ial3:aal3", "ial4:aal2"])
def test_a_level_that_no_proof_here_reaches_is_an_error_at_once(level):
    """A person who can prove IAL3 is not asked to for a service that needs more than that."""
    with pytest.raises(UnmetAuthenticationRequirements):
        next_step(asked(essential_acr=(f"urn:yitong:{level}",)), LOW, WEB)


def test_a_person_who_can_prove_nothing_here_is_not_asked():
    """Without a registry, or without a document, the service gets the error."""
    with pytest.raises(UnmetAuthenticationRequirements):
        next_step(asked(essential_acr=("urn:yitong:ial3:aal1",)), replace(LOW, provable_ial=0), WEB)


def test_a_silent_request_gets_no_page_for_more_proof():
    """Under prompt=none the shortfall is the error, although a page could repair it."""
    request = asked(prompt=frozenset({"none"}), essential_acr=("urn:yitong:ial3:aal1",))
    with pytest.raises(UnmetAuthenticationRequirements):
        next_step(request, LOW, WEB)
