from datetime import date

import pytest

from accounts.credentials.blocklist import LIST, common_passwords
from accounts.credentials.policy import CODES, PasswordPolicy, PersonContext
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
        ("luzhou-shebao-520", "password_contextual"),
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
        PasswordPolicy(least=15).check("我最喜欢在江边吃火锅", context=PERSON)


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
