from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from accounts.credentials.password_rules.blocklist import LIST, common_passwords
from accounts.credentials.password_rules.policy import CODES, PasswordPolicy, PersonContext
from accounts.credentials.password_rules.profiles import CITIZEN, MLPS3, PROFILES
from accounts.errors import CredentialRefused

POLICY = PasswordPolicy()
PERSON = PersonContext(
    name="张伟明",
    numbers=("519999189003071236",),
    phones=("+8613900000042",),
    birth_date=date(1890, 3, 7),
    words=("flyingfish",),
)


def refusal(password):
    try:
        POLICY.check(password, context=PERSON)
    except CredentialRefused as refused:
        return refused.code
    return None


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short-9", "password_too_short"),
        ("x9-" * 90, "password_too_long"),
        ("woaini5201314", "password_common"),
        ("taobao123456", "password_common"),
        ("PASSWORD123", "password_common"),
        ("aaaaaaaaaaaa", "password_repeats"),
        ("泸州泸州泸州泸州泸州", "password_repeats"),
        ("qwertyuiop!!", "password_keyboard_walk"),
        ("asdfghjkl1314", "password_keyboard_walk"),
        ("zhangweiming1", "password_personal"),
        ("weimingzhang", "password_personal"),
        ("zhangwm1314520", "password_personal"),
        ("zwm5201314888", "password_personal"),
        ("ｚｈａｎｇｗｅｉｍｉｎｇ９", "password_personal"),
        ("张伟明1890年00000", "password_personal"),
        ("13900000042a", "password_personal"),
        ("18900307abc!", "password_personal"),
        ("abc18900307..", "password_personal"),
        ("519999189003071236", "password_personal"),
        ("Flyingfish2026", "password_personal"),
        ("zhangweiming189003", "password_personal"),
        ("1890-3-7-weiming", "password_personal"),
        ("071236..071236..", "password_repeats"),
        ("weiming071236!", "password_personal"),
        ("zwm18900042abc", "password_personal"),
        ("luzhou-shebao-520", "password_contextual"),
        ("longmatan2026!!", "password_contextual"),
        ("天府通办-2026-天府", "password_contextual"),
        ("公积金gongjijin88", "password_contextual"),
        ("JiuCheng@520520", "password_contextual"),
        ("weixin2026mima!!", "password_contextual"),
        ("qq987465012777", "password_contextual"),
    ],
)
def test_what_guessers_try_first_is_refused(password, code):
    """A weak password is refused, and the code names the rule it breaks."""
    assert refusal(password) == code
    assert code in CODES


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "我最喜欢在江边吃火锅",
        "lvshu-chuangwai-9",
        "zhang likes tall bamboo",
        "x" * 20 + "我的自行车是蓝色的",
        "7k#Qm2!vRz",
    ],
)
def test_a_phrase_is_welcome(password):
    """Spaces, Chinese and plain phrases pass: there is no composition rule, and a name inside a phrase is allowed."""
    assert refusal(password) is None


def test_length_is_counted_in_code_points_after_nfkc():
    """Ten Chinese characters are ten, however many bytes they take."""
    with pytest.raises(CredentialRefused):
        PasswordPolicy(replace(CITIZEN, least=15)).check("我最喜欢在江边吃火锅", context=PERSON)


def test_every_line_of_the_list_is_found():
    """The list is sorted as the search needs it: each of its lines is found, and near misses are not."""
    lines = LIST.read_text().splitlines()
    assert len(lines) > 1000
    listed = common_passwords()
    assert all(line in listed for line in lines)
    known = set(lines)
    assert not any((line + "~") in listed or (line[1:] in listed and line[1:] not in known) for line in lines)
    assert "" not in listed


def test_a_refusal_does_not_repeat_the_password():
    """Neither the error nor the context's repr contains a secret or a name."""
    with pytest.raises(CredentialRefused) as caught:
        POLICY.check("zhangweiming1", context=PERSON)
    assert "zhang" not in repr(caught.value) + str(caught.value) + repr(PERSON)
    assert "张" not in repr(PERSON)


@pytest.mark.parametrize(
    ("name", "password"),
    [("吕小满", "lyuxiaoman-2026"), ("欧阳小满", "xiaomanouyang88"), ("Anna Bell", "annabell2026!!")],
)
def test_names_are_found_in_every_spelling(name, password):
    """Passport spelling, compound family names in any order, and Latin names count as the person's own words."""
    with pytest.raises(CredentialRefused, match="password_personal"):
        POLICY.check(password, context=PersonContext(name=name))


def test_a_number_is_found_without_its_check_letter():
    """The tail of a number that ends in X is its tail also without the X."""
    context = PersonContext(numbers=("51999918900307125X",))
    for password in ("abc-307125-abc", "0307125 0307125x!"):
        with pytest.raises(CredentialRefused, match="password_personal"):
            POLICY.check(password, context=context)


def test_a_breached_password_is_refused_by_both_profiles():
    """The breach list holds for citizens and staff, in the form that NFKC gives the password."""
    for profile in PROFILES:
        policy = PasswordPolicy(profile, breached={"Rain-on-the-bridge-7"})
        with pytest.raises(CredentialRefused, match="password_breached"):
            policy.check("Ｒain-on-the-bridge-7", context=PERSON)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("rain on the bridge", "password_uniform"),
        ("雨落在桥上雨落在桥上的时候", "password_uniform"),
        ("Rain-bridge", "password_too_short"),
        ("Rain on the bridge", None),
        ("雨落在桥上 seven 7", None),
    ],
)
def test_staff_mix_kinds_of_characters(password, code):
    """GB/T 22239 asks staff for complexity: three kinds of characters, of which Chinese ones are one."""
    if code is None:
        PasswordPolicy(MLPS3).check(password, context=PERSON)
        return
    with pytest.raises(CredentialRefused) as caught:
        PasswordPolicy(MLPS3).check(password, context=PERSON)
    assert caught.value.code == code


def test_only_staff_change_by_time():
    """A citizen's password is never due by age alone; a member of staff changes theirs after ninety days."""
    changed, day = datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=1)
    assert not CITIZEN.is_due(changed, changed + 9999 * day)
    assert not MLPS3.is_due(changed, changed + 90 * day - timedelta(seconds=1))
    assert MLPS3.is_due(changed, changed + 90 * day)
