from accounts.vault import Vault
from idp.web import csrf

VAULT = Vault.from_keys([("k1", b"1" * 32)])


def test_a_token_belongs_to_one_browser():
    """A token is valid with the cookie it was made for, any number of times, and with no other."""
    mine, theirs = csrf.new_cookie(), csrf.new_cookie()
    token = csrf.token(VAULT, mine)
    assert csrf.matches(VAULT, mine, token)
    assert csrf.matches(VAULT, mine, token)
    assert not csrf.matches(VAULT, theirs, token)


def test_two_pages_never_carry_the_same_token():
    """A compressed page reveals nothing by repeating the token of the page before."""
    cookie = csrf.new_cookie()
    assert csrf.token(VAULT, cookie) != csrf.token(VAULT, cookie)


def test_a_changed_token_is_refused():
    """A change of any character of salt or digest is refused."""
    cookie = csrf.new_cookie()
    token = csrf.token(VAULT, cookie)
    flipped = [token[:i] + ("a" if token[i] != "a" else "b") + token[i + 1 :] for i in range(len(token))]
    assert not any(csrf.matches(VAULT, cookie, each) for each in (*flipped, "", token[:-1], token + "0", "é" * 75))


def test_an_empty_or_foreign_cookie_opens_no_form():
    """A browser without our cookie cannot have seen our form, so every token is refused."""
    for cookie in ("", "x", "é" * 43):
        assert not csrf.matches(VAULT, cookie, csrf.token(VAULT, cookie))


def test_another_key_makes_another_token():
    """Rotating the vault's first key invalidates open forms."""
    cookie = csrf.new_cookie()
    token = csrf.token(VAULT, cookie)
    assert not csrf.matches(Vault.from_keys([("k2", b"2" * 32), ("k1", b"1" * 32)]), cookie, token)
