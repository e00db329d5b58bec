"""The front door: how the source is found, how much of a body is read, and how a Reply becomes a WSGI response."""

import ipaddress
import json
import sys
from io import BytesIO
from wsgiref.validate import validator

import pytest

from idp.oidc.messages import MAX_BODY, Reply
from idp.web.front import Front
from idp.web.source_address import SourceAddress
from tests.fixtures.replies import no_repeats

PROXIES = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "fd00::/8")))


class Door:
    """A front whose handlers record the requests they get."""

    def __init__(self, reply=None, trusted=()):
        self.asked, self.fell_back, self.handed_over = [], [], []
        self.reply = reply or Reply(200, b"hello", (("Content-Type", "text/plain"),))
        self.front = Front(
            handlers=dict.fromkeys(("/token", "/authorize"), self._handle),
            fallback=self._fallback,
            for_people=frozenset({"/authorize"}),
            source=SourceAddress(trusted),
        )

    def _handle(self, request):
        self.asked.append(request)
        return self.reply if self.reply.status else None

    def _fallback(self, environ, start_response):
        self.fell_back.append((environ["REMOTE_ADDR"], environ["wsgi.input"].read(100)))
        self.handed_over.append((environ.get("CONTENT_LENGTH"), environ.get("HTTP_TRANSFER_ENCODING")))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"fallback"]

    def knock(self, method="POST", path="/token", body=b"", **environ):
        answer = {}

        def start_response(status, headers, exc_info=None):
            no_repeats(headers)
            answer.update(status=int(status[:3]), line=status, headers=dict(headers))

        given = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "198.51.100.7",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": BytesIO(body),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https",
            **environ,
        }
        given = {name: value for name, value in given.items() if value is not None}
        answer["body"] = b"".join(self.front(given, start_response))
        return answer


def test_a_protocol_path_is_answered_without_the_fallback():
    """Status, headers, length and body come from the Reply."""
    door = Door()
    answer = door.knock()
    assert (answer["line"], answer["body"]) == ("200 OK", b"hello")
    assert answer["headers"] == {"Content-Type": "text/plain", "Content-Length": "5"}
    assert door.fell_back == []


@pytest.mark.parametrize("path", ["/", "/token/", "/Token", "/tokens", "//token", "/token;x", "/login", ""])
def test_every_other_path_is_the_fallbacks(path):
    """Only the exact protocol paths are handled; all others go to the fallback."""
    door = Door()
    assert door.knock(path=path)["body"] == b"fallback"
    assert door.asked == []


def test_the_request_arrives_as_it_was_sent():
    """The handler gets method, query, body, headers under lower-case names, and the peer's address."""
    door = Door()
    door.knock(
        body=b"a=b",
        QUERY_STRING="x=%E4",
        CONTENT_TYPE="application/x-www-form-urlencoded",
        HTTP_AUTHORIZATION="Basic x",
        HTTP_IF_NONE_MATCH='"t"',
    )
    (request,) = door.asked
    assert (request.method, request.path, request.query, request.body) == ("POST", "/token", "x=%E4", b"a=b")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["authorization"] == "Basic x"
    assert request.headers.get("if-none-match") == '"t"'
    assert request.headers.get("cookie") is None
    assert "authorization" in set(request.headers)
    assert request.source == "198.51.100.7"


def test_a_handler_that_answers_nothing_leaves_the_body_to_the_fallback():
    """Flask then reads the same body, complete."""
    door = Door(reply=Reply(0))
    assert door.knock(body=b"a=b")["body"] == b"fallback"
    assert door.fell_back == [("198.51.100.7", b"a=b")]


def test_a_chunked_body_that_was_read_reaches_the_fallback_with_its_length():
    """Flask does not read chunks, so it gets the same body with a Content-Length."""
    door, chunked = Door(reply=Reply(0)), {"CONTENT_LENGTH": None, "HTTP_TRANSFER_ENCODING": "chunked"}
    door.knock(**chunked, **{"wsgi.input": BytesIO(b"a=b")})
    assert (door.fell_back, door.handed_over) == ([("198.51.100.7", b"a=b")], [("3", None)])


