"""Requests that no honest client sends get the specification's error quickly, and never a server error."""

import random
import time
import tracemalloc

import pytest

from idp.oidc.endpoints import ENDPOINTS
from idp.oidc.messages import FORM, MAX_BODY, MAX_PARAMETERS
from tests.fixtures.messages import basic

QUICK = 0.020  # seconds
FORMS = ("/token", "/introspect", "/revoke")


def quickest(act, tries=5):
    """The response and its shortest time of several tries, so that other work on the machine does not count."""
    took = []
    for _ in range(tries):
        start = time.perf_counter()
        answer = act()
        took.append(time.perf_counter() - start)
    return answer, min(took)


BODIES = {
    "a parameter twice": b"grant_type=client_credentials&grant_type=client_credentials",
    "a parameter twice, once empty": b"grant_type=client_credentials&grant_type=",
    "a parameter twice, once encoded": b"grant_type=client_credentials&%67rant_type=x",
    "an unknown parameter twice": b"grant_type=client_credentials&x=1&x=2",
    "a client twice": b"grant_type=client_credentials&client_id=a&client_id=b",
    "too many bytes": b"grant_type=client_credentials&x=" + b"a" * MAX_BODY,
    "too many parameters": b"&".join(b"p%d=1" % n for n in range(MAX_PARAMETERS + 1)),
    "too many ampersands": b"&" * (MAX_BODY - 1),
    "a NUL": b"grant_type=client_credentials&x=a%00b",
    "a raw NUL": b"grant_type=client_credentials&x=a\x00b",
    "a line break": b"grant_type=client_credentials&x=a%0d%0aSet-Cookie:%20a=b",
    "a DEL": b"grant_type=client_credentials&x=%7f",
    "a NUL in a name": b"grant_type%00=client_credentials",
    "broken UTF-8": b"grant_type=client_credentials&x=%ff%fe",
    "raw broken UTF-8": b"grant_type=client_credentials&x=\xff",
    "an overlong slash": b"grant_type=client_credentials&x=%c0%af",
    "a surrogate in UTF-8": b"grant_type=client_credentials&x=%ed%a0%80",
    "half a character": b"grant_type=client_credentials&x=%e4%b8",
    "nothing": b"",
    "an ampersand": b"&",
    "equals signs": b"=&=",
    "JSON": b'{"grant_type":"client_credentials"}',
    "XML": b"<grant_type>client_credentials</grant_type>",
    "no equals sign": b"grant_type",
    "noise": bytes(random.Random(7).randrange(256) for _ in range(4096)),
}
TYPES = ("", "application/json", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencodedx",
         "\x00", "é", ";" * 1000, "application/jwt")  # fmt: skip


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_cannot_be_read_is_an_invalid_request(city, path, name):
    """With or without client authentication: 400 or 401 with an error of the specification, within 20 ms."""
    client = city.register_client()
    headers = {"content_type": FORM, "authorization": basic("fund", client.secret)}
    answer, took = quickest(lambda: city.send("POST", path, BODIES[name], **headers))
    assert (answer.status, answer.error) == (400, "invalid_request")
    assert took < QUICK


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("declared", TYPES)
def test_a_body_that_is_no_form_is_an_invalid_request(city, path, declared):
    """A body counts as a form only when it is declared as one."""
    client = city.register_client()
    headers = {"content_type": declared, "authorization": basic("fund", client.secret)}
    answer, took = quickest(lambda: city.send("POST", path, b"grant_type=client_credentials&token=x", **headers))
    assert (answer.status, answer.error) == (400, "invalid_request")
    assert took < QUICK


@pytest.mark.parametrize("declared", [FORM, FORM.upper(), FORM + "; charset=UTF-8", " " + FORM + " ;x"])
def test_a_form_by_any_spelling_is_read(city, declared):
    """Case and parameters of the media type do not matter (RFC 9110 §8.3.1)."""
    client = city.register_client()
    headers = {"content_type": declared, "authorization": basic("fund", client.secret)}
    assert city.send("POST", "/token", b"grant_type=client_credentials", **headers).status == 200


