"""The pages of staff: signing in, the second factor, setting it up, and who is signed in. STAFF_PAGES lists them.

They exist only where a directory of staff is configured. No page of citizens links here or reads this session.
"""

from __future__ import annotations

import flask

from idp.web.pages.staff.enrolment import staff_enrolment
from idp.web.pages.staff.overview import staff_overview
from idp.web.pages.staff.second_factor import staff_second_factor
from idp.web.pages.staff.sign_in import staff_sign_in

STAFF_PAGES: tuple[flask.Blueprint, ...] = (
    staff_sign_in,
    staff_second_factor,
    staff_enrolment,
    staff_overview,
)
