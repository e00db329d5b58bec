"""The composition root: the only place that wires. Settings go in, the WSGI application of one process comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from accounts.errors import VaultKeyMismatch
from idp import logs
from idp.adapters.channels import CHANNELS
from idp.adapters.channels.channel import Channel
from idp.adapters.channels.web import WEB
from idp.login import dispatcher
from idp.login.sessions import SessionLifetimes
from idp.oidc.endpoints.authorization import answers_by_form
from idp.oidc.endpoints.paths import AUTHORIZATION
from idp.oidc.endpoints.router import EndpointRouter
from idp.oidc.messages import MAX_BODY, Reply, Request
from idp.services import Services, build_services, require_own_keys
from idp.settings import Settings
from idp.web import errors, pages, request_security, routes
from idp.web.front import Front
from idp.web.pages import form_post, layout
from idp.web.public_origin import at_origin
from idp.web.source_address import SourceAddress
from idp.web.views import DeclaredFlask

_TEMPLATES = Path(__file__).parent.parent / "templates"


def create_app(settings: Settings) -> Front:
    """The WSGI application: protocol endpoints straight from the front, pages through Flask. It keeps a log.

    Raises SystemExit, with code, cause and cure, where the database is sealed under other keys.
    """
    logs.to_standard_error()
    services = build_services(settings, channels=channels(settings))
    try:
        require_own_keys(services)
    except VaultKeyMismatch as refused:
        raise SystemExit(f"{refused.code}: {refused.cause}\n→ {refused.cure}") from None
    return serve(services)


def serve(services: Services) -> Front:
    """The same for services that are built already: how tests bring their own clock and database."""
    services = replace(services, form_post_page=form_post.page)
    machine = EndpointRouter(services.provider)
    handlers: dict[str, Callable[[Request], Reply | None]] = dict.fromkeys(machine.endpoints, machine.handle)
    handlers[AUTHORIZATION.path] = _authorize(services)
    return Front(
        handlers=handlers,
        fallback=at_origin(flask_app(services).wsgi_app, services.settings.origin),
        refuse=machine.refuse,
        for_people=frozenset({AUTHORIZATION.path}),
        source=SourceAddress(services.settings.proxies(), services.settings.proxy_header),
    )


def channels(settings: Settings) -> tuple[Channel, ...]:
    """CHANNELS, with the lifetimes this deployment has chosen for the web."""
    lifetimes = SessionLifetimes(idle=settings.web_idle, absolute=settings.web_absolute)
    web = Channel(WEB.name, WEB.steps, lifetimes, WEB.ceiling, WEB.shares_session)
    return tuple(web if channel is WEB else channel for channel in CHANNELS)


def flask_app(services: Services) -> DeclaredFlask:
    """The pages. Raises UndeclaredView for a view that does not say for whom it is."""
    app = DeclaredFlask("yitong", template_folder=str(_TEMPLATES), static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY  # and no SECRET_KEY: there is no Flask session to open and sign
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True, "autoescape": True}
    app.extensions["yitong"] = services
    layout.install(app)
    request_security.protect(app, services)
    errors.register(app)
    app.register_blueprint(routes.routes)
    for page in pages.PAGES:
        app.register_blueprint(page)
    app.add_url_rule("/static/<path:filename>", "static", routes.static_file)
    app.add_url_rule("/favicon.ico", "favicon", routes.favicon)
    return app


def _authorize(services: Services) -> Callable[[Request], Reply | None]:
    def handle(request: Request) -> Reply | None:
        """None for whatever needs a page: Flask asks again, and draws it. An answer by form_post is one, too."""
        try:
            if request.method not in AUTHORIZATION.methods or answers_by_form(request):
                return None
            return dispatcher.authorize(services, request, services.clock())
        except Exception:  # noqa: BLE001 - nothing was written, and the second attempt reports
            return None

    return handle
