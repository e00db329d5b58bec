"""Views declare their audience and what proves that a form is from this site. An undeclared view does not register."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import flask
from werkzeug.routing import BaseConverter

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_View = TypeVar("_View", bound=Callable[..., Any])
_RULES = "__yitong_view__"


class Audience(StrEnum):
    """For whom a view is."""

    ANYONE = "anyone"  # it does not matter who is there: login, language, signing out, files
    PERSON = "person"  # a person answering a client's request; `require_step` checks request, browser and step
    SIGNED_IN = "signed_in"  # a person with a session and every factor they set up; the view never runs without
    ONE_FACTOR = "one_factor"  # a person with a session that may still lack its second factor
    STAFF = "staff"  # a member of staff with both factors, whom the directory still knows
    STAFF_ONE_FACTOR = "staff_one_factor"  # a member of staff whose second factor is still missing
    RELYING_SYSTEM = "relying_system"  # sent here by a client through the browser; protocol checks apply


class Csrf(StrEnum):
    """What proves that a POST comes from a page of this site."""

    FORM = "form"  # a hidden `csrf_token` field, and no Origin or Sec-Fetch-Site that contradicts it
    READ_ONLY = "read_only"  # answers GET only and changes nothing
    PROTOCOL = "protocol"  # a client may send it cross-site by specification; it changes nothing by itself


@dataclass(frozen=True, slots=True)
class ViewRules:
    """What a view declared. `role` is `none` until the console brings administrators' roles.

    `acts_on_get`: its GET has an effect beyond the page (RFC 9110 §9.2.1), so HEAD is refused there.
    """

    audience: Audience
    csrf: Csrf
    role: str
    acts_on_get: bool = False


class UndeclaredView(Exception):
    """The view has no declared audience, role and CSRF mode, or it accepts POST while declared read-only."""


def view(*, audience: Audience, csrf: Csrf, role: str = "none", acts_on_get: bool = False) -> Callable[[_View], _View]:
    """The decorated function may be registered as a view; put it below the route decorator.

    Example::

        @login.post("/login/<id:request_id>")
        @view(audience=Audience.PERSON, csrf=Csrf.FORM)
        def submit(request_id: str) -> ResponseReturnValue: ...

    A view without it does not register: `create_app` raises UndeclaredView (docs/explanation/security-model.md).
    """

    def declare(function: _View) -> _View:
        setattr(function, _RULES, ViewRules(audience, csrf, role, acts_on_get))
        return function

    return declare


def rules_of(function: Callable[..., Any]) -> ViewRules:
    """What the view declared. Raises UndeclaredView when it declared nothing."""
    rules = getattr(function, _RULES, None)
    if not isinstance(rules, ViewRules):
        raise UndeclaredView(f"{function.__module__}.{function.__qualname__} needs @view(audience=…, csrf=…)")
    return rules


class IdConverter(BaseConverter):
    """`<id:…>` in a rule: a key as `accounts.database.new_id` makes it. Nothing else reaches a view or the database."""

    regex = "[0-9a-f]{32}"


class DeclaredFlask(flask.Flask):
    """A Flask application in which no undeclared view can be registered and no address is corrected.

    Each address has one spelling. werkzeug would answer any other with a redirect to an absolute URL that it builds.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.url_map.converters["id"] = IdConverter
        self.url_map.merge_slashes = False
        self.url_map.strict_slashes = False
        self.url_map.redirect_defaults = False

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Callable[..., Any] | None = None,
        provide_automatic_options: bool | None = None,  # noqa: FBT001 - Flask's own signature
        **options: Any,
    ) -> None:
        """The view answers at `rule`. Raises UndeclaredView if its declaration is missing or contradicts the rule."""
        if view_func is not None:
            rules = rules_of(view_func)
            writes = set(options.get("methods") or ()) - SAFE_METHODS
            if writes and rules.csrf is Csrf.READ_ONLY:
                raise UndeclaredView(f"{rule} takes {', '.join(sorted(writes))} but is declared read-only")
        super().add_url_rule(rule, endpoint, view_func, provide_automatic_options, **options)
        if view_func is not None and rules_of(view_func).acts_on_get:
            self._without_head(endpoint or view_func.__name__)

    def _without_head(self, endpoint: str) -> None:
        """HEAD is refused: it must change nothing (RFC 9110 §9.2.1), and werkzeug answers it by running GET."""
        for rule in self.url_map.iter_rules(endpoint):
            (rule.methods or set()).discard("HEAD")
