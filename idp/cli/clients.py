"""Commands about relying systems."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
from rich.table import Column, Table

from accounts.database import Connection
from accounts.errors import Conflict
from accounts.identifiers import divisions
from idp.cli.context import CommandContext, command_context
from idp.cli.terminal import USAGE, CommandError, out
from idp.oidc.clients import assertions, registry
from idp.oidc.clients.authentication import ASSERTION_AUDIENCE, ASSERTION_AUDIENCES, AUTHENTICATION_METHODS
from idp.oidc.clients.client import HELPERS, SERVES
from idp.oidc.consent import claims
from idp.oidc.endpoints.registration import Policy
from idp.oidc.grants import GRANT_TYPES
from idp.oidc.representation import Serves
from idp.oidc.tokens import token_store
from idp.oidc.tokens.secret import digest, new_secret
from idp.oidc.untrusted_json import UnreadableJson, read_object
from idp.oidc.vocabulary import INITIAL_ACCESS_PREFIX, SIGNING_ALGORITHMS


def read_keys(ctx: click.Context, param: click.Parameter, value: Path | None) -> dict[str, Any] | None:  # noqa: ARG001 - click's signature
    """The file's JWK Set, if it can be registered. Raises CommandError, or InvalidClientMetadata with the cure."""
    if value is None:
        return None
    try:
        jwks = read_object(value.read_bytes())
    except UnreadableJson:
        cause, cure = "The file is no JSON object that we read.", 'Write a JWK Set: {"keys": [ … ]}, with public keys.'
        raise CommandError("keys_unreadable", cause, cure, USAGE) from None
    assertions.check_keys(jwks)
    return jwks


JWKS = click.option(
    "--jwks",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    callback=read_keys,
    help="A file with the public keys (JWK Set) of a system that proves itself by private_key_jwt; replaces all.",
)
AUDIENCE = click.option(
    "--assertion-audience",
    type=click.Choice(ASSERTION_AUDIENCES),
    help="What `aud` of its assertions may be: the issuer alone (the default), or the token endpoint, too.",
)
SERVES_OPTION = click.option(
    "--serves",
    type=click.Choice([serves.value for serves in Serves]),
    help="Whom it serves: persons (the default), organisations, or both; people choose for whom they act.",
)
HELPERS_OPTION = click.option(
    "--helpers/--no-helpers",
    default=None,
    help="Whether a person may act there for a parent, a child or another person whose helper they are.",
)
_WITHOUT_PKCE = click.option(
    "--without-pkce",
    is_flag=True,
    help="For a confidential client whose library cannot send a challenge, and for the conformance suite.",
)

LEGAL_BASES = ("statutory_duty", "consent", "separate_consent", "guardian_consent", "contract")


@click.group("clients")
def clients_group() -> None:
    """Relying systems."""


