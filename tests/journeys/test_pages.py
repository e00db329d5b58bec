"""Every template, rendered with ordinary and with hostile values, and the rules for all of them."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient

from tests.fixtures.page_samples import NONCE, ROOT, sample_app, scenes

NAMES = [scene.name for scene in scenes("zh-CN")]
LANGUAGES = ("zh-CN", "en")
VIEWS = ("standard", "elder", "largest")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@dataclass
class Drawn(HTMLParser):
    """The content of a page as a browser reads it."""

    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    open_tags: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag, attrs):
        told = {name: value or "" for name, value in attrs}
        self.tags.append((tag, told))
        if tag not in {"meta", "link", "input", "br"}:
            self.open_tags.append((tag, told.get("lang", "")))

    def handle_endtag(self, tag):
        while self.open_tags and self.open_tags.pop()[0] != tag:
            pass

    def handle_data(self, data):
        foreign = next((lang for _, lang in reversed(self.open_tags) if lang), "")
        self.texts.append((foreign, data.strip()))

    def all(self, *names):
        return [told for tag, told in self.tags if tag in names]


@pytest.fixture(scope="module")
def http() -> FlaskClient:
    return sample_app().test_client()


def draw(http: FlaskClient, path: str) -> Drawn:
    reply = http.get(path)
    assert reply.status_code == 200
    page = Drawn()
    page.feed(reply.get_data(as_text=True))
    return page


@pytest.fixture(params=[f"/{lang}/{view}/{name}" for lang in LANGUAGES for view in VIEWS for name in NAMES])
def page(request: pytest.FixtureRequest, http: FlaskClient) -> Drawn:
    return draw(http, request.param)


def test_page_names_its_language_view_and_one_subject(page: Drawn):
    """A page names its language, has exactly one first-level heading and one skip target."""
    root = page.all("html")[0]
    assert root["lang"] in LANGUAGES
    assert root["data-view"] in VIEWS
    assert len(page.all("h1")) == 1
    assert [told["id"] for told in page.all("main")] == ["main"]


def test_ids_are_unique_and_labels_are_bound(page: Drawn):
    """Every visible input has a visible label and existing hints, and no id is used twice."""
    ids = [told["id"] for _, told in page.tags if "id" in told]
    assert len(ids) == len(set(ids))
    bound = {told.get("for") for told in page.all("label")}
    for told in page.all("input"):
        if told.get("type") in {"text", "password"}:
            assert told["id"] in bound
        assert set(told.get("aria-describedby", "").split()) <= set(ids)


def test_nothing_inline_and_nothing_from_outside(page: Drawn):
    """No handler, no style attribute, no script without nonce or source, no address outside this site."""
    for tag, told in page.tags:
        assert not [name for name in told if name.startswith("on") or name == "style"]
        assert tag != "style"
        for name in ("src", "href", "action"):
            assert told.get(name, "/").startswith(("/", "#", "tel:", "otpauth:")), told
    for told in page.all("script"):
        assert told["nonce"] == NONCE
        assert told["src"].startswith("/static/")


def test_every_form_of_ours_carries_the_token(page: Drawn):
    """Forms that post to us have our token; forms that post to a relying system do not."""
    names = [told.get("name") for told in page.all("input")]
    to_us = [told for told in page.all("form") if told.get("id") != "form-post"]
    assert names.count("csrf_token") == len(to_us)
    assert all(told["method"] == "post" for told in page.all("form"))


def test_elder_view_and_language_are_on_top(page: Drawn):
    """Both switches come before the content on every page, except the form_post page, which is shown once."""
    if any(told.get("id") == "form-post" for told in page.all("form")):
        assert not page.all("button")[0].get("name")
        return
    before_main = page.tags[: next(i for i, (tag, _) in enumerate(page.tags) if tag == "main")]
    assert {told["name"] for tag, told in before_main if tag == "button"} == {"view", "language"}


@pytest.mark.parametrize("name", NAMES)
def test_english_page_speaks_english(http: FlaskClient, name: str):
    """An English page has no Chinese, except where it is marked as Chinese."""
    left = [text for lang, text in draw(http, f"/en/elder/{name}").texts if CHINESE.search(text) and lang != "zh-CN"]
    assert left == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_hostile_values_stay_text(http: FlaskClient, name: str, lang: str):
    """A name, purpose or code full of markup is shown as text and adds no element and no attribute."""
    plain, hostile = draw(http, f"/{lang}/standard/{name}"), draw(http, f"/{lang}/standard/{name}?hostile=yes")
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert [sorted(told) for _, told in hostile.tags] == [sorted(told) for _, told in plain.tags]


def test_an_answer_given_once_has_no_way_away(http: FlaskClient):
    """The form_post page has its one button, the help line, and no link to another page."""
    page = draw(http, "/zh-CN/standard/form-post")
    assert [told["href"] for told in page.all("a")] == ["#main", "tel:96196"]
    assert len(page.all("button")) == 1


def test_errors_come_first_in_title_and_page(http: FlaskClient):
    """An error is in the title, in a focused summary with a link to the field, and at the field."""
    page = draw(http, "/zh-CN/standard/login-wrong")
    summary = next(told for told in page.all("div") if told.get("class") == "summary")
    assert (summary["tabindex"], summary["role"], "autofocus" in summary) == ("-1", "alert", True)
    assert {"href": "#identifier"} in page.all("a")
    field_told = next(told for told in page.all("input") if told.get("id") == "identifier")
    assert field_told["aria-invalid"] == "true"
    assert "identifier-error" in field_told["aria-describedby"]
    texts = [text for _, text in page.texts if text]
    assert texts[0].startswith("错误：")


def test_password_and_identifier_are_never_filled_in(http: FlaskClient):
    """No page repeats what was typed, as it may be a citizen's number."""
    for told in draw(http, "/zh-CN/standard/login-wrong").all("input"):
        if told.get("name") in {"identifier", "password"}:
            assert "value" not in told


def test_yes_and_no_weigh_the_same(http: FlaskClient):
    """Consent has two buttons of the same look; a notice has one."""
    asked = [t for t in draw(http, "/zh-CN/standard/consent").all("button") if t.get("name") == "answer"]
    assert [(t["class"], t["value"]) for t in asked] == [("button", "agree"), ("button", "refuse")]
    told = [t for t in draw(http, "/zh-CN/standard/consent-notice").all("button") if t.get("name") == "answer"]
    assert [t["value"] for t in told] == ["acknowledge"]


def test_style_stays_small_and_at_home():
    """All style is one sheet under 20 kB that loads only our own picture."""
    style = (ROOT / "static" / "yitong.css").read_bytes()
    assert len(style) < 20_000
    assert re.findall(rb"url\(([^)]*)\)", style) == [b'"horizon.svg"']
    assert b"@import" not in style
