"""The fetcher against hostile addresses and misbehaving servers. Connects are observed at the socket layer."""

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from idp.delivery.fetcher import Fetcher, FetchFailed, FetchRefused

NAMES = {
    "public.example": ("93.184.215.14",),
    "private.example": ("10.0.0.5",),
    "mixed.example": ("93.184.215.14", "127.0.0.1"),
    "metadata.example": ("169.254.169.254",),
    "six.example": ("fd00::1",),
    "mapped.example": ("::ffff:127.0.0.1",),
    "scoped.example": ("fe80::1%eth0",),
    "localhost": ("127.0.0.1",),
    "localhost.": ("127.0.0.1",),
    "nowhere.example": (),
}
HOSTILE = (
    "https://127.0.0.1/",
    "https://127.1.2.3/",
    "https://0.0.0.0/",
    "https://0.1.2.3/",
    "https://10.0.0.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.0.0.8/",
    "https://192.0.2.1/",
    "https://192.88.99.1/",
    "https://192.168.1.1/",
    "https://198.18.0.1/",
    "https://198.51.100.7/",
    "https://203.0.113.9/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://[::]/",
    "https://[::1]/",
    "https://[::7f00:1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:8.8.8.8]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::808:808]/",
    "https://[64:ff9b:1::1]/",
    "https://[2001:0:1::1]/",
    "https://[2001:db8::1]/",
    "https://[2002:7f00:1::]/",
    "https://[3fff::1]/",
    "https://[fc00::1]/",
    "https://[fd12:3456::1]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://①②⑦.⓪.⓪.①/",
    "https://localhost/",
    "https://localhost./",
    "https://private.example/",
    "https://mixed.example/",
    "https://metadata.example/",
    "https://six.example/",
    "https://mapped.example/",
    "https://scoped.example/",
    "https://nowhere.example/",
    "https://public.example:22/",
    "https://public.example:25/",
    "https://public.example:99999/",
    "https://public.example:/",
    "https://public.example:4 43/",
    "http://public.example/",
    "file:///etc/passwd",
    "ftp://public.example/",
    "gopher://public.example/",
    "javascript:alert(1)",
    "//public.example/",
    "https:/public.example/",
    "https:public.example",
    "https://",
    "https://user@public.example/",
    "https://public.example@127.0.0.1/",
    "https://public.example#@127.0.0.1/",
    "https://public.example\\@127.0.0.1/",
    "https://public.example/\r\nHost: x",
    "https://public.example/ x",
    "https://public.example/\x00",
    "https://[::1/",
    "https://ex%61mple/",
    "",
)


class Connects:
    def __init__(self) -> None:
        self.seen: list[object] = []
        self.watching = False

    def hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.watching and event == "socket.connect":
            self.seen.append(arguments[1])


CONNECTS = Connects()
sys.addaudithook(CONNECTS.hook)


@pytest.fixture
def connects() -> Iterator[list[object]]:
    CONNECTS.seen, CONNECTS.watching = [], True
    yield CONNECTS.seen
    CONNECTS.watching = False


@pytest.mark.parametrize("url", HOSTILE, ids=[f"{i:02}" for i in range(len(HOSTILE))])
def test_hostile_urls_open_no_socket(url, connects):
    """An address that is not a public https one is refused before any socket is opened."""
    fetcher = Fetcher(resolver=lambda host, port: NAMES[host])
    with pytest.raises((FetchRefused, FetchFailed)):
        fetcher.get(url)
    assert connects == []


def test_the_socket_goes_to_the_address_that_was_checked(connects):
    """The name is resolved once, so an answer that changes later has no effect."""
    asked: list[str] = []

    def rebinding(host: str, port: int) -> tuple[str, ...]:
        asked.append(host)
        return ("127.0.0.1",) if len(asked) > 1 else ("93.184.215.14",)

    target = Fetcher(resolver=rebinding).target("https://rebind.example/x?y=1")
    assert [str(address) for address in target.addresses] == ["93.184.215.14"]
    assert (asked, target.host_header, target.path) == (["rebind.example"], "rebind.example", "/x?y=1")
    assert connects == []


Handler = Callable[[socket.socket], None]


@pytest.fixture
def server() -> Iterator[Callable[[Handler], str]]:
    """Starts a server on loopback that passes each connection to a handler; returns its origin."""
    listeners: list[socket.socket] = []

    def start(handler: Handler) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=_serve, args=(listener, handler), daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.close()


def _serve(listener: socket.socket, handler: Handler) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            try:
                handler(connection)
            except OSError:
                continue


def _read_request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(4096)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next((int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length")), 0)
    while len(body) < length:
        body += connection.recv(4096)
    return head + b"\r\n\r\n" + body


def test_a_form_arrives_whole_and_the_answer_comes_back(server):
    """A listed origin gets the form, with the Host of the URL, and its response is returned."""
    seen: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        seen.append(_read_request(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    origin = server(answer)
    fetched = Fetcher(allowed_private=[origin]).post_form(f"{origin}/logout", {"logout_token": "a b"})
    assert (fetched.status, fetched.body) == (200, b"ok")
    assert seen[0].startswith(b"POST /logout HTTP/1.1\r\n")
    assert seen[0].endswith(b"logout_token=a+b")
    assert f"Host: {origin.removeprefix('http://')}".encode() in seen[0]


def test_a_listed_origin_opens_no_other_port(server):
    """One origin is allowed, not its whole address."""
    origin = server(lambda connection: None)
    with pytest.raises(FetchRefused, match="https_required"):
        Fetcher(allowed_private=["http://127.0.0.1:1"]).get(origin)


def test_redirects_are_answers_not_orders(server, connects):
    """A redirect is returned as a response; its target is not fetched."""

    def answer(connection: socket.socket) -> None:
        _read_request(connection)
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n")

    origin = server(answer)
    assert Fetcher(allowed_private=[origin]).get(origin).status == 302
    assert len(connects) == 1


def test_an_endless_answer_is_cut(server):
    """A response is refused as soon as it exceeds the cap, whatever its header promised."""

    def answer(connection: socket.socket) -> None:
        _read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 8192)

    origin = server(answer)
    with pytest.raises(FetchFailed, match="answer_too_large"):
        Fetcher(allowed_private=[origin]).get(origin)


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n"])
def test_a_dripping_server_holds_nobody(server, start):
    """A server that sends a byte now and then, in status, headers or body, is cut off when the time is over."""

    def answer(connection: socket.socket) -> None:
        _read_request(connection)
        connection.sendall(start)
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)

    origin = server(answer)
    began = time.monotonic()
    with pytest.raises(FetchFailed, match="timed_out"):
        Fetcher(allowed_private=[origin], timeout=timedelta(seconds=0.5)).get(origin)
    assert time.monotonic() - began < 1.5


def test_nobody_listening_is_an_error_with_a_name():
    """A refused connection is FetchFailed, not an error of the network library."""
    with pytest.raises(FetchFailed, match="no_connection"):
        Fetcher(allowed_private=["http://127.0.0.1:9999"]).get("http://127.0.0.1:9999/")
