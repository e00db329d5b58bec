"""What the export has of each table: how a person's rows are found, and which columns are opened or left out.

EXPORTED lists every table with rows about a person, and each of their columns is either in the copy or left out for a
reason. NOT_EXPORTED has the tables that are left out. A test reads the schema and a database that is full of one
person, and fails for a table or column that is in neither.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa

from accounts.audit import audit_events
from accounts.credentials.external import federated_identity_store
from accounts.credentials.external.federated_identity_store import federated_identifiers, federated_identities
from accounts.credentials.passkeys.passkey_store import passkeys
from accounts.credentials.password import password_credentials
from accounts.credentials.password_rules.history import password_history, password_profiles
from accounts.credentials.recovery_codes import recovery_codes
from accounts.credentials.throttle import throttle_counters
from accounts.credentials.totp import totp_credentials
from accounts.database import Statement
from accounts.evidence import evidence
from accounts.merging import linking
from accounts.merging.linking import linked_accounts
from accounts.merging.tables import separations
from accounts.organisations.delegation_store import delegations
from accounts.people import ATTRIBUTES, IDENTIFIER, PHONE, natural_persons, person_identifiers, person_phones
from accounts.people.family.family_store import helper_relations
from accounts.people.recovery.recoveries import recoveries
from accounts.people.restriction import restrictions
from accounts.vault import Vault
from idp.login.session_store import session_clients, sessions
from idp.oidc.models import authorization_requests, grants, refresh_tokens, refusals, releases, subjects
from idp.rights.tables import (
    APPEAL_ANSWER,
    APPEAL_TEXT,
    CORRECTION_ANSWER,
    CORRECTION_TEXT,
    account_closures,
    appeals,
    corrections,
    link_disputes,
)

_SEARCH_KEY = "a key to search by; it is computed from what is in the copy"
_SECRET = "a secret: who had the file could act as the person"  # noqa: S105 - a reason, not a secret
_OURS = "about our processing, not about the person"

Opener = Callable[[Vault, Any], Any]


def _opened(place: str) -> Opener:
    return lambda vault, sealed: None if sealed is None else vault.open(sealed, place=place)


def _opened_json(place: str) -> Opener:
    return lambda vault, sealed: orjson.loads(vault.open(sealed, place=place))


def _login_name(vault: Vault, sealed: bytes | None) -> str | None:
    return linking.indexed_login(vault.open(sealed, place=linking.SECRET)) if sealed is not None else None


def _kind_of_actor(_: Vault, actor: str | None) -> str | None:
    """Whether an operator, a clerk or a job acted. The account of that colleague is their datum, not the person's."""
    return None if actor is None else actor.partition(":")[0]


@dataclass(frozen=True, slots=True)
class ExportedTable:
    """One table: how a person's rows are found, how sealed columns are opened, and which columns are left out, why."""

    table: sa.Table
    about: str
    rows: Statement
    opened: Mapping[str, tuple[str, Opener]]
    left_out: Mapping[str, str]

    @property
    def name(self) -> str:
        """The name of the table, and of its member in the copy."""
        return self.table.name

    def copied(self) -> tuple[str, ...]:
        """The names of the members of one row in the copy, in the order of the columns."""
        kept = (name for name in self.table.c.keys() if name not in self.left_out)  # noqa: SIM118 - column names
        return tuple(self.opened[name][0] if name in self.opened else name for name in kept)

    def copied_row(self, vault: Vault, row: Any) -> dict[str, Any]:
        """The row as it is in the copy. Raises SealBroken."""
        found = {}
        for name in self.table.c.keys():  # noqa: SIM118 - column names
            value = getattr(row, name)
            if name in self.opened:
                member, open_value = self.opened[name]
                found[member] = open_value(vault, value)
            elif name not in self.left_out:
                found[name] = value
        return found


_person: sa.BindParameter[str] = sa.bindparam("person", type_=sa.Text)
_released = sa.select(releases.c.request_id).where(releases.c.person_id == _person, releases.c.request_id.is_not(None))


