"""Every page in a real browser: axe's rules and our own, in both languages and all three views."""

import re
from collections import defaultdict
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.fixtures.page_samples import sample_app, scenes, served

pytestmark = pytest.mark.browser
NAMES = [scene.name for scene in scenes("zh-CN")]
REACHED = [scene.name for scene in scenes("zh-CN") if not scene.opens_dialog]
TARGET = {"standard": 44, "elder": 60, "largest": 60}
TEXT = {"standard": 16, "elder": 18, "largest": 30}
LANGUAGES = ("zh-CN", "en")
WIDE, NARROW = {"width": 1100, "height": 800}, (320, 390)  # widths of telephones

# The largest text has the elements of the elder view, so only the rules about what is seen can differ there.
SEEN = ["color-contrast", "color-contrast-enhanced", "target-size", "link-in-text-block", "meta-viewport"]
VIOLATIONS = """([enhanced, only]) => axe
  .run({resultTypes: ["violations"], ...(only.length ? {runOnly: only} : {}),
        rules: {"color-contrast-enhanced": {enabled: enhanced}}})
  .then(r => r.violations)"""

SMALL_TARGETS = """least => [...document.querySelectorAll("button, input:not([type=hidden]), summary, a, .choice")]
  .filter(e => e.checkVisibility() && !e.closest("p:not(.answers):not(:only-child)") && !e.matches(".skip"))
  .map(e => e.closest(".choice") || e)
  .filter(e => e.getBoundingClientRect().height < least || e.getBoundingClientRect().width < 44)
  .map(e => `${e.outerHTML.slice(0, 80)} ${Math.round(e.getBoundingClientRect().height)}`)"""
SMALL_TEXT = """least => [...document.querySelectorAll("main :is(p, dd, dt, li, label, button, .input)")]
  .filter(e => e.checkVisibility() && parseFloat(getComputedStyle(e).fontSize) < least - 0.1)
  .map(e => `${e.outerHTML.slice(0, 80)} ${getComputedStyle(e).fontSize}`)"""
TIGHT_LINES = """() => [...document.querySelectorAll("main p, main li, main dd, h1, h2, label")]
  .filter(e => parseFloat(getComputedStyle(e).lineHeight) / parseFloat(getComputedStyle(e).fontSize) < 1.49)
  .map(e => e.outerHTML.slice(0, 80))"""
# What a keyboard must reach, in page order: of a group of radio buttons only the chosen one, or else the first.
REACHABLE = """() => [...document.querySelectorAll("*")]
  .map((e, i) => [e, i])
  .filter(([e]) => e.matches("a[href], button, summary, select, textarea, input:not([type=hidden])"))
  .filter(([e]) => e.checkVisibility())
  .filter(([e]) => {
    if (e.type !== "radio") return true;
    const group = [...e.form.querySelectorAll(`[type=radio][name="${e.name}"]`)];
    return e === (group.find(each => each.checked) || group[0]);
  })
  .map(([e, i]) => i)"""
FOCUSED = """() => {
  const e = document.activeElement, box = e.getBoundingClientRect(), ring = getComputedStyle(e);
  return {
    place: [...document.querySelectorAll("*")].indexOf(e),
    seen: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    ring: e.matches(":focus-visible") && ring.outlineStyle !== "none" && parseFloat(ring.outlineWidth) >= 2,
    what: e.outerHTML.slice(0, 90),
  };
}"""
BROKEN_WORDS = """() => [...document.querySelectorAll("h1, h2, h3, label, .button, p, .card > dl *")].flatMap(e => {
  const found = [], texts = document.createTreeWalker(e, NodeFilter.SHOW_TEXT), range = document.createRange();
  while (texts.nextNode()) for (const word of texts.currentNode.data.matchAll(/[a-z]{2,}/gi)) {
    range.setStart(texts.currentNode, word.index);
    range.setEnd(texts.currentNode, word.index + word[0].length);
    if (new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1) found.push(word[0]);
  }
  return found;
})"""
PALE = """() => [...document.querySelectorAll("body *")]
  .filter(e => e.checkVisibility() && !e.closest(".seal"))
  .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
  .filter(e => getComputedStyle(e).color.match(/\\d+/g).slice(0, 3).every(part => part > 140))
  .map(e => e.outerHTML.slice(0, 80))"""
