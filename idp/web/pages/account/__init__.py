"""The account's pages: each asks or shows one thing. ACCOUNT_PAGES lists their blueprints."""

from __future__ import annotations

import flask

from idp.web.pages.account.activity import activity
from idp.web.pages.account.closing import closing
from idp.web.pages.account.contact import contact
from idp.web.pages.account.corrections import corrections
from idp.web.pages.account.devices import devices
from idp.web.pages.account.export import export
from idp.web.pages.account.facts import facts
from idp.web.pages.account.family.invite import helper_offer
from idp.web.pages.account.family.mine import family
from idp.web.pages.account.family.one import helper_relation
from idp.web.pages.account.older_accounts import older_accounts
from idp.web.pages.account.overview import overview
from idp.web.pages.account.releases import releases
from idp.web.pages.account.restriction import restriction
from idp.web.pages.account.services import services

ACCOUNT_PAGES: tuple[flask.Blueprint, ...] = (
    overview,
    facts,
    contact,
    corrections,
    devices,
    services,
    releases,
    older_accounts,
    activity,
    family,
    helper_offer,
    helper_relation,
    export,
    closing,
    restriction,
)
