"""The form_post page: it carries an answer to the client by POST, with a button for browsers without scripts.

No route leads here. The protocol calls it for an answer that a client requests with `response_mode=form_post`.
"""

from __future__ import annotations

import flask

from idp.oidc.endpoints.authorization import FormPost
from idp.services import unit_of_work
from idp.web.pages.drawing.formatting import localized_name
from idp.web.pages.drawing.layout import use_ui_locales


def page(form: FormPost) -> bytes:
    """The page in the reader's language and view. Its one script runs under the nonce of the answer's own policy."""
    use_ui_locales(form.ui_locales)
    flask.g.csp_nonce = form.nonce
    client = unit_of_work().services.clients.get(form.client_id)
    return flask.render_template(
        "oidc/form_post.html",
        redirect_uri=form.action,
        fields=form.fields,
        client_name=localized_name(client.name, client.name_en) if client else "",
    ).encode()