SPOKEN = """() => ({
  lang: document.documentElement.lang,
  h1: document.querySelectorAll("h1").length,
  unexplained: [...document.querySelectorAll("[aria-invalid]")].filter(e =>
    !(e.getAttribute("aria-describedby") || "").split(" ").some(id => document.getElementById(id)?.matches(".wrong"))
    || !document.querySelector(`.summary a[href="#${e.id}"]`)).length,
})"""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Iterator[Page]:
    page = chromium.new_page(viewport=WIDE, bypass_csp=True)
    page.route("**/form-post.js", lambda route: route.abort())
    yield page
    page.close()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("view", TARGET)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_page_is_accessible(site: str, page: Page, lang: str, view: str, name: str):
    """No axe violation, announced, targets, text and lines of the view's sizes; at 320 px nothing is cut or broken.

    The elder views reach the enhanced contrast of 7 (4.5 for large text). In Chinese the page is printed and walked by
    keyboard, too. A page is loaded once for all of it, because loading and axe cost more than every other check.
    """
    page.set_viewport_size(WIDE)
    page.goto(f"{site}/{lang}/{view}/{name}")
    page.add_script_tag(url=f"{site}/axe.min.js")
    found = page.evaluate(VIOLATIONS, [view != "standard", SEEN if view == "largest" else []])
    assert [(rule["id"], [node["html"][:120] for node in rule["nodes"]]) for rule in found] == []
    assert page.evaluate(SPOKEN) == {"lang": lang, "h1": 1, "unexplained": 0}
    assert_sizes(page, view)
    if lang == "zh-CN" and view != "elder" and name in REACHED:
        assert_works_by_keyboard_alone(page)
    if lang == "zh-CN" and view == "standard":
        assert_can_be_printed(page)
    for width in NARROW if lang == "en" else NARROW[:1]:
        page.set_viewport_size({"width": width, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert lang != "en" or page.evaluate(BROKEN_WORDS) == [], width


def assert_sizes(page: Page, view: str) -> None:
    """Targets, text and lines are as large as the view promises."""
    assert page.evaluate(SMALL_TARGETS, TARGET[view]) == []
    assert page.evaluate(SMALL_TEXT, {"standard": 14.4, "elder": 18, "largest": 25.5}[view]) == []
    assert page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") >= TEXT[view]
    assert page.evaluate(TIGHT_LINES) == []


def assert_works_by_keyboard_alone(page: Page) -> None:
    """The skip link comes first and works; Tab reaches everything in page order, visible and with a focus ring."""
    wanted, reached = page.evaluate(REACHABLE), []
    page.locator(".skip").focus()
    for _ in wanted:
        at = page.evaluate(FOCUSED)
        assert (at["seen"], at["ring"]) == (True, True), at["what"]
        reached.append(at["place"])
        page.keyboard.press("Tab")
    assert reached == wanted
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def assert_can_be_printed(page: Page) -> None:
    """On paper without backgrounds all text is dark, the help line is there, and no button is printed."""
    page.emulate_media(media="print")
    assert page.evaluate(PALE) == []
    assert page.locator(".hotline").is_visible()
    assert page.locator("button:visible, .button:visible").count() == 0
    page.emulate_media(media="screen")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_page_has_a_title_of_its_own(lang: str):
    """No two pages are announced with the same title, in either language; states of one page may share it."""
    pages, announced = sample_app().test_client(), defaultdict(set)
    for scene in scenes(lang):
        title = re.search(r"<title>([^<]+)</title>", pages.get(f"/{lang}/standard/{scene.name}").text)
        announced[title[1]].add(scene.template)
    assert {title: templates for title, templates in announced.items() if len(templates) > 1} == {}


def test_forced_colours_keep_what_colours_said(site: str, page: Page):
    """With the system's own colours a refused event still has its mark, and focus a ring."""
    page.emulate_media(forced_colors="active")
    page.goto(f"{site}/zh-CN/standard/account-activity")
    marks = page.evaluate("""() => [...document.querySelectorAll(".log li")].map(e => getComputedStyle(e, "::before"))
      .map(mark => [parseFloat(mark.borderTopWidth) > 3, mark.borderTopLeftRadius])""")
    assert [drawn for drawn, _ in marks] == [True, True]
    assert len({shape for _, shape in marks}) == 2
    page.emulate_media(forced_colors="none")


def test_wrong_answer_has_the_focus(site: str, chromium: Browser):
    """After a mistake the focus is on the summary, without any script."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/zh-CN/standard/login-wrong")
    assert page.locator(".summary:focus").count() == 1
    page.keyboard.press("Tab")
    assert page.locator("a[href='#identifier']:focus").count() == 1
    context.close()


def test_password_is_shown_and_hidden_under_the_policy(site: str, chromium: Browser):
    """The toggle works under the real policy and names its next action, and no page violates the policy."""
    page = chromium.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    for name in NAMES:
        page.route("**/form-post.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
        page.goto(f"{site}/zh-CN/standard/{name}?hostile=yes")
    page.goto(f"{site}/zh-CN/standard/login")
    page.fill("#password", "春江花月夜")
    page.click("text=显示密码")
    assert page.get_attribute("#password", "type") == "text"
    assert page.get_attribute(".reveal", "aria-pressed") is None  # "hide, pressed" would be contradictory
    page.click("text=隐藏密码")
    assert page.get_attribute("#password", "type") == "password"
    assert [problem for problem in problems if "favicon" not in problem] == []
    page.close()


def test_form_post_needs_no_script(site: str, chromium: Browser):
    """Without script the response of a login reaches the relying system by a button."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/zh-CN/standard/form-post")
    with page.expect_request("**/callback") as sent:
        page.click("text=继续")
    assert sent.value.post_data == "code=sample&state=af0"
    context.close()


@pytest.mark.parametrize(
    ("name", "buttons"), [("session-warning", ["继续使用", "退出登录"]), ("session-last", ["知道了", "退出登录"])]
)
def test_the_end_of_a_session_is_announced_and_answered_by_keyboard(
    site: str, page: Page, name: str, buttons: list[str]
):
    """The dialog takes and keeps the focus, counts down, also in the title, and closes on Escape."""
    page.set_viewport_size(WIDE)
    page.goto(f"{site}/zh-CN/elder/{name}")
    dialog = page.get_by_role("alertdialog")
    assert dialog.is_visible()
    assert page.title().startswith(dialog.locator("h2").inner_text())
    assert dialog.locator("form input[name=csrf_token]").count() == (name == "session-warning")
    seen = []
    for _ in range(2):
        at = page.evaluate(FOCUSED)
        assert (at["seen"], at["ring"]) == (True, True), at["what"]
        seen.append(page.evaluate("document.activeElement.textContent"))
        page.keyboard.press("Tab")
    assert seen == buttons
    before = page.get_by_role("timer").inner_text()
    page.wait_for_function(
        "before => document.getElementById('session-warning-left').textContent !== before", arg=before
    )
    page.keyboard.press("Escape")
    assert not dialog.is_visible()


def test_a_page_whose_session_is_over_asks_the_server(site: str, chromium: Browser):
    """When the session ends the page reloads, so personal data does not stay on the screen."""
    page = chromium.new_page()
    page.clock.install()
    page.goto(f"{site}/zh-CN/standard/session-warning")
    with page.expect_navigation():
        page.clock.run_for(153_000)
    page.close()


def test_the_time_limit_is_said_without_script(site: str, chromium: Browser):
    """The time and the button are part of the page; the dialog is not."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/en/standard/session-warning")
    assert page.get_by_text("you are logged out at 10:32").first.is_visible()
    assert page.locator(".session-end button").is_visible()
    assert not page.locator("dialog").is_visible()
    context.close()
