"""A real directory, exported as administrators do, is merged: every person logs in with their old password."""

import base64

import pytest

from accounts.errors import NotProven
from migration_tools import readers
from migration_tools.errors import SourceRefused
from migration_tools.mapping import load
from migration_tools.planning.plan import LeaveOut
from migration_tools.readers import FORMATS
from tests.fixtures import openldap
from tests.migration.bench import number

# what the directory stores for each reader: slappasswd's scheme and its options
SCHEMES = (
    ("{SSHA}",),
    ("{SHA}",),
    ("{SMD5}",),
    ("{MD5}",),
    ("{SSHA256}",),
    ("{SSHA384}",),
    ("{SSHA512}",),
    ("{SHA256}",),
    ("{SHA384}",),
    ("{SHA512}",),
    ("{CRYPT}", "-c", "$6$%.16s"),
    ("{CRYPT}", "-c", "$5$%.16s"),
    ("{CRYPT}", "-c", "$1$%.8s"),
    ("{CRYPT}", "-c", "$2a$08$%.22s"),
)
# what we refuse to read: bytes that are no text, a crypt that libpass does not know, a word in clear
UNREAD = (b"\xff\x00 no text", b"{CRYPT}$y$j9T$2RK0kZ7Yh1$T9w", b"reading-room")
MAPPING = """
[system]
id = "library"
[source]
format = "ldif"
key = "uid"
object_class = "inetOrgPerson"
[fields]
id_no = "employeeNumber"
name = "cn"
login_name = "displayName"
phone = "mobile"
[password]
column = "userPassword"
recipe = "ldap"
tests = [{ password = "abc", hash = "{SHA}qZk+NkcGgWq6PiVxeFDCbJzQ2J0=" }]
"""
TREE = f"""\
dn: {openldap.SUFFIX}
objectClass: dcObject
objectClass: organization
o: 图书馆
dc: library

dn: ou=readers,{openldap.SUFFIX}
objectClass: organizationalUnit
ou: readers

dn: ou=elsewhere,{openldap.SUFFIX}
objectClass: referral
objectClass: extensibleObject
ou: elsewhere
ref: ldap://ldap.example/ou=elsewhere,{openldap.SUFFIX}

dn: cn=all,{openldap.SUFFIX}
objectClass: groupOfNames
cn: all
member: uid=R0,ou=readers,{openldap.SUFFIX}
"""
EXPORTS = {
    "slapcat": lambda directory: directory.slapcat(),
    "ldapsearch -LLL": lambda directory: directory.search("-LLL"),
    "ldapsearch": lambda directory: directory.search(),
    "ldapsearch -M with operational attributes": lambda directory: directory.search("-LL", "-M", "*", "+"),
    "ldapsearch in pages": lambda directory: directory.search("-LLL", "-E", "pr=3/noprompt"),
    "ldapsearch in pages, at length": lambda directory: directory.search("-E", "pr=3/noprompt"),
    "ldapsearch without folds": lambda directory: directory.search("-LLL", "-o", "ldif-wrap=no"),
    "a Windows copy": lambda directory: b"\xef\xbb\xbf" + directory.search("-L").replace(b"\n", b"\r\n"),
}


def password(i):
    return f"湖畔 reading room {i}"


def reader(i, stored):
    """One entry, with what real entries hold besides the five attributes we read."""
    return f"""\
dn: uid=R{i},ou=readers,{openldap.SUFFIX}
objectClass: inetOrgPerson
uid: R{i}
cn: 李明{"国华"[i % 2]}
cn;lang-en: Li Ming
sn: 李
displayName: reader.{i}
employeeNumber: {number(100 + i)}
mobile: 13900000001
mobile: 13900000002
description: {"一段很长的说明，目录会把它折成几行。" * 6}
jpegPhoto:: {base64.b64encode(bytes(range(256)) * 2).decode()}
userPassword:: {base64.b64encode(stored).decode()}
"""


@pytest.fixture(scope="module")
def directory():
    stored = [openldap.hashed(password(i), *scheme).encode() for i, scheme in enumerate(SCHEMES)]
    stored.extend(UNREAD)
    with openldap.server() as running:
        running.add("\n".join((TREE, *(reader(i, value) for i, value in enumerate(stored)))))
        yield running


