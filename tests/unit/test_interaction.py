from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from idp.adapters.channels.web import WEB
from idp.login.interaction import AuthenticationState, PromptRequest, Step, next_step
from idp.oidc.errors import ConsentRequired, InteractionRequired, LoginRequired, UnmetAuthenticationRequirements

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


def test_staff_need_a_cryptographic_factor():
    """The second factor is due also after two factors if none was cryptographic, and an error with prompt=none."""
    lacking = replace(HERE, acr="urn:yitong:ial3:aal2", lacks_cryptographic_factor=True)
    assert next_step(asked(), lacking, WEB) is Step.SECOND_FACTOR
    with pytest.raises(LoginRequired):
        next_step(asked(prompt=frozenset({"none"})), lacking, WEB)


def test_a_password_that_is_due_comes_before_consent():
    """The step is due after the factors are proven, and a client that forbids pages gets interaction_required."""
    due = replace(HERE, password_due=True, consent_needed=True)
    assert next_step(asked(), due, WEB) is Step.PASSWORD
    assert next_step(asked(), replace(due, has_authenticator=True), WEB) is Step.SECOND_FACTOR
    with pytest.raises(InteractionRequired):
        next_step(asked(prompt=frozenset({"none"})), due, WEB)
