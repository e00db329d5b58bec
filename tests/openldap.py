"""A throwaway OpenLDAP server: its own configuration and directory, reached through a socket file, as root or not."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

MISSING = "OpenLDAP's slapd or ldap-utils were not found: run scripts/install-test-tools"
SUFFIX = "dc=library,dc=example"
_ADMIN = ("-x", "-D", f"cn=admin,{SUFFIX}", "-w", "of-this-run-only")
_SCHEMAS = (Path("/etc/ldap/schema"), Path("/etc/openldap/schema"))
_MODULES = (Path("/usr/lib/ldap"), Path("/usr/lib64/openldap"), Path("/usr/lib/openldap"))
CONFIGURATION = """
include {schema}/core.schema
include {schema}/cosine.schema
include {schema}/inetorgperson.schema
modulepath {modules}
moduleload back_mdb
moduleload pw-sha2
pidfile {directory}/pid
database mdb
maxsize 67108864
suffix "{suffix}"
rootdn "cn=admin,{suffix}"
rootpw of-this-run-only
directory {directory}/data
"""


@dataclass(frozen=True)
class Directory:
    """A running server."""

    path: Path

    @property
    def url(self) -> str:
        return f"ldapi://{quote(str(self.path / 'socket'), safe='')}"

    def add(self, ldif: str) -> None:
        """Every entry of the text is in the directory."""
        run("ldapadd", "-H", self.url, *_ADMIN, given=ldif)

    def slapcat(self) -> bytes:
        """The database as its administrator exports it."""
        return run("slapcat", "-f", str(self.path / "slapd.conf"), "-o", "ldif-wrap=76")

    def search(self, *options: str, accepted: tuple[int, ...] = (0,)) -> bytes:
        """What a client's search of the whole tree prints."""
        return run("ldapsearch", "-H", self.url, *_ADMIN, "-b", SUFFIX, *options, accepted=accepted)

    def lets_in(self, uid: str, password: str) -> bool:
        """Whether the directory itself accepts this password."""
        who = ("-x", "-D", f"uid={uid},ou=readers,{SUFFIX}", "-w", password)
        command = [_find("ldapwhoami"), "-H", self.url, *who]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def server() -> Iterator[Directory]:
    """A directory of our own, gone when the block ends. Below /tmp: the path of a socket has at most 107 characters."""
    with tempfile.TemporaryDirectory(prefix="yitong-slapd-", ignore_cleanup_errors=True) as made:
        directory = Directory(Path(made))
        (directory.path / "data").mkdir()
        (directory.path / "slapd.conf").write_text(
            CONFIGURATION.format(
                schema=_first(_SCHEMAS), modules=_first(_MODULES), directory=directory.path, suffix=SUFFIX
            )
        )
        command = [_find("slapd"), "-f", str(directory.path / "slapd.conf"), "-h", directory.url, "-d", "0"]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as process:  # `-d 0` stays in the foreground
            try:
                _wait(directory, process)
                yield directory
            finally:
                process.terminate()


def hashed(password: str, scheme: str, *options: str) -> str:
    """What slappasswd makes of the password."""
    command = ("slappasswd", "-n", "-s", password, "-h", scheme)
    return run(*command, "-o", f"module-path={_first(_MODULES)}", "-o", "module-load=pw-sha2", *options).decode()


def run(program: str, *arguments: str, given: str = "", accepted: tuple[int, ...] = (0,)) -> bytes:
    """What the program prints."""
    done = subprocess.run([_find(program), *arguments], input=given.encode(), capture_output=True, check=False)
    if done.returncode not in accepted:
        pytest.fail(f"{program} failed: {done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout


def _wait(directory: Directory, process: subprocess.Popen[bytes]) -> None:
    command = [_find("ldapwhoami"), "-H", directory.url, *_ADMIN]
    for _ in range(200):
        if process.poll() is not None:
            pytest.fail(f"slapd ended: {process.stderr.read().decode(errors='replace')[-2000:]}")
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.05)
    pytest.fail("slapd does not answer")


def _find(program: str) -> str:
    found = shutil.which(program) or shutil.which(
        program, path="/usr/sbin:/usr/local/sbin:/usr/libexec:/usr/local/libexec"
    )
    if found is None:
        pytest.fail(MISSING)
    return found


def _first(places: tuple[Path, ...]) -> Path:
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        pytest.fail(MISSING)
    return found
