"""The server itself, requested under a foreign name in each way that HTTP/1.1 has to name a host."""

import shutil
import socket
from urllib.parse import urlsplit

from tests.fixtures.site import Site
from tests.journeys.test_public_origin import EVIL, HEADERS, misspelt, paths


def test_no_reply_names_the_host_of_the_request(provider, tmp_path, sqlite_template, clock):
    """Like the Host header, the host of an absolute-form target (RFC 9112 §3.2.2) is not read."""
    site = Site(f"sqlite:///{shutil.copyfile(sqlite_template, tmp_path / 'city.db')}", clock)
    known = paths(site)
    asked = [path for path in (*known, *(other for path in known for other in misspelt(path))) if path[:1] == "/"]
    site.database.close()
    for path in asked:
        for target in (path, f"http://{EVIL}{path}"):
            assert EVIL.encode() not in wire(provider.issuer, target), target


def wire(issuer: str, target: str) -> bytes:
    """The whole reply to that request target, as received."""
    spoofed = [f"{name[5:].replace('_', '-')}: {value}" for name, value in HEADERS.items() if name.startswith("HTTP_")]
    there = urlsplit(issuer)
    with socket.create_connection((there.hostname, there.port), timeout=20) as to:
        to.sendall("\r\n".join((f"GET {target} HTTP/1.1", *spoofed, "Connection: close", "", "")).encode())
        return b"".join(iter(lambda: to.recv(65536), b""))
