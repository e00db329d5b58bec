"""From a client's request to its answer: which step is due, and the approval when none is. Knows no web framework."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from accounts.authentication import Authenticated
from accounts.db import Connection
from idp import sessions
from idp.interaction import Step
from idp.oidc.authorization_request import AuthorizationRequest
from idp.oidc.clients import Client
from idp.oidc.messages import Reply, Request
from idp.services import Services


class NotDue(Exception):  # noqa: N818 - names what happened
    """The step is not what this request needs next; the dispatcher knows what is."""

    def __init__(self, request_id: str) -> None:
        super().__init__("another step is due")
        self.request_id = request_id


class RequestGone(Exception):  # noqa: N818 - names what happened
    """The request is unknown, expired or answered. `client` is who asked, when that is still known."""

    def __init__(self, client: Client | None) -> None:
        super().__init__("the request is over")
        self.client = client


class OtherBrowser(Exception):  # noqa: N818 - names what happened
    """The request was started in another browser and is answered nowhere else."""


@dataclass(frozen=True, slots=True)
class Due:
    """What a step's page needs: the request, who asks, who is there (None before the login), and the step."""

    request: AuthorizationRequest
    client: Client
    session: sessions.Session | None
    step: Step