@pytest.mark.parametrize("path", ["/token", "/authorize"])
def test_a_body_that_ends_too_early_is_given_to_nobody(path):
    """Half a form means something else than the whole: it is refused, with JSON or with Flask's page."""
    door = Door()
    answer = door.knock(path=path, CONTENT_LENGTH="300", **{"wsgi.input": BytesIO(b"grant_type=refresh_token")})
    assert door.asked == []
    if path == "/token":
        assert (answer["status"], json.loads(answer["body"])["error"]) == (400, "invalid_request")
    else:
        assert (door.fell_back, door.handed_over) == ([("198.51.100.7", b"")], [("300", None)])


class Endless:
    """A body that never ends and counts the bytes read from it."""

    def __init__(self):
        self.read_so_far = 0

    def read(self, size=-1):
        assert size >= 0, "the whole of an endless body was asked for"
        self.read_so_far += size
        return b"x" * size


@pytest.mark.parametrize(("size", "status"), [(0, 200), (1, 200), (MAX_BODY, 200), (MAX_BODY + 1, 413), (10**9, 413)])
def test_a_declared_body_is_capped_before_it_is_read(size, status):
    """A Content-Length above 64 kB is refused before anything is read."""
    door, body = Door(), Endless()
    answer = door.knock(CONTENT_LENGTH=str(size), **{"wsgi.input": body})
    assert answer["status"] == status
    assert body.read_so_far == (size if status == 200 else 0)
    if status == 413:
        assert json.loads(answer["body"])["error"] == "invalid_request"
        assert door.asked == []


def test_a_chunked_body_is_capped_while_it_is_read():
    """Without Content-Length at most 64 kB and one byte are read."""
    door, body = Door(), Endless()
    answer = door.knock(CONTENT_LENGTH=None, HTTP_TRANSFER_ENCODING="chunked", **{"wsgi.input": body})
    assert answer["status"] == 413
    assert body.read_so_far == MAX_BODY + 1
    assert door.asked == []


@pytest.mark.parametrize("chunked", [True, False])
def test_where_people_look_too_large_a_body_is_flasks_to_refuse(chunked):
    """On a page's path Flask gets a length that it refuses, and nothing of the body."""
    door, endless = Door(), Endless()
    length = {"CONTENT_LENGTH": None, "HTTP_TRANSFER_ENCODING": "chunked"} if chunked else {"CONTENT_LENGTH": "70000"}
    assert door.knock(path="/authorize", **length, **{"wsgi.input": endless})["body"] == b"fallback"
    assert door.asked == []
    assert door.fell_back == [("198.51.100.7", b"")]
    (told,) = door.handed_over
    assert int(told[0]) > MAX_BODY
    assert told[1] is None


def test_a_short_chunked_body_arrives():
    """A body with Transfer-Encoding instead of Content-Length is read to its end."""
    door = Door()
    door.knock(CONTENT_LENGTH=None, HTTP_TRANSFER_ENCODING="chunked", **{"wsgi.input": BytesIO(b"a=b")})
    assert door.asked[0].body == b"a=b"


def test_without_a_length_there_is_no_body():
    """Without Content-Length and Transfer-Encoding nothing is read, so nothing waits for the socket."""
    door, body = Door(), Endless()
    door.knock(CONTENT_LENGTH=None, **{"wsgi.input": body})
    assert (door.asked[0].body, body.read_so_far) == (b"", 0)


@pytest.mark.parametrize("length", ["-1", "abc", "1.5", "+3", " 3", "0x10", ""])
def test_a_length_that_is_none_is_no_body(length):
    """With a Content-Length that is not a number no body is read."""
    door, body = Door(), Endless()
    answer = door.knock(CONTENT_LENGTH=length, **{"wsgi.input": body})
    assert answer["status"] in (200, 400)
    assert body.read_so_far == 0


