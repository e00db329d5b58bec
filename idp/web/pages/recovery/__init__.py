"""The pages of a lost password: the journey, the way to stop one. RECOVERY_PAGES lists their blueprints."""

from __future__ import annotations

import flask

from idp.web.pages.recovery.cancel import cancel
from idp.web.pages.recovery.steps import recovery

RECOVERY_PAGES: tuple[flask.Blueprint, ...] = (cancel, recovery)
