"""`yitong staff check` on a real slapd behind a socket file, and on the sandbox."""

import pytest

from idp.adapters.systems.sandbox_directory import PASSWORD
from tests.fixtures import openldap

OFFICE = f"ou=staff,{openldap.SUFFIX}"
TREE = f"""\
dn: {openldap.SUFFIX}
objectClass: dcObject
objectClass: organization
o: 办公室
dc: library

dn: {OFFICE}
objectClass: organizationalUnit
ou: staff

dn: cn=window,{OFFICE}
objectClass: inetOrgPerson
cn: 演示窗口
sn: 演示
uid: window.one
employeeNumber: S0001
userPassword: seven lamps 7
"""


@pytest.fixture
def slapd(monkeypatch):
    with openldap.server() as running:
        running.add(TREE)
        told = {"URL": running.url, "BASE": OFFICE, "BIND_DN": f"cn=admin,{openldap.SUFFIX}"}
        for name, value in {**told, "BIND_PASSWORD": "of-this-run-only"}.items():
            monkeypatch.setenv(f"YITONG_LDAP_{name}", value)
        yield running


def test_the_directory_is_checked_and_one_member_shown(yitong, slapd):
    """The settings reach the directory; the command shows id and division, and refuses a wrong password."""
    done = yitong("staff", "check", "--log-in", typed="window.one\nseven lamps 7\n")
    assert done.exit_code == 0, done.output
    assert "staff S0001, division 510500" in done.output
    refused = yitong("staff", "check", "--log-in", typed="window.one\nwrong\n")
    assert (refused.exit_code, "staff_refused" in refused.output) == (1, True)


def test_a_directory_that_refuses_us_is_named(yitong, slapd, monkeypatch):
    """A wrong service password ends with the code, the cure and "try later", and no traceback."""
    monkeypatch.setenv("YITONG_LDAP_BIND_PASSWORD", "wrong")
    done = yitong("staff", "check")
    assert done.exit_code == 75
    assert "registry_unavailable" in done.output
    assert "the directory refuses the service account" in " ".join(done.output.split())


def test_without_a_directory_there_is_nothing_to_check(yitong):
    """The command names the setting that is missing."""
    done = yitong("staff", "check")
    assert (done.exit_code, "no_directory" in done.output) == (1, True)


def test_the_sandbox_has_invented_members(yitong, monkeypatch):
    """A demonstration needs no directory."""
    monkeypatch.setenv("YITONG_SANDBOX", "true")
    done = yitong("staff", "check", "--log-in", typed=f"window.one\n{PASSWORD}\n")
    assert "staff S0001, division 510502" in done.output


@pytest.mark.parametrize(
    "wrong",
    [{"URL": "http://ldap.example"}, {"URL": "ldaps://ldap.example", "BASE": ""}],
    ids=["scheme", "incomplete"],
)
def test_wrong_settings_are_refused_at_once(yitong, slapd, monkeypatch, wrong):
    """A directory that is named by half is a mistake in the settings."""
    for name, value in wrong.items():
        monkeypatch.setenv(f"YITONG_LDAP_{name}", value)
    done = yitong("staff", "check")
    assert (done.exit_code, "YITONG_LDAP_URL" in done.output) == (2, True)
