"""Every misbehaviour of a server is FetchFailed with a code, and leaves no socket open."""

import gc
import http.client
import inspect
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import idna
import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from urllib3.util.ssl_match_hostname import CertificateError

from idp.delivery import fetcher
from idp.delivery.fetcher import Fetcher, FetchFailed

NAME = "rp.example"
PUBLIC = "93.184.215.14"
Handler = Callable[[socket.socket], None]


class Routed(Fetcher):
    """A fetcher whose connections to the public address arrive at loopback."""

    def _connection(self, target, address, timeout):
        connection = super()._connection(target, address, timeout)
        connection.host = "127.0.0.1"
        return connection


def certificate(
    directory: Path, name: str = NAME, *, days: int = 30, signer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None
) -> tuple[str, x509.Name, ec.EllipticCurvePrivateKey]:
    """A file with a key and its certificate, signed by this signer or by itself."""
    key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string(f"CN={name}")
    issuer, signing_key = signer or (subject, key)
    until = datetime.now(UTC) + timedelta(days=days)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - timedelta(days=60))
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=name == "ca.example", path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
        .sign(signing_key, hashes.SHA256())
    )
    path = directory / f"{made.serial_number}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return str(path), subject, key


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """The one authority that these tests trust."""
    return certificate(tmp_path_factory.mktemp("ca"), "ca.example", signer=None)


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    """Starts a server on loopback, with TLS where a certificate is given; returns its port."""
    listeners: list[socket.socket] = []

    def start(handler: Handler, certificate_file: str | None = None) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        tls = None
        if certificate_file is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate_file)
        threading.Thread(target=_accept, args=(listener, handler, tls), daemon=True).start()
        return listener.getsockname()[1]

    yield start
    for listener in listeners:
        listener.close()


def _accept(listener: socket.socket, handler: Handler, tls: ssl.SSLContext | None) -> None:
    while True:
        try:
            raw, _ = listener.accept()
        except OSError:
            return
        raw.settimeout(5)
        try:
            connection = raw if tls is None else tls.wrap_socket(raw, server_side=True)
            with connection:
                handler(connection)
        except OSError:
            raw.close()


def says(*parts: bytes) -> Handler:
    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        for part in parts:
            connection.sendall(part)

    return answer


def for_ever(start: bytes, part: bytes, pause: float = 0) -> Handler:
    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(start)
        while True:
            connection.sendall(part)
            time.sleep(pause)

    return answer