@pytest.mark.parametrize(
    "length",
    ["²", "9" * 5000],
)
def test_a_length_that_only_looks_like_a_number_is_refused(length):
    """Superscripts and numbers of thousands of digits raise nothing."""
    door, body = Door(), Endless()
    assert door.knock(CONTENT_LENGTH=length, **{"wsgi.input": body})["status"] in (200, 400, 413)
    assert body.read_so_far == 0


@pytest.mark.parametrize(
    ("peer", "forwarded", "source"),
    [
        ("198.51.100.7", "203.0.113.1", "198.51.100.7"),  # an untrusted peer wrote it about itself
        ("198.51.100.7", "10.0.0.1", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.1", "203.0.113.1"),  # the client wrote the first hop itself
        ("10.0.0.1", "1.1.1.1,203.0.113.1,10.9.9.9", "203.0.113.1"),
        ("10.0.0.1", "10.1.1.1, 10.2.2.2", "10.0.0.1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1, <script>", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.1:4711", "203.0.113.1"),
        ("10.0.0.1", "::ffff:203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "1.1.1.1,", "10.0.0.1"),  # the proxy added no address
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "[2001:0DB8:0::1]:443", "2001:db8::1"),
        ("::ffff:198.51.100.7", "", "198.51.100.7"),
        ("fd00::1", "203.0.113.1", "203.0.113.1"),
        ("", "203.0.113.1", ""),
        ("not an address", "203.0.113.1", ""),
    ],
)
def test_only_trusted_proxies_are_believed(peer, forwarded, source):
    """X-Forwarded-For is read from the right, past trusted proxies, to the first other address."""
    door = Door(trusted=PROXIES)
    door.knock(REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)
    assert door.asked[0].source == source
    door.knock(path="/login", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)
    assert door.fell_back[0][0] == source


def test_a_forwarding_header_that_is_no_ascii_is_refused():
    """The server hands it on as empty, and with it went what our proxy wrote: the guesser would be the proxy."""
    door = Door(trusted=PROXIES)
    assert door.knock(REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR="")["status"] == 400
    assert (door.asked, door.fell_back) == ([], [])


@pytest.mark.parametrize(
    "header", ["HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_CLIENT_IP", "HTTP_X_CLIENT_IP"]
)
def test_without_trusted_proxies_no_header_is_believed(header):
    """The source is the peer's address, whatever a header contains."""
    door = Door()
    door.knock(REMOTE_ADDR="10.0.0.1", **{header: "203.0.113.1"})
    assert door.asked[0].source == "10.0.0.1"


def test_head_has_gets_length_and_no_body():
    """RFC 9110 §9.3.2: HEAD has GET's length and no body."""
    answer = Door().knock(method="HEAD", CONTENT_LENGTH="")
    assert (answer["body"], answer["headers"]["Content-Length"]) == (b"", "5")


def test_a_304_does_not_say_that_the_document_is_empty(served):
    """RFC 9110 §8.6: a cache that took Content-Length: 0 from a 304 would serve an empty JWK Set."""
    tag = served.knock(method="GET", path="/jwks")["headers"]["ETag"]
    answer = served.knock(method="GET", path="/jwks", HTTP_IF_NONE_MATCH=tag)
    assert answer["status"] == 304
    assert answer["headers"].get("Content-Length") != "0"


def test_a_204_has_no_length():
    """RFC 9110 §8.6: a preflight's response has neither body nor length."""
    answer = Door(reply=Reply(204)).knock(method="OPTIONS")
    assert "Content-Length" not in answer["headers"]


@pytest.mark.parametrize("status", [200, 201, 204, 303, 304, 400, 401, 403, 405, 413, 500, 503])
def test_every_status_we_send_has_its_phrase(status):
    """Every status that a handler returns has a reason phrase."""
    answer = Door(reply=Reply(status)).knock()
    assert answer["status"] == status
    assert len(answer["line"]) > 4


# the real endpoints behind the real door -----------------------------------------------------------------------------
@pytest.fixture
def served(city):
    """The machine endpoints behind a front."""
    door = Door()
    handlers = dict.fromkeys(city.router.endpoints, city.router.handle)
    door.front = Front(handlers=handlers, fallback=door._fallback, refuse=city.router.refuse)
    return door


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/token", "POST"),
        ("HEAD", "/token", "POST"),
        ("DELETE", "/userinfo", "GET, POST"),
        ("POST", "/jwks", "GET"),
        ("PUT", "/.well-known/openid-configuration", "GET"),
        ("GET", "/introspect", "POST"),
        ("GET", "/revoke", "POST"),
        ("OPTIONS", "/introspect", "POST"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(served, method, path, allow):
    """A wrong method is a 405 with Allow (RFC 9110 §15.5.6), as a browser or proxy sees it."""
    answer = served.knock(method=method, path=path)
    assert answer["status"] == 405
    assert answer["headers"]["Allow"] == allow
    if method != "HEAD":
        assert json.loads(answer["body"])["error_description"] == f"this endpoint takes {allow} only"


@pytest.mark.parametrize(
    "path", ["/jwks", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]
)
def test_documents_answer_head(served, path):
    """HEAD has the length that GET has."""
    got, head = served.knock(method="GET", path=path), served.knock(method="HEAD", path=path)
    assert head["body"] == b""
    assert head["headers"]["Content-Length"] == str(len(got["body"]))
    assert head["headers"]["Content-Type"] == got["headers"]["Content-Type"]


def test_the_door_is_a_correct_wsgi_application(served):
    """The WSGI validator of the standard library reports nothing."""
    front = validator(served.front)
    for method, path in (("GET", "/jwks"), ("POST", "/token"), ("GET", "/elsewhere")):
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "192.0.2.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https",
            "wsgi.input": BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        answered = front(environ, lambda status, headers, exc_info=None: lambda data: None)
        assert b"".join(answered)
        answered.close()


def test_a_host_header_changes_nothing(served):
    """The issuer is a setting: no Host or X-Forwarded header changes an endpoint's address."""
    spoofed = {"HTTP_HOST": "evil.example", "HTTP_X_FORWARDED_HOST": "evil.example", "HTTP_X_FORWARDED_PROTO": "http"}
    answer = served.knock(method="GET", path="/.well-known/openid-configuration", **spoofed)
    assert b"evil.example" not in answer["body"]
    assert json.loads(answer["body"])["token_endpoint"] == "https://id.luzhou.example/token"


@pytest.mark.parametrize("path", ["/token", "/userinfo", "/revoke", "/introspect", "/register"])
def test_a_body_that_is_not_taken_is_refused_as_that_endpoint_refuses(served, path):
    """A page of another origin may read a 413 only at endpoints whose other responses it may read."""
    refused = served.knock(path=path, body=b"x" * (MAX_BODY + 1))
    usual = served.knock(path=path, body=b"x", CONTENT_TYPE="application/x-www-form-urlencoded")
    assert (refused["status"], json.loads(refused["body"])["error"]) == (413, "invalid_request")
    for name in ("Access-Control-Allow-Origin", "X-Content-Type-Options", "Cache-Control"):
        assert refused["headers"].get(name) == usual["headers"].get(name), name


@pytest.mark.parametrize("constant", [False, True])
def test_a_constant_answer_is_asked_for_once(constant):
    """A constant document is kept for GET; every other method and response calls the handler."""
    door = Door(Reply(200, b"{}", (("Content-Type", "application/json"),), constant=constant))
    first, second = (door.knock("GET") for _ in range(2))
    assert first == second
    assert len(door.asked) == (1 if constant else 2)
    door.knock("POST")
    door.knock("OPTIONS")
    door.knock("GET", "/authorize")
    assert len(door.asked) == (4 if constant else 5)


def test_what_another_method_was_told_is_not_kept():
    """A constant response to POST is not reused for GET."""
    door = Door(Reply(200, b"{}", constant=True))
    door.knock("POST")
    door.knock("GET")
    assert len(door.asked) == 2
