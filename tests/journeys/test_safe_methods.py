"""HEAD changes nothing (RFC 9110 §9.2.1): where GET does something, HEAD is refused."""

import pytest
import sqlalchemy as sa

from accounts.database import Database, metadata, new_id
from idp import app
from idp.web.views import rules_of
from tests.fixtures.relying_party import Browser, RelyingParty, id_token_claims
from tests.fixtures.site import Site

ACTING = {"/authorize", "/continue/<id:request_id>", "/end_session"}
ACTING |= {"/login/wechat/callback", "/login/alipay/callback"}


def everything(database: Database) -> dict[str, list[str]]:
    """All rows of all tables."""
    engine = database.engine()
    with engine.connect() as c:
        rows = {t.name: sorted(map(repr, c.execute(sa.select(t)))) for t in metadata.sorted_tables}
    engine.dispose()
    return rows


@pytest.fixture
def there(site: Site, browser: Browser, housing: RelyingParty) -> Browser:
    """A browser with a signed-in person."""
    browser.get(housing.start())
    browser.log_in(site.register_person())
    browser.agree()
    return browser


def head(browser: Browser, url: str):
    return browser.http.open(url.removeprefix(browser.site.issuer), base_url=browser.site.issuer, method="HEAD")


def test_head_changes_nothing_anywhere(site: Site, there: Browser, social: RelyingParty):
    """HEAD at all our paths, signed in and with an open request of this browser, changes nothing."""
    waiting = there.get(social.start()).visited[-1].rpartition("/")[2]
    before = everything(site.database)
    for rule in app.flask_app(site.services).url_map.iter_rules():
        for request_id in (waiting, new_id()):
            path = rule.build(dict.fromkeys(rule.arguments, request_id))[1]
            assert head(there, path).status_code < 500, rule
    assert everything(site.database) == before


def test_what_get_does_head_is_refused(site: Site, there: Browser, housing: RelyingParty):
    """HEAD at /authorize gets no code, and at /end_session signs nobody out: 405, and Allow omits HEAD."""
    hint = housing.redeem(there.get(housing.start()))["id_token"]
    before = everything(site.database)
    for url in (housing.start(), f"/end_session?id_token_hint={hint}"):
        reply = head(there, url)
        assert (reply.status_code, reply.headers.get("Location"), reply.get_data()) == (405, None, b"")
        assert "HEAD" not in reply.headers["Allow"]
    assert everything(site.database) == before
    assert id_token_claims(housing.redeem(there.get(housing.start())))["sub"]


def test_which_views_act_on_get(site: Site):
    """This test lists the views that act on GET; every other view accepts HEAD."""
    made = app.flask_app(site.services)
    rules = [(rule, rules_of(made.view_functions[rule.endpoint])) for rule in made.url_map.iter_rules()]
    assert {rule.rule for rule, declared in rules if declared.acts_on_get} == ACTING
    for rule, declared in rules:
        assert ("HEAD" in rule.methods) == ("GET" in rule.methods and not declared.acts_on_get), rule
