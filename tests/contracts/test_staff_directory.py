"""The contract of accounts.ports.StaffDirectory, on a real slapd and the sandbox, and what LDAP can get wrong."""

import ipaddress
import logging
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from accounts.errors import RegistryUnavailable
from idp.adapters.systems import sandbox_directory
from idp.adapters.systems.ldap_directory import LdapDirectory, LdapPlace
from idp.adapters.systems.sandbox import SandboxInProduction
from idp.adapters.systems.sandbox_directory import SandboxDirectory
from tests.fixtures import openldap

OFFICE = f"ou=staff,{openldap.SUFFIX}"
PASSWORD = "窗口 seven lamps 7"
WINDOWS = f"cn=windows,{OFFICE}"
# `bind_anon_cred` lets a bind with a name and no password succeed, as Active Directory does.
CONFIGURATION = f"""
allow bind_anon_cred
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=idp,{openldap.SUFFIX}" read by * none
"""
TREE = f"""\
dn: {openldap.SUFFIX}
objectClass: dcObject
objectClass: organization
o: 办公室
dc: library

dn: {OFFICE}
objectClass: organizationalUnit
ou: staff

dn: cn=idp,{openldap.SUFFIX}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: idp
userPassword: of-the-service

dn: ou=elsewhere,{OFFICE}
objectClass: referral
objectClass: extensibleObject
ou: elsewhere
ref: ldap://127.0.0.1:1/ou=elsewhere,{OFFICE}

"""


def entry(uid, number="", *, password=PASSWORD, division="510502", unit=""):
    where = f"ou={unit},{OFFICE}" if unit else OFFICE
    lines = [f"dn: cn={uid},{where}", "objectClass: inetOrgPerson", f"cn: 演示{uid}", f"cn: {uid}", "sn: 演示"]
    lines += [f"uid: {uid}", f"departmentNumber: {division}", f"title: {WINDOWS}", f"userPassword: {password}"]
    return "\n".join([*lines, *([f"employeeNumber: {number}"] if number else [])]) + "\n\n"


def people():
    other = f"dn: ou=other,{OFFICE}\nobjectClass: organizationalUnit\nou: other\n\n"
    return (
        entry("window.one", "S0001")
        + entry("star*", "S0003")
        + entry("no.id")
        + entry("no.place", "S0005", division="000000")
        + entry("twice", "S0006")
        + other
        + entry("twice", "S0007", unit="other")
    )