@clients_group.command("add")
@click.argument("client_id")
@click.option("--name", required=True, help="What people read, in Chinese.")
@click.option("--name-en", required=True, help="What people read, in English.")
@click.option("--purpose", required=True, help="What the facts are needed for; shown to people.")
@click.option("--purpose-en", required=True, help="The same in English.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, help="Where answers go; may be repeated.")
@click.option("--post-logout-redirect-uri", "post_logout", multiple=True, help="Where people go after signing out.")
@click.option("--backchannel-logout-uri", default=None, help="Who is told of sign-outs.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    default=("openid", "profile"),
    show_default=True,
    help="What it may ask for; their claims are its ceiling. With client_credentials also scopes of its own.",
)
@click.option(
    "--grant-type",
    "grant_types",
    multiple=True,
    type=click.Choice(GRANT_TYPES),
    default=("authorization_code", "refresh_token"),
    show_default=True,
    help="What it may send to the token endpoint; may be repeated.",
)
@click.option("--division", default="510500", show_default=True, help="Whose system it is, as a division code.")
@click.option(
    "--legal-basis",
    type=click.Choice(LEGAL_BASES),
    default="consent",
    show_default=True,
    help="Why the facts may be given; chooses notice or consent.",
)
@click.option(
    "--auth-method",
    type=click.Choice(AUTHENTICATION_METHODS),
    default="client_secret_basic",
    show_default=True,
    help="How it proves itself; none for a public client.",
)
@click.option(
    "--id-token-alg",
    "id_token_signed_response_alg",
    type=click.Choice(SIGNING_ALGORITHMS),
    default="ES256",
    show_default=True,
    help="RS256 for libraries that know nothing else.",
)
@JWKS
@AUDIENCE
@SERVES_OPTION
@HELPERS_OPTION
@_WITHOUT_PKCE
@command_context
def clients_add(context: CommandContext, /, client_id: str, scopes: tuple[str, ...], **options: Any) -> None:
    """Register CLIENT_ID and show its secret, this once."""
    check_division(options["division"])
    stored = {name: options.pop(name) for name in ("jwks", ASSERTION_AUDIENCE, SERVES, HELPERS)}
    new = registry.NewClient(
        client_id=client_id,
        scopes=scopes,
        claims_ceiling=claims.of_scopes(scopes),
        post_logout_redirect_uris=options.pop("post_logout"),
        token_endpoint_auth_method=options.pop("auth_method"),
        require_pkce=not options.pop("without_pkce"),
        metadata={name: value for name, value in stored.items() if value is not None},
        **options,
    )
    with context.transaction() as c:
        _, secret = registry.create(c, new, now=context.now)
        context.record(c, "administrator:client:create", client=client_id)
    out.print(f"client_id      {client_id}\nclient_secret  {secret or '(none)'}")
    out.print(f"issuer         {context.services.settings.issuer}")


@clients_group.command("list")
@command_context
def clients_list(context: CommandContext) -> None:
    """Every relying system; `clients show` tells the rest of one."""
    # A Chinese name is one word of wide characters. Folding keeps it whole; the usual ellipsis would cut it.
    table = Table(Column("client_id", no_wrap=True), Column("名称 name", overflow="fold"), "basis", "status")
    with context.transaction() as c:
        for client in registry.every(c):
            table.add_row(client.client_id, client.name, client.legal_basis, client.status)
    out.print(table)


@clients_group.command("show")
@click.argument("client_id")
@command_context
def clients_show(context: CommandContext, client_id: str) -> None:
    """Everything that is registered of CLIENT_ID, without its secrets."""
    with context.transaction() as c:
        row = known(c, client_id).row()
        row["old_secret_live"] = row["previous_secret_digest"] is not None
    for name in (name for name in row if not name.endswith("_digest")):
        value = " ".join(row[name]) if isinstance(row[name], list) else row[name]
        out.print(f"{name:<36}{'' if value is None else value}", highlight=False, markup=False, soft_wrap=True)


@clients_group.command("secret")
@click.argument("client_id")
@command_context
def clients_secret(context: CommandContext, client_id: str) -> None:
    """Give CLIENT_ID a new secret, shown this once; the old one works until the next, or `end-old-secret`."""
    with context.transaction() as c:
        client = known(c, client_id)
        if not client.has_secret:
            cause = f"The client proves itself by {client.token_endpoint_auth_method}: a secret would open nothing."
            raise CommandError("no_secret", cause, "See token_endpoint_auth_method in `yitong clients show`.")
        try:
            secret = registry.rotate_secret(c, client, now=context.now)
        except Conflict:
            raise changed_meanwhile() from None
        context.record(c, "administrator:secret:rotate", client=client_id)
    out.print(secret, highlight=False)


@clients_group.command("end-old-secret")
@click.argument("client_id")
@command_context
def clients_end_old_secret(context: CommandContext, client_id: str) -> None:
    """End the secret that CLIENT_ID had before its newest, at once: when all of it has changed over, or it leaked."""
    with context.transaction() as c:
        ended = registry.end_old_secret(c, known(c, client_id), now=context.now)
        if ended:
            context.record(c, "administrator:secret:end", client=client_id)
    message = "the old secret opens nothing any more" if ended else "there was no old secret; nothing was changed"
    out.print(f"{client_id}: {message}", highlight=False)


@clients_group.command("invite")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    default=("openid", "profile"),
    show_default=True,
    help="What it may ever ask for.",
)
@click.option(
    "--grant-type",
    "grant_types",
    multiple=True,
    type=click.Choice(GRANT_TYPES),
    default=Policy().grant_types,
    show_default=True,
    help="What it may register for; may be repeated.",
)
@click.option("--uses", default=1, show_default=True, type=click.IntRange(1), help="How many systems may register.")
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 365), help="How long it is good.")
@click.option("--division", default="510500", show_default=True, help="Whose systems they are.")
@_WITHOUT_PKCE
@command_context
def clients_invite(context: CommandContext, /, uses: int, days: int, *, without_pkce: bool, **options: Any) -> None:
    """Make an initial access token with which a system registers itself (RFC 7591)."""
    check_division(options["division"])
    may = {"division": options["division"], **{name: list(options[name]) for name in ("scopes", "grant_types")}}
    with context.transaction() as c:
        policy = {**may, "require_pkce": not without_pkce}
        token = invite(c, policy, uses=uses, until=context.now + timedelta(days=days), now=context.now)
        detail = {"uses": uses, "days": days, **may}
        context.record(c, "administrator:client:invite", detail=detail)
    out.print(token, highlight=False)