def _table(
    table: sa.Table,
    about: str,
    *found_by: sa.ColumnElement[bool],
    opened: Mapping[str, tuple[str, Opener]] | None = None,
    left_out: Mapping[str, str] | None = None,
) -> ExportedTable:
    terms = found_by or (table.c.person_id == _person,)
    order = list(table.primary_key.columns)
    rows = Statement(sa.select(table).where(*terms).order_by(*order))
    return ExportedTable(table, about, rows, opened or {}, left_out or {})


EXPORTED: tuple[ExportedTable, ...] = (
    _table(
        natural_persons,
        "The account: its status, and the recorded name, birth date, sex, e-mail and address.",
        natural_persons.c.id == _person,
        opened={"attributes": ("attributes", _opened_json(ATTRIBUTES))},
    ),
    _table(
        person_identifiers,
        "Identity documents, in full, with the time in which each was in use.",
        opened={"sealed": ("number", _opened(IDENTIFIER))},
        left_out={"blind_index": _SEARCH_KEY},
    ),
    _table(
        person_phones,
        "Telephone numbers, in full, and when each was verified.",
        opened={"sealed": ("number", _opened(PHONE))},
        left_out={"blind_index": _SEARCH_KEY},
    ),
    _table(
        evidence,
        "Each check of the identity: which, by whom, when, until when.",
    ),
    _table(
        password_credentials,
        "That there is a password, where it came from and when it changed.",
        left_out={"sealed": _SECRET},
    ),
    _table(
        password_profiles,
        "Which rules the password must follow, where they are not those of citizens.",
    ),
    _table(
        password_history,
        "When earlier passwords were replaced, without the passwords.",
        left_out={"sealed": _SECRET},
    ),
    _table(
        totp_credentials,
        "Authenticator apps that were set up.",
        left_out={"sealed": _SECRET, "last_step": _OURS, "attempts": _OURS, "attempts_until": _OURS},
    ),
    _table(
        recovery_codes,
        "When recovery codes were made and used, without the codes.",
        left_out={"sealed": _SECRET},
    ),
    _table(
        passkeys,
        "Passkeys: the device and the model that made each, and when it was used. They hold public keys only.",
        left_out={
            "credential_id": "chosen by the authenticator, which has it",
            "user_handle": "random; the authenticator has it",
            "public_key": "computed by the authenticator, which has the private key",
            "sign_count": _OURS,
        },
    ),
    _table(
        federated_identities,
        "Accounts of WeChat and Alipay that the person bound, to sign in with.",
    ),
    _table(
        federated_identifiers,
        "What these platforms call the bound accounts.",
        opened={"sealed": ("identifier", _opened(federated_identity_store.PLACE))},
        left_out={"blind_index": _SEARCH_KEY},
    ),
    _table(
        throttle_counters,
        "Networks and browsers that are known because the person signed in there, and failed attempts.",
        throttle_counters.c.subject == _person,
        throttle_counters.c.counter.in_(
            [sa.literal(name, sa.Text) for name in ("pair", "stranger", "newcomer", "familiar", "browser")]
        ),
    ),
    _table(sessions, "Devices that are or were signed in lately.", left_out={"handle_digest": _SECRET}),
    _table(
        session_clients,
        "The services that each of these sessions was used for.",
        session_clients.c.session_id.in_(sa.select(sessions.c.id).where(sessions.c.person_id == _person)),
    ),
    _table(
        grants,
        "What the person agreed to or was told, for each service, and when it was withdrawn.",
    ),
    _table(
        refusals,
        "Services that the person refused, how often, and until when it counts.",
    ),
    _table(
        subjects,
        "The name (`sub`) by which each sector of services knows the person.",
    ),
    _table(
        releases,
        "The ledger: which service received which facts, when, why and on what legal basis.",
    ),
    _table(
        authorization_requests,
        "Logins to services of the last day, and those whose tokens are still valid.",
        authorization_requests.c.id.in_(_released),
        authorization_requests.c.person_id + "" == _person,  # found by its key: nothing else of the person leads here
        left_out={
            "sealed": "the service's own text; it is deleted when the service has its answer",
            "client_state": "as `sealed`, of an earlier release",
            "nonce": "as `sealed`, of an earlier release",
            "login_hint": "as `sealed`, of an earlier release",
            "code_challenge": _OURS,
            "browser_binding": _SECRET,
            "code_digest": _SECRET,
        },
    ),
    _table(
        refresh_tokens,
        "Permissions of services to renew their access, without the tokens themselves.",
        refresh_tokens.c.request_id.in_(_released),
        refresh_tokens.c.person_id + "" == _person,
        left_out={"digest": _SECRET},
    ),
    _table(
        delegations,
        "For which organisations the person acts or acted, in which matters, and until when.",
        left_out={
            "appointed_by": "the key of another person",
            "appointed_under": _OURS,
            "invitee": "empty since the invitation was answered",
            "invitee_kind": "as `invitee`",
            "invitee_index": "as `invitee`",
        },
    ),
    _table(
        helper_relations,
        "Who acts for the person, and for whom the person acts: relation, proof, matters, period, and how it ended.",
        sa.or_(helper_relations.c.helped_id == _person, helper_relations.c.helper_id == _person),
        left_out={
            "invitee": "the name and number of somebody else, erased when they answer",
            "invitee_kind": "as `invitee`",
            "invitee_index": "as `invitee`",
        },
    ),
    _table(
        linked_accounts,
        "Accounts of older systems that are linked to the person, and by which rule.",
        opened={"secret": ("login_name", _login_name)},
        left_out={"login_index": _SEARCH_KEY, "recipe": _OURS},
    ),
    _table(
        separations,
        "Accounts of older systems that were decided not to be the person's.",
    ),
    _table(
        link_disputes,
        "Links of which the person said that they are wrong, and what was decided.",
        opened={"decided_by": ("decided_by", _kind_of_actor)},
    ),
    _table(
        corrections,
        "Corrections that the person asked for, and the answers.",
        opened={
            "sealed": ("text", _opened(CORRECTION_TEXT)),
            "answer": ("answer", _opened(CORRECTION_ANSWER)),
            "decided_by": ("decided_by", _kind_of_actor),
        },
    ),
    _table(
        restrictions,
        "Restrictions of the account: reason, papers, and where to appeal.",
        opened={"imposed_by": ("imposed_by", _kind_of_actor), "lifted_by": ("lifted_by", _kind_of_actor)},
    ),
    _table(
        appeals,
        "Appeals against a restriction, and the answers.",
        opened={
            "sealed": ("text", _opened(APPEAL_TEXT)),
            "answer": ("answer", _opened(APPEAL_ANSWER)),
            "decided_by": ("decided_by", _kind_of_actor),
        },
    ),
    _table(
        account_closures,
        "Requests to close the account, and what became of them.",
    ),
    _table(
        recoveries,
        "Requests for a new password that had to wait or came from a counter, and what became of them.",
        opened={"begun_by": ("begun_by", _kind_of_actor), "confirmed_by": ("confirmed_by", _kind_of_actor)},
        left_out={"code_digest": _SECRET, "cancel_digest": _SECRET},
    ),
    _table(
        audit_events,
        "The activity: everything that happened in the person's name.",
        opened={"actor": ("actor", _kind_of_actor)},
        left_out={"batch": _OURS, "position": _OURS, "seal": _OURS},
    ),
)
NOT_EXPORTED: dict[str, str] = {
    "access_tokens": "it lives for at most an hour and is found by its digest alone; `releases` has what it gave",
    "merge_journal": "the operators' record of a merge; the links that it made are in `linked_accounts`",
    "outbox": "messages on their way; a message is erased when it was delivered",
    "one_time_codes": "a code on its way to a phone; it is void after five minutes and deleted within the hour",
    "journeys": "a registration that is not finished; it has no account yet and is deleted within the hour",
    "sending_counters": "how many codes were sent of late; counted by a key, and deleted after a day",
    "call_counters": "how often the registers were asked of late; counted by a key, and deleted within the hour",
    "recovery_journeys": "a browser on the way to a new password; deleted within the hour",
    "merge_runs": "about an export of an older system as a whole",
}