def certificate():
    """A self-signed certificate of 127.0.0.1 with its key, and the certificate alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "slapd")])
    now, day = datetime.now(UTC), timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - day).not_valid_after(now + day)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    made = builder.add_extension(alternative, critical=False).sign(key, hashes.SHA256())
    text = made.public_bytes(serialization.Encoding.PEM).decode()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode() + text, text


@pytest.fixture(scope="module")
def trusted(tmp_path_factory):
    whole, public = certificate()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    path.write_text(public)
    return whole, str(path)


@pytest.fixture(scope="module")
def slapd(trusted):
    with openldap.server(CONFIGURATION, certificate=trusted[0]) as running:
        running.add(TREE + people())
        yield running


@pytest.fixture
def place(slapd, trusted):
    return LdapPlace(
        url=f"ldaps://127.0.0.1:{slapd.tls_port}",
        base=OFFICE,
        bind_dn=f"cn=idp,{openldap.SUFFIX}",
        bind_password="of-the-service",
        division="510500",
        ca_file=trusted[1],
        division_attribute="departmentNumber",
        group_attribute="title",
        timeout=3,
    )


@pytest.fixture(params=["ldaps", "sandbox"])
def directory(request):
    """(directory, a password that is right)"""
    if request.param == "sandbox":
        return SandboxDirectory(environment="test"), sandbox_directory.PASSWORD
    return LdapDirectory(request.getfixturevalue("place")), PASSWORD


def test_a_member_proves_themselves(directory):
    """The right password gives the member: staff id, division and groups; blanks around the name do not matter."""
    there, password = directory
    member = there.authenticate("window.one", password)
    assert (member.staff_id, member.division) == ("S0001", "510502")
    assert member.name
    assert member.groups
    assert there.authenticate("  window.one ", password) == member


@pytest.mark.parametrize(
    ("name", "said"),
    [("window.one", "wrong"), ("nobody.here", None), ("window.one", ""), ("", None), ("  ", None),
     ("window.one", "\u00ad"), ("window.one", "\x00"), ("window.one\x00", None), ("x" * 500, None),
     ("window.one", "\udcff"), ("nobody.here", "")],
)  # fmt: skip
def test_whatever_is_wrong_gives_none(directory, name, said):
    """A wrong, empty or vanishing password and an unknown, empty or overlong name prove nobody."""
    there, password = directory
    assert there.authenticate(name, password if said is None else said) is None


@pytest.mark.parametrize(
    "name",
    ["*", "window.*", "window.one)(uid=*", "*)(objectClass=*", "window.one))(|(uid=*", "\\2a", "(uid=window.one)",
     "window.one,ou=staff", "*)(uid=*))(|(uid=*", "&", "|"],
)  # fmt: skip
def test_a_name_is_never_a_filter(directory, name):
    """Stars and brackets in a name are letters: nobody logs in as somebody whom a pattern finds."""
    there, password = directory
    assert there.authenticate(name, password) is None


def test_a_member_is_found_by_staff_id(directory):
    """The id alone finds the member; an unknown, empty or overlong one finds nobody."""
    there, password = directory
    assert there.find("S0001") == there.authenticate("window.one", password)
    assert [there.find(each) for each in ("S9999", "", "*", "s0001", "S0001)(uid=*", "S0001\x00", "S" * 500)] == [
        None
    ] * 7


def test_check_returns_where_the_directory_answers(directory):
    """A directory that works says so by returning."""
    there, _ = directory
    assert there.check() is None


def test_a_star_is_a_letter_of_a_name(place):
    """The member whose name holds a star is found by that name, and is one."""
    assert LdapDirectory(place).authenticate("star*", PASSWORD).staff_id == "S0003"


def test_several_entries_are_nobody(place):
    """Two entries of one name are not a person: which of them logged in would be chance."""
    assert LdapDirectory(place).authenticate("twice", PASSWORD) is None


def test_an_entry_that_we_cannot_place_is_nobody(place, caplog):
    """Without a staff id or a known division nobody is let in, and the log names the reason and no person."""
    with caplog.at_level(logging.WARNING):
        assert LdapDirectory(place).authenticate("no.id", PASSWORD) is None
        assert LdapDirectory(place).authenticate("no.place", PASSWORD) is None
    texts = [record.getMessage() for record in caplog.records]
    assert texts == ["staff_entry_unusable reason=id", "staff_entry_unusable reason=division"]


def test_start_tls_is_used_on_the_plain_port(place, slapd):
    """With `ldap://` no name and no password is sent before TLS."""
    plain = replace(place, url=f"ldap://127.0.0.1:{slapd.port}")
    assert LdapDirectory(plain).authenticate("window.one", PASSWORD).staff_id == "S0001"
    with pytest.raises(RegistryUnavailable):
        LdapDirectory(replace(plain, ca_file="")).check()


def test_a_directory_without_tls_is_refused(place):
    """A server that cannot StartTLS gets neither the service account nor anybody's password."""
    with openldap.server(CONFIGURATION, certificate="") as bare:
        bare.add(TREE + people())
        with pytest.raises(RegistryUnavailable):
            LdapDirectory(replace(place, url=f"ldap://127.0.0.1:{bare.port}")).check()


@pytest.mark.parametrize(
    "change",
    [{"ca_file": ""}, {"bind_password": "wrong"}, {"base": "ou=nowhere,dc=library,dc=example"}, {"filter": "(broken"}],
    ids=["unknown authority", "service account", "base", "filter"],
)
def test_a_wrong_setting_is_no_wrong_password(place, change):
    """What the operator must repair is unavailable, never "no such person"."""
    there = LdapDirectory(replace(place, **change))
    for ask in (there.check, lambda: there.authenticate("window.one", PASSWORD)):
        with pytest.raises(RegistryUnavailable):
            ask()


def test_a_certificate_of_another_host_is_refused(place, slapd):
    """The certificate must be of the host that the settings name."""
    with pytest.raises(RegistryUnavailable):
        LdapDirectory(replace(place, url=f"ldaps://localhost:{slapd.tls_port}")).check()


def test_a_silent_directory_is_unavailable_in_time(place):
    """A server that accepts and says nothing holds a login no longer than the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for scheme in ("ldap", "ldaps"):
            with pytest.raises(RegistryUnavailable):
                LdapDirectory(replace(place, url=f"{scheme}://127.0.0.1:{port}", timeout=1)).check()


def test_errors_name_nobody(place):
    """The error of a failed check holds no name, no DN and no password, also not as its cause."""
    with pytest.raises(RegistryUnavailable) as caught:
        LdapDirectory(replace(place, bind_password="wrong")).authenticate("window.one", PASSWORD)
    said = repr(caught.value) + str(caught.value.__cause__) + repr(place)
    assert not any(secret in said for secret in ("window", "lamps", "of-the-service", "wrong"))


def test_the_sandbox_refuses_production():
    """Invented members with a published password never open a production system."""
    with pytest.raises(SandboxInProduction):
        SandboxDirectory(environment="production")