def invite(c: Connection, policy: dict[str, Any], *, uses: int, until: datetime, now: datetime) -> str:
    """Store an initial access token for `uses` registrations within the policy until `until`, and return it."""
    token = new_secret(INITIAL_ACCESS_PREFIX)
    row = {"digest": digest(token), "policy": policy, "created_at": now, "expires_at": until, "uses_left": uses}
    c.execute(token_store.INSERT_INITIAL_ACCESS, **row)
    return token


@clients_group.command("disable")
@click.argument("client_id")
@command_context
def clients_disable(context: CommandContext, client_id: str) -> None:
    """Stop CLIENT_ID: within a second no code, token or request of it is good."""
    _change_status(context, client_id, "disabled", "administrator:client:disable")


@clients_group.command("enable")
@click.argument("client_id")
@command_context
def clients_enable(context: CommandContext, client_id: str) -> None:
    """Let CLIENT_ID work again. Tokens of it that have not run out meanwhile are good again, too."""
    _change_status(context, client_id, "active", "administrator:client:enable")


def changed_meanwhile() -> CommandError:
    """The error for a client that another administrator has changed in between."""
    cause = "Somebody else changed this client a moment ago."
    return CommandError("changed_meanwhile", cause, "See `yitong clients show`, then run the command again.")


def check_division(code: str) -> None:
    """Raises CommandError when no division, in use or retired, has the code."""
    if divisions.find(code) is None:
        raise CommandError(
            "unknown_division", "No division has that code.", "Use a six-digit code such as 510502.", USAGE
        )


def _change_status(context: CommandContext, client_id: str, status: str, event: str) -> None:
    with context.transaction() as c:
        before = known(c, client_id).status
        if before != status:
            registry.change_status(c, client_id, status, now=context.now)
            context.record(c, event, client=client_id)
    message = f"is {status}" if before != status else f"was {status} before; nothing was changed"
    out.print(f"{client_id} {message}", highlight=False)


def known(c: Connection, client_id: str) -> registry.Client:
    """The client as the database has it. Raises CommandError when there is none."""
    found = registry.read(c, client_id)
    if found is None:
        raise CommandError("unknown_client", "There is no client of that id.", "See `yitong clients list`.")
    return found
