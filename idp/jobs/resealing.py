"""Every sealed column, of the domain and of the layers above it, for moving all of them to a new vault key.

A test lists the columns that hold bytes and fails for one that is neither here nor known to be a digest. If a key is
retired while something is still sealed under it, that data is lost.
"""

from __future__ import annotations

from accounts.credentials import recovery_codes, totp
from accounts.vault import resealing
from accounts.vault.resealing import SealedColumn
from idp.adapters.systems import sandbox
from idp.adapters.systems.sandbox import sandbox_messages
from idp.delivery.outbox import SEALED_MESSAGE, outbox
from idp.oidc.models import authorization_requests, signing_keys
from idp.oidc.requests import request_store
from idp.oidc.tokens import keys

SEALED: tuple[SealedColumn, ...] = (
    *resealing.SEALED,
    SealedColumn(totp.totp_credentials.c.id, sealed=totp.totp_credentials.c.sealed, place=totp.PLACE),
    SealedColumn(
        recovery_codes.recovery_codes.c.id, sealed=recovery_codes.recovery_codes.c.sealed, place=recovery_codes.PLACE
    ),
    SealedColumn(signing_keys.c.kid, sealed=signing_keys.c.private_sealed, place=keys.PLACE),
    SealedColumn(authorization_requests.c.id, sealed=authorization_requests.c.sealed, place=request_store.WORDED),
    SealedColumn(outbox.c.id, sealed=outbox.c.sealed, place=SEALED_MESSAGE),
    SealedColumn(sandbox_messages.c.id, sealed=sandbox_messages.c.sealed, place=sandbox.PLACE),
)