def test_a_hundred_parameters_of_64_kilobytes_are_read(city):
    """A body at exactly the limits is read."""
    client = city.register_client()
    pairs = [b"grant_type=client_credentials", *(b"p%d=x" % n for n in range(MAX_PARAMETERS - 1))]
    body = b"&".join(pairs)
    body += b"x" * (MAX_BODY - len(body))
    headers = {"content_type": FORM, "authorization": basic("fund", client.secret)}
    assert len(body) == MAX_BODY
    assert city.send("POST", "/token", body, **headers).status == 200


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.at.path)
def test_nothing_makes_an_endpoint_fail(city, endpoint):
    """Two hundred random requests for every endpoint and method get a status below 500."""
    city.register_client()
    chance = random.Random(endpoint.at.path)
    methods = (*endpoint.at.methods, "HEAD", "OPTIONS", "TRACE")
    for _ in range(200):
        headers = {
            "content_type": chance.choice((FORM, *TYPES)),
            "authorization": chance.choice(("", "Basic x", "Bearer x", "Bearer \x00", "Basic Og==", "é" * 50)),
            "cookie": chance.choice(("", "a=b", ";;;=", "\xff")),
            "if_none_match": chance.choice(("", "*", '"x"')),
        }
        body = chance.choice((*BODIES.values(), b'{"redirect_uris":', b"[" * 9000, b"null", b"1e999"))
        query = chance.choice(("", "a=b&a=c", "%00", "%ff", "x" * 70000, "client_id=%00", "client_id=fund"))
        answer = city.send(chance.choice(methods), endpoint.at.path, body, query, **headers)
        assert answer.status < 500, (headers, body[:80], query[:80])


def test_parsing_costs_no_more_than_it_was_sent(city):
    """Parsing a full body of ampersands or percent signs takes at most a hundred times its size in memory."""
    city.register_client()
    for body in (b"&" * MAX_BODY, b"%25" * (MAX_BODY // 3), b"a=" + b"+" * (MAX_BODY - 2)):
        tracemalloc.start()
        city.send("POST", "/token", body, content_type=FORM)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 100 * MAX_BODY


@pytest.mark.parametrize(
    "client_id", ["\ud800", "fund\ud800", "基金", "fund ", " fund", "FUND", "f" * 60000, "' OR '1'='1", "fund%00", "🙂"]
)
def test_an_odd_client_id_is_an_invalid_client(city, client_id):
    """A string that cannot be a client_id never reaches a database driver."""
    client = city.register_client()
    form = b"grant_type=client_credentials&client_secret=x&client_id=" + client_id.encode("utf-8", "surrogatepass")
    answer = city.send("POST", "/token", form.replace(b"%00", b"%2500"), content_type=FORM)
    assert answer.error in ("invalid_client", "invalid_request")
    assert answer.status in (400, 401)
    assert city.post_as(client, "/token", grant_type="client_credentials").status == 200


@pytest.mark.parametrize("field", ["code", "refresh_token", "token", "scope", "redirect_uri", "code_verifier"])
@pytest.mark.parametrize(
    "value", ["x" * 60000, "🙂" * 1000, "'; DROP TABLE clients; --", "%s%n%x", "${jndi:x}", "{{7*7}}"]
)
def test_odd_values_are_no_failure_of_ours(city, field, value):
    """Long, strange and clever values of each parameter are refused as wrong, not as a server error."""
    client = city.register_client()
    for grant_type in ("authorization_code", "refresh_token", "client_credentials"):
        form = {"code": "x", "refresh_token": "x", "grant_type": grant_type, "redirect_uri": "x"} | {field: value}
        answer = city.post_as(client, "/token", **form)
        assert answer.status in (200, 400)
        assert value[:20] not in answer.json.get("error_description", "")


def test_no_answer_echoes_what_was_sent(city):
    """An error never repeats text of the request, not even the name of a repeated parameter with markup."""
    answer = city.post("/token", {"grant_type": "<script>alert(1)</script>"})
    assert b"<script>" not in answer.body
    body = b"%3Cscript%3E=1&%3Cscript%3E=2"
    assert b"<" not in city.send("POST", "/token", body, content_type=FORM).body
    assert city.send("POST", "/token", body, content_type=FORM).headers["x-content-type-options"] == "nosniff"
