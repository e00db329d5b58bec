"""The WSGI side of the RSGI application: what PEP 3333 lets an application do."""

import asyncio
from types import SimpleNamespace

from idp.web.rsgi import RsgiApplication

SCOPE = SimpleNamespace(
    method="GET",
    path="/",
    query_string="",
    client="192.0.2.1:4711",
    server="127.0.0.1:8000",
    http_version="1.1",
    scheme="http",
    authority=None,
    headers={},
)


def answer(application):
    """The arguments with which the protocol sent the answer."""
    sent = []
    protocol = SimpleNamespace(
        response_bytes=lambda *answer: sent.append(answer), response_empty=lambda *answer: sent.append(answer)
    )
    asyncio.run(RsgiApplication(application, 1).__rsgi__(SCOPE, protocol))
    (only,) = sent
    return only


def test_what_is_written_comes_before_what_is_returned():
    """`start_response` returns `write`, and its output precedes the body (PEP 3333)."""

    def application(_environ, start_response):
        write = start_response("201 Created", [("X-Name", "value")])
        write(b"one ")

        def rest():
            write(b"two ")
            yield b"three"

        return rest()

    status, headers, body = answer(application)
    assert (status, headers) == (201, [("X-Name", "value")])
    assert body == b"one two three"


def test_an_application_that_fails_gets_an_empty_500():
    """Nothing of the error, which may hold what was typed, reaches the client."""

    def application(_environ, _start_response):
        raise ValueError("secret")

    assert answer(application) == (500, [])
