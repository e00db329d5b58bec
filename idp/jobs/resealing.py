"""Every sealed column, of the domain and of the layers above it, for moving all of them to a new vault key.

A test lists the columns that hold bytes and fails for one that is neither here nor known to be a digest. If a key is
retired while something is still sealed under it, that data is lost.
"""

from __future__ import annotations

from accounts.credentials import one_time_codes as one_time_code_store
from accounts.credentials import recovery_codes, totp
from accounts.credentials.external import federated_identity_store
from accounts.credentials.external.federated_identity_store import federated_identifiers
from accounts.credentials.one_time_codes import one_time_codes
from accounts.registration import journey_store
from accounts.registration.journey_store import journeys
from accounts.vault import resealing
from accounts.vault.resealing import BlindIndex, SealedColumn
from idp.adapters.systems import sandbox
from idp.adapters.systems.sandbox import sandbox_messages
from idp.delivery.outbox import SEALED_MESSAGE, outbox
from idp.oidc.models import authorization_requests, signing_keys
from idp.oidc.requests import request_store
from idp.oidc.tokens import keys
from idp.rights.tables import APPEAL_ANSWER, APPEAL_TEXT, CORRECTION_ANSWER, CORRECTION_TEXT, appeals, corrections
from idp.staff import members as staff_member_store
from idp.staff import second_factor as staff_second_factor
from idp.staff.members import staff_members

SEALED: tuple[SealedColumn, ...] = (
    *resealing.SEALED,
    SealedColumn(
        federated_identifiers.c.id,
        sealed=federated_identifiers.c.sealed,
        place=federated_identity_store.PLACE,
        index=BlindIndex(federated_identifiers.c.blind_index, federated_identifiers.c.kind),
    ),
    SealedColumn(totp.totp_credentials.c.id, sealed=totp.totp_credentials.c.sealed, place=totp.PLACE),
    SealedColumn(
        recovery_codes.recovery_codes.c.id, sealed=recovery_codes.recovery_codes.c.sealed, place=recovery_codes.PLACE
    ),
    SealedColumn(
        staff_members.c.id,
        sealed=staff_members.c.sealed,
        place=staff_member_store.PLACE,
        index=BlindIndex(staff_members.c.staff_index, staff_member_store.KIND, staff_member_store.staff_id_of),
    ),
    SealedColumn(
        staff_second_factor.staff_authenticators.c.member_id,
        sealed=staff_second_factor.staff_authenticators.c.sealed,
        place=staff_second_factor.PLACE,
    ),
    SealedColumn(signing_keys.c.kid, sealed=signing_keys.c.private_sealed, place=keys.PLACE),
    SealedColumn(authorization_requests.c.id, sealed=authorization_requests.c.sealed, place=request_store.WORDED),
    SealedColumn(journeys.c.handle_digest, sealed=journeys.c.sealed, place=journey_store.JOURNEY),
    SealedColumn(outbox.c.id, sealed=outbox.c.sealed, place=SEALED_MESSAGE),
    SealedColumn(one_time_codes.c.handle_digest, sealed=one_time_codes.c.sealed, place=one_time_code_store.PLACE),
    SealedColumn(sandbox_messages.c.id, sealed=sandbox_messages.c.sealed, place=sandbox.PLACE),
    SealedColumn(corrections.c.id, sealed=corrections.c.sealed, place=CORRECTION_TEXT),
    SealedColumn(corrections.c.id, sealed=corrections.c.answer, place=CORRECTION_ANSWER),
    SealedColumn(appeals.c.id, sealed=appeals.c.sealed, place=APPEAL_TEXT),
    SealedColumn(appeals.c.id, sealed=appeals.c.answer, place=APPEAL_ANSWER),
)
