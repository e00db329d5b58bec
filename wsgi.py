"""The WSGI application of one process; `granian --interface wsgi wsgi:application`."""

from idp.app import create_app
from idp.settings import load

application = create_app(load())
