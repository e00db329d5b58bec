"""The end-session endpoint (OpenID Connect RP-Initiated Logout 1.0 §2): where the browser goes after the logout.

`idp.oidc.requests.logout` reads and checks the request. The session module ends the session.
A page asks the person.
"""

from __future__ import annotations

from idp.oidc.endpoints.authorization import with_query
from idp.oidc.messages import NO_STORE, Reply
from idp.oidc.requests.logout import LogoutRequest


def signed_out_reply(logout: LogoutRequest) -> Reply | None:
    """303 to the client's registered URI with its `state`, or None if the signed-out page is to be shown."""
    uri = logout.post_logout_redirect_uri
    if uri is None:
        return None
    location = uri if logout.state is None else with_query(uri, (("state", logout.state),))
    return Reply(303, b"", (("Location", location), *NO_STORE, ("Referrer-Policy", "no-referrer")))
