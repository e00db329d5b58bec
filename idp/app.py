"""The composition root, the only place that wires: from settings to the WSGI application of one process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from accounts.credentials.password_rules.breach_list import BreachListRefused
from accounts.errors import VaultKeyMismatch
from idp import logs
from idp.adapters.channels import CHANNELS
from idp.adapters.channels.channel import Channel
from idp.adapters.channels.web import WEB
from idp.adapters.systems.identity_providers.configuration import IdentityProviderMisconfigured
from idp.login import dispatcher
from idp.login.sessions import SessionLifetimes
from idp.oidc.endpoints.authorization import answers_by_form
from idp.oidc.endpoints.paths import AUTHORIZATION, JWKS, OPENID_CONFIGURATION, SERVER_METADATA
from idp.oidc.endpoints.router import EndpointRouter
from idp.oidc.errors import BadParameters
from idp.oidc.messages import MAX_BODY, Reply, Request
from idp.services import Services, build_services, require_own_keys
from idp.settings import Settings
from idp.web import errors, health, pages, request_security, routes
from idp.web.admission import OF_PAGES, PATIENCE, Lane, aside
from idp.web.cookies import KNOWN_BROWSERS, full_name
from idp.web.front import Environ, Front
from idp.web.pages.drawing import form_post, layout
from idp.web.public_origin import at_origin
from idp.web.source_address import SourceAddress
from idp.web.views import DeclaredFlask

FROM_MEMORY = frozenset(path.path for path in (JWKS, OPENID_CONFIGURATION, SERVER_METADATA))
_TEMPLATES = Path(__file__).parent.parent / "templates"


def create_app(settings: Settings) -> Front:
    """The WSGI application. The front answers protocol endpoints itself and gives pages to Flask. It writes a log.

    Raises SystemExit, with code, cause and cure, when the database is sealed under other keys, or a file that the
    settings name cannot be used: the breach list, or that of WeChat and Alipay.
    """
    logs.to_standard_error()
    try:
        services = build_services(settings, channels=channels(settings), aside=aside)
        require_own_keys(services)
    except (VaultKeyMismatch, IdentityProviderMisconfigured) as refused:
        raise SystemExit(f"{refused.code}: {refused.cause}\n→ {refused.cure}") from None
    except BreachListRefused as refused:
        raise SystemExit(f"{refused.code}: {refused.detail}\n→ {refused.cure}") from None
    return serve(services)


def serve(services: Services) -> Front:
    """The same for services that are already built, such as those of tests with their own clock and database."""
    services = replace(services, form_post_page=form_post.page)
    router = EndpointRouter(services.provider)
    handlers: dict[str, Callable[[Request], Reply | None]] = dict.fromkeys(router.endpoints, router.handle)
    handlers[AUTHORIZATION.path] = _authorize(services)
    handlers |= {health.READY: health.ready(services.database), **dict.fromkeys(health.ALIVE, health.alive)}
    return Front(
        handlers=handlers,
        fallback=at_origin(flask_app(services).wsgi_app, services.settings.origin),
        refuse=router.refuse,
        for_people=frozenset({AUTHORIZATION.path}),
        source=SourceAddress(services.settings.proxies(), services.settings.proxy_header),
        lanes=_lanes(services, router.endpoints),
        pages=_lane(services, max(1, services.settings.concurrent_requests // 2), OF_PAGES),
        is_full=_is_full(services),
    )


def _lanes(services: Services, machines: Iterable[str]) -> dict[str, Lane]:
    """Which paths wait in which lane. A path with a handler and without a lane is answered from memory.

    Shorter requests get more places: to wait for a place and be woken costs as much as half a token.
    """
    places = services.settings.concurrent_requests
    of_machines = _lane(services, 4 * places)
    lanes = {path: of_machines for path in machines if path not in FROM_MEMORY}
    return lanes | {AUTHORIZATION.path: _lane(services, 2 * places), health.READY: _lane(services, 1)}


def _lane(services: Services, places: int, patience: timedelta = PATIENCE) -> Lane:
    return Lane(places, patience=patience, leaving=services.database.release)


def _is_full(services: Services) -> Callable[[Environ], bool]:
    """A stranger's login that finds too many waiting for a password check is refused before it costs a page.

    A browser with a cookie of known browsers is let in, because only the login can verify the cookie: it takes the
    person. A forged cookie gains a place in the lane and no priority at the password check.
    """
    cookie = f"{full_name(KNOWN_BROWSERS, secure=services.settings.is_secure)}="

    def is_full(environ: Environ) -> bool:
        is_login = environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"].startswith("/login")
        is_login = is_login and not environ["PATH_INFO"].endswith("/passkey")  # checks no password
        return is_login and services.hasher.is_crowded() and cookie not in environ.get("HTTP_COOKIE", "")

    return is_full


def channels(settings: Settings) -> tuple[Channel, ...]:
    """CHANNELS, with the session lifetimes that this deployment's settings give the web."""
    lifetimes = SessionLifetimes(idle=settings.web_idle, absolute=settings.web_absolute)
    web = Channel(WEB.name, WEB.steps, lifetimes, WEB.ceiling, WEB.shares_session)
    return tuple(web if channel is WEB else channel for channel in CHANNELS)


def flask_app(services: Services) -> DeclaredFlask:
    """The pages. Raises UndeclaredView for a view that does not declare who may see it."""
    app = DeclaredFlask("yitong", template_folder=str(_TEMPLATES), static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY  # no SECRET_KEY: there is no Flask session to read and sign
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
        """None for a request that Flask answers: one that needs a page from the start, such as for form_post."""
        try:
            needs_page = request.method not in AUTHORIZATION.methods or answers_by_form(request)
        except BadParameters:
            needs_page = True
        return None if needs_page else dispatcher.authorize(services, request, services.clock())

    return handle
