"""Form post: the page that carries an answer to the client by POST, with a button for whoever runs no script.

No route leads here: the protocol calls it for an answer that is asked for by `response_mode=form_post`.
"""

from __future__ import annotations

import flask

from idp.oidc.endpoints.authorization import FormPost
from idp.pages.frame import speak
from idp.pages.words import named
from idp.services import unit_of_work


def page(form: FormPost) -> bytes:
    """The page in the reader's language and view. Its one script runs under the nonce of the answer's own policy."""
    speak(form.ui_locales)
    flask.g.csp_nonce = form.nonce
    client = unit_of_work().services.clients.get(form.client_id)
    return flask.render_template(
        "oidc/form_post.html",
        redirect_uri=form.action,
        fields=form.fields,
        client_name=named(client.name, client.name_en) if client else "",
    ).encode()
