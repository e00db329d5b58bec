"""What signing in needs from its process. `idp.services.Services` provides it, in a higher layer than this package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from accounts.database import Database
from accounts.people import People
from accounts.registration.proofing import Proofing
from accounts.vault import Vault
from idp.login.interaction import ChannelRules
from idp.oidc.clients.registry import ClientCache
from idp.oidc.endpoints.authorization import FormPostPage
from idp.oidc.provider import Provider


class CookieSettings(Protocol):
    """The setting that decides the names and attributes of cookies."""

    @property
    def is_secure(self) -> bool:
        """Whether the public address is https."""


class LoginContext(Protocol):
    """The parts of one process that the dispatcher uses. They are immutable and shared between threads."""

    @property
    def settings(self) -> CookieSettings:
        """The settings of this process."""

    @property
    def database(self) -> Database:
        """The database."""

    @property
    def vault(self) -> Vault:
        """The vault, which seals values that a client chose."""

    @property
    def people(self) -> People:
        """The persons."""

    @property
    def proofing(self) -> Proofing:
        """The checks of who a person is that this deployment can make."""

    @property
    def provider(self) -> Provider:
        """The OpenID Provider."""

    @property
    def clients(self) -> ClientCache:
        """The clients, cached."""

    @property
    def channels(self) -> Mapping[str, ChannelRules]:
        """The rules of each channel, by its name."""

    @property
    def form_post_page(self) -> FormPostPage:
        """The page that carries an answer to the client by POST."""