OK = says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
BROKEN = {
    "nothing": says(b""),
    "garbage": says(b"\x00\xff\x15\x03garbage\r\n\r\n"),
    "no version": says(b"200 OK\r\n\r\n"),
    "another protocol": says(b"220 mail.example ESMTP\r\n"),
    "letters for a status": says(b"HTTP/1.1 abc OK\r\n\r\n"),
    "a negative status": says(b"HTTP/1.1 -20 OK\r\n\r\n"),
    "a status of ten digits": says(b"HTTP/1.1 2000000000 OK\r\n\r\n"),
    "a cut status line": says(b"HTTP/1.1 20"),
    "a long status line": says(b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n"),
    "a long header": says(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n"),
    "a thousand headers": says(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n"),
    "endless headers": for_ever(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "an endless 100": for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a truncated body": says(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nok"),
    "a huge length": says(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\nok"),
    "two lengths": says(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok"),
    "two lengths in one": says(b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nok"),
    "a chunk that is no number": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok"),
    "a huge chunk": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 16 + b"\r\nok"),
    "a huger chunk": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\nok"),
    "a negative chunk": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nok"),
    "a cut chunk": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok"),
    "a drip": for_ever(b"HTTP/1.1 200 OK\r\n\r\n", b"x", 0.05),
    "a flood": for_ever(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 8192),
    "a flood of chunks": for_ever(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"4\r\nxxxx\r\n"),
}
CODES = {"broken_answer", "answer_too_large", "timed_out", "no_connection", "tls_failed"}


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def fetched(port: int, *, scheme: str, ca_file: str, name: str = NAME) -> fetcher.Fetched:
    origin = f"{scheme}://{name}:{port}"
    chosen = {"resolver": lambda _host, _port: (PUBLIC,), "ca_file": ca_file, "timeout": timedelta(seconds=0.6)}
    return Routed(allowed_private=(origin,), **chosen).get(f"{origin}/logout")


def fails(port: int, **how: str) -> str:
    """The code of the failure. No socket stays open, although no garbage is collected while the error is held."""
    gc.collect()
    gc.disable()
    try:
        before = open_files()
        with pytest.raises(FetchFailed) as failure:
            fetched(port, **how)
        for _ in range(100):  # the server's thread, in this process, must close its end too
            if open_files() <= before:
                break
            time.sleep(0.02)
        assert open_files() <= before
    finally:
        gc.enable()
    return failure.value.code


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_broken_answer_fails_with_a_code_and_leaves_nothing_open(serve, authority, tmp_path, scheme, how):
    """Garbage, cut, endless or contradictory responses, with and without TLS, within the time allowed."""
    ca_file, *signer = authority
    pem = certificate(tmp_path, signer=tuple(signer))[0] if scheme == "https" else None
    port, began = serve(BROKEN[how], pem), time.monotonic()
    assert fails(port, scheme=scheme, ca_file=ca_file) in CODES
    assert time.monotonic() - began < 4


def test_a_good_certificate_is_accepted(serve, authority, tmp_path):
    """The control case for the refusals below."""
    ca_file, *signer = authority
    port = serve(OK, certificate(tmp_path, signer=tuple(signer))[0])
    assert fetched(port, scheme="https", ca_file=ca_file).body == b"ok"


@pytest.mark.parametrize("fault", ["wrong name", "expired", "self-signed", "unknown authority", "a name without sense"])
def test_a_bad_certificate_is_refused_and_its_socket_closed(serve, authority, tmp_path, fault):
    """The code names the certificate, whichever library found the fault."""
    ca_file, *signer = authority
    made = {
        "wrong name": lambda: certificate(tmp_path, "other.example", signer=tuple(signer)),
        "expired": lambda: certificate(tmp_path, days=-1, signer=tuple(signer)),
        "self-signed": lambda: certificate(tmp_path, signer=None),
        "unknown authority": lambda: certificate(tmp_path, signer=certificate(tmp_path, "ca.example", signer=None)[1:]),
        "a name without sense": lambda: certificate(tmp_path, "*.*.example", signer=tuple(signer)),
    }
    assert fails(serve(OK, made[fault]()[0]), scheme="https", ca_file=ca_file) == "certificate_refused"


@pytest.mark.parametrize("answer", [OK, says(b"\x16\x03\x01\x00\x00"), says(b""), for_ever(b"", b"\x16", 0.05)])
def test_a_server_without_tls_is_a_failure_with_a_code(serve, authority, answer):
    """Plain HTTP, half a handshake or silence where TLS was expected."""
    assert fails(serve(answer), scheme="https", ca_file=authority[0]) in CODES


@pytest.mark.parametrize("address", ["", "no address", "300.1.1.1", "1.2.3", "::::", "\x00"])
def test_a_resolver_that_answers_nonsense_is_a_failure(address):
    """An answer that is not an address is FetchFailed."""
    with pytest.raises(FetchFailed, match="name_not_found"):
        Fetcher(resolver=lambda _host, _port: (address,)).get("https://rp.example/")


def test_every_error_of_the_libraries_below_is_caught():
    """Every error that urllib3, ssl, socket, http.client and idna define or raise becomes FetchFailed."""
    modules = (urllib3.exceptions, ssl, socket, http.client, idna)
    defined = {
        value
        for module in modules
        for name, value in vars(module).items()
        if not name.startswith("_")
        and inspect.isclass(value)
        and issubclass(value, Exception)
        and not issubclass(value, Warning)
    }
    raised = {*defined, CertificateError, UnicodeError, OverflowError}
    assert {error.__name__ for error in raised if not issubclass(error, fetcher.BROKEN)} == set()