def accounts_of(directory, write, export):
    source = write("library.ldif", EXPORTS[export](directory))
    return list(readers.read(source, load(write("library.toml", MAPPING), FORMATS)))


@pytest.mark.parametrize("export", EXPORTS)
def test_every_export_of_one_directory_gives_the_same_accounts(directory, write, export):
    """Operational attributes, folds, comments, referrals and a search's last lines change no account."""
    accounts = sorted(accounts_of(directory, write, export), key=lambda account: int(account.uid[1:]))
    assert [account.uid for account in accounts] == [f"R{i}" for i in range(len(SCHEMES) + len(UNREAD))]
    for i, account in enumerate(accounts):
        assert (account.name, account.login_name) == (f"李明{'国华'[i % 2]}", f"reader.{i}")
        assert (account.number, account.phone) == (number(100 + i), "13900000001")
    passwords = [account.password for account in accounts]
    assert [p.partition("}")[0] + "}" for p in passwords[: len(SCHEMES)]] == [scheme[0] for scheme in SCHEMES]
    assert passwords[len(SCHEMES) :] == ["", *(value.decode() for value in UNREAD[1:])]


def test_the_directory_lets_everybody_in_before_the_merge(directory):
    """The directory accepts all passwords; otherwise the other tests of this file would prove nothing."""
    for i in range(len(SCHEMES)):
        assert directory.lets_in(f"R{i}", password(i)), SCHEMES[i]
        assert not directory.lets_in(f"R{i}", password(i + 1)), SCHEMES[i]


@pytest.mark.parametrize("export", ["slapcat", "ldapsearch -LLL"])
def test_a_directory_merged_lets_everybody_in_and_undone_nobody(directory, write, bench, log_in, export):
    """Plan, apply, log in with the old password, undo: for every scheme of slappasswd."""
    source = write("library.ldif", EXPORTS[export](directory))
    before = bench.state()
    plan = bench.plan_of(write("library.toml", MAPPING), source)
    assert plan.manifest["counts"]["auto"] == plan.rows == len(SCHEMES) + len(UNREAD)
    told = {"usable": len(SCHEMES), "derivable": 0, "unscreened": 0, "unreadable": 2, "none": 1}
    assert plan.manifest["passwords"] == told
    run = bench.apply(plan)
    persons = {line.uid: line.person for line in plan.lines()}
    for i, scheme in enumerate(SCHEMES):
        with pytest.raises(NotProven):
            log_in(f"reader.{i}", password(i) + "~")
        assert log_in(f"reader.{i}", password(i)) == persons[f"R{i}"], scheme
        assert log_in(number(100 + i), password(i)) == persons[f"R{i}"], scheme
    bench.undo(run)
    assert bench.state() == before
    with pytest.raises(NotProven):
        log_in("reader.0", password(0))


def test_a_search_that_the_directory_cut_short_is_refused(directory, write):
    """An incomplete search is no export: ldapsearch reports it in its last lines."""
    source = write("library.ldif", directory.search("-z", "5", accepted=(0, 4)))
    with pytest.raises(SourceRefused, match="the directory ended the search with result 4"):
        list(readers.read(source, load(write("library.toml", MAPPING), FORMATS)))


def test_an_entry_that_the_directory_allows_and_we_do_not_is_refused_alone(write, bench, log_in):
    """LDAP allows a second password, we do not: that entry is refused by its dn's line, the others are merged."""
    stored = [openldap.hashed(password(i), "{SSHA}").encode() for i in range(3)]
    twice = f"{reader(1, stored[1])}userPassword:: {base64.b64encode(stored[2]).decode()}\n"
    with openldap.server() as directory:
        directory.add("\n".join((TREE, reader(0, stored[0]), twice, reader(2, stored[2]))))
        source = write("library.ldif", directory.slapcat())
    plan = bench.plan_of(write("library.toml", MAPPING), source, LeaveOut(1, "operator:tester"))
    (refused,) = plan.refusals()
    assert refused.cause == "userPassword has 2 values"
    assert source.read_bytes().splitlines()[refused.line - 1].startswith(b"dn: uid=R1,")
    assert bench.apply(plan).links == 2
    persons = {line.uid: line.person for line in plan.lines()}
    assert [log_in(f"reader.{i}", password(i)) for i in (0, 2)] == [persons["R0"], persons["R2"]]
    with pytest.raises(NotProven):
        log_in("reader.1", password(1))
