"""The table of passkeys, and every statement on it. `accounts.credentials.passkeys` runs these.

Nothing in it is secret: a public key opens nothing, and the other columns are random or flags. The name that the person
reads is made of known words for devices, so no free text is stored.
"""

from __future__ import annotations

import sqlalchemy as sa

from accounts.credentials.password import password_credentials
from accounts.database import Json, Statement, UtcDateTime, insert_unless_present, metadata
from accounts.merging.linking import linked_accounts
from accounts.people import natural_persons

passkeys = sa.Table(
    "passkeys",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), nullable=False, index=True),
    sa.Column("credential_id", sa.LargeBinary, nullable=False, unique=True),  # chosen by the authenticator
    sa.Column("user_handle", sa.LargeBinary, nullable=False),  # random, the same for all passkeys of the person
    sa.Column("public_key", sa.LargeBinary, nullable=False),  # COSE_Key (RFC 9052 §7)
    sa.Column("sign_count", sa.BigInteger, nullable=False),
    sa.Column("transports", Json, nullable=False),
    sa.Column("aaguid", sa.Text, nullable=False),  # the model of the authenticator, as it says itself
    sa.Column("is_backup_eligible", sa.Boolean, nullable=False),
    sa.Column("is_backed_up", sa.Boolean, nullable=False),
    sa.Column("made_on", sa.Text),  # known names of system and browser, as in sessions.user_agent
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("last_used_at", UtcDateTime),
)

_k = passkeys.c
_p = sa.bindparam
BY_CREDENTIAL = Statement(
    sa.select(
        passkeys,
        natural_persons.c.status.label("person_status"),
        natural_persons.c.updated_at.label("status_since"),
        password_credentials.c.changed_at.label("password_since"),
    )
    .select_from(passkeys)
    .join(natural_persons, natural_persons.c.id == _k.person_id)
    .outerjoin(password_credentials, password_credentials.c.person_id == _k.person_id)
    .where(_k.credential_id == _p("of_credential"))
)
_presented = _p("presented", type_=sa.BigInteger)
_counts_on = sa.or_(_k.sign_count < _presented, sa.and_(_k.sign_count == 0, _presented == 0))
# A counter that does not move on belongs to a copy of the key (WebAuthn §6.1.1). Zero means that there is no counter.
USE = Statement(
    sa.update(passkeys)
    .where(_k.id == _p("passkey"), _counts_on)
    .values(
        sign_count=_presented, is_backed_up=_p("backed_up", type_=sa.Boolean), last_used_at=_p("now", type_=UtcDateTime)
    )
)
INSERT = Statement(insert_unless_present(passkeys), columns=[c.key for c in _k])
OF_PERSON = Statement(sa.select(passkeys).where(_k.person_id == _p("of_person")).order_by(_k.created_at, _k.id))
# Whether the person has a password, and whether an older system's password was ever taken over for them.
OTHER_WAYS = Statement(
    sa.select(
        sa.exists().where(password_credentials.c.person_id == _p("of_person")).label("password"),
        sa.exists()
        .where(linked_accounts.c.person_id == _p("of_person"), linked_accounts.c.adopted_at.is_not(None))
        .label("adopted"),
    )
)
REMOVE_ALL = Statement(sa.delete(passkeys).where(_k.person_id == _p("of_person")))
_other = passkeys.alias()
_has_other_way = sa.or_(
    sa.exists().where(password_credentials.c.person_id == _k.person_id),
    sa.exists().where(_other.c.person_id == _k.person_id, _other.c.id != _k.id),
)
REMOVE = Statement(sa.delete(passkeys).where(_k.id == _p("passkey"), _k.person_id == _p("of_person"), _has_other_way))
