"""The conformance suite's browser automation, as far as our configurations use it, with a browser without script.

The rules are the suite's: URLs are matched with `*` for anything, a task whose URL does not match is skipped if
optional and a failure otherwise, and a selector that finds nothing is a failure.
"""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from tests.fixtures.relying_party import Browser, Form, Page

_TAG = re.compile(r"<[^>]+>")
_BUTTON = re.compile(r"button\[value='([a-z_]+)'\]")
_SCRIPT = re.compile(r'<script src="([^"]+)" nonce="([^"]+)" defer></script>')
_SUBMITS = re.compile(r'^document\.getElementById\("([a-z-]+)"\)\.submit\(\);$', re.MULTILINE)

Entry = dict[str, Any]


def matches(pattern: str, url: str) -> bool:
    """Whether the URL matches by the rules of Spring's simpleMatch."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), url) is not None


@dataclass
class Arrival:
    """Where the automation ended, by which method, and with which parameters."""

    url: str
    method: str
    parameters: dict[str, str]


@dataclass
class Automation:
    """One module's browser: it keeps its cookies between visits."""

    browser: Browser
    entries: list[Entry]
    screenshots: list[str] = field(default_factory=list)
    typed: Form | None = None

    def visit(self, url: str, method: str = "GET") -> Arrival:
        """Performs the first entry that matches the URL."""
        entry = next(entry for entry in self.entries if matches(entry["match"], url))
        self._go(url, method)
        for task in entry["tasks"]:
            if not matches(task["match"], self._arrival().url):
                assert task.get("optional"), f"{task['task']}: {self._arrival().url}\n{self._page.text[:1500]}"
                continue
            for command in task.get("commands", ()):
                self._do(*command)
        return self._arrival()

    @property
    def _page(self) -> Page:
        assert self.browser.page is not None
        return self.browser.page

    def _go(self, url: str, method: str) -> None:
        if method == "GET":
            self.browser.get(url)
            return
        path, _, query = url.partition("?")
        self.browser.post(path, dict(parse_qsl(query)), headers={})

    def _arrival(self) -> Arrival:
        """The arrival after a form that submits itself, as in any browser with script."""
        page, form = self._page, self._posted_by_script()
        if form is not None:
            return Arrival(form.action, "POST", form.fields)
        return Arrival(page.url, "GET", page.answer)

    def _posted_by_script(self) -> Form | None:
        """The form that the page's script submits, after checking that the page's policy allows the script."""
        page = self._page
        for path, nonce in _SCRIPT.findall(page.text):
            assert f"script-src 'nonce-{nonce}'" in page.headers["Content-Security-Policy"]
            script = self.browser.http.get(path, base_url=self.browser.site.issuer, buffered=True)
            assert (script.status_code, script.mimetype) == (200, "text/javascript")
            for name in _SUBMITS.findall(script.get_data(as_text=True)):
                (form,) = page.forms
                assert page.text.count(f'<form id="{name}" method="post"') == 1
                return form
        return None

    def _do(self, name: str, by: str, target: str, *more: Any) -> None:
        if name == "text":
            self._type(target, more[0])
        elif name == "click":
            self._click(_BUTTON.fullmatch(target).group(1))  # type: ignore[union-attr]  # no match is a failed test
        elif (name, by) == ("wait", "match"):
            assert re.match(target, self._arrival().url)
        elif target != "submission_complete":  # which is on the suite's own page
            self._wait(target, *more)

    def _type(self, target: str, text: str) -> None:
        assert f'id="{target}"' in self._page.text
        self.typed = self.typed or self._page.form_with(target)
        self.typed.fields[target] = text

    def _click(self, value: str) -> None:
        form, self.typed = self.typed or self._page.form_with(f"answer={value}"), None
        assert ("answer", value) in form.buttons
        self.browser.submit(form, answer=value)

    def _wait(self, target: str, _seconds: int, pattern: str, _action: str) -> None:
        _, _, inside = self._page.text.partition(f'<main id="{target}"')
        shown = _TAG.sub(" ", inside)
        assert re.search(pattern, shown), f"no {pattern} on {self._page.url}: {shown[:800]}"
        self.screenshots.append(pattern)
