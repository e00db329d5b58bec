"""`yitong clients set`: what an administrator may change about a relying system that is registered."""

from __future__ import annotations

from typing import Any

import click

from accounts.errors import Conflict
from idp.cli.clients import (
    AUDIENCE,
    HELPERS_OPTION,
    JWKS,
    LEGAL_BASES,
    SERVES_OPTION,
    changed_meanwhile,
    check_division,
    clients_group,
    known,
)
from idp.cli.context import CommandContext, command_context
from idp.cli.terminal import USAGE, CommandError, out
from idp.oidc.clients import registry
from idp.oidc.clients.authentication import ASSERTION_AUDIENCE, AUTHENTICATION_METHODS
from idp.oidc.clients.client import HELPERS, SERVES, Client
from idp.oidc.consent import claims
from idp.oidc.grants import GRANT_TYPES
from idp.oidc.vocabulary import SIGNING_ALGORITHMS

_MAY_BE_EMPTIED = ("home_uri", "backchannel_logout_uri", "legacy_system")


@clients_group.command("set")
@click.argument("client_id")
@click.option("--name", help="What people read, in Chinese.")
@click.option("--name-en", help="What people read, in English.")
@click.option("--purpose", help="What the facts are needed for; with another one people are told or asked anew.")
@click.option("--purpose-en", help="The same in English.")
@click.option("--division", help="Whose system it is, as a division code.")
@click.option("--legal-basis", type=click.Choice(LEGAL_BASES), help="Why the facts may be given; as --purpose.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, help="All of them: the list is replaced.")
@click.option("--post-logout-redirect-uri", "post_logout_redirect_uris", multiple=True, help="All of them.")
@click.option("--backchannel-logout-uri", help="Who is told of sign-outs; empty for none.")
@click.option("--home-uri", help="Where people are led back to; empty for none.")
@click.option("--scope", "scopes", multiple=True, help="All of them; a new one raises the ceiling by its claims.")
@click.option("--grant-type", "grant_types", multiple=True, type=click.Choice(GRANT_TYPES), help="All of them.")
@click.option(
    "--auth-method",
    "token_endpoint_auth_method",
    type=click.Choice(AUTHENTICATION_METHODS),
    help="How it proves itself. Secrets or keys that the new way does not use end; a first secret is shown, this once.",
)
@click.option(
    "--claim",
    "claims_ceiling",
    multiple=True,
    type=click.Choice([claim.name for claim in claims.CLAIMS]),
    help="The ceiling: every claim it may ever be given.",
)
@click.option("--sector", help="Systems of one sector know a person by one sub. A change gives everybody another sub.")
@click.option("--legacy-system", help="The older system whose user ids it may read; empty for none.")
@click.option(
    "--id-token-alg", "id_token_signed_response_alg", type=click.Choice(SIGNING_ALGORITHMS), help="Its ID tokens."
)
@click.option(
    "--with-pkce/--without-pkce", "require_pkce", default=None, help="Whether it must send PKCE (decision 7)."
)
@click.option(
    "--resource-server/--no-resource-server", default=None, help="Whether it may introspect everybody's tokens."
)
@JWKS
@AUDIENCE
@SERVES_OPTION
@HELPERS_OPTION
@click.option("--yes", is_flag=True, help="Do not ask before a change of sector.")
@command_context
def clients_set(context: CommandContext, /, client_id: str, yes: bool, **options: Any) -> None:  # noqa: FBT001 - click hands flags over so
    """Change what is registered of CLIENT_ID; what is not named stays. Tokens that are out obey within a second."""
    with context.transaction() as c:
        client = known(c, client_id)
    values = changed_values(client, options)
    if not values:
        raise CommandError(
            "nothing_to_change", "No option says what to change.", "See `yitong clients set --help`.", USAGE
        )
    if values.get("sector", client.sector) != client.sector and not yes:
        click.confirm("Every person gets another sub at this system. Go on?", abort=True)
    names, secret = _changed(context, client, values)
    out.print(f"{client_id}: {', '.join(names)}" if names else f"{client_id} was so before; nothing was changed")
    if secret is not None:
        out.print(f"client_secret  {secret}", highlight=False)


def _changed(context: CommandContext, client: Client, values: dict[str, Any]) -> tuple[tuple[str, ...], str | None]:
    """The names of the changed values, and a new secret if the client had none and needs one now."""
    secret = None
    try:
        with context.transaction() as c:
            names = registry.change(c, client, now=context.now, **values)
            if names:
                detail = {"changed": list(names)}
                context.record(c, "administrator:client:change", client=client.client_id, detail=detail)
            if not client.has_secret and known(c, client.client_id).has_secret:
                secret = registry.first_secret(c, client.client_id, now=context.now)
    except Conflict:
        raise changed_meanwhile() from None
    return names, secret


def changed_values(client: Client, options: dict[str, Any]) -> dict[str, Any]:
    """The client's new values, from the options that were given. Raises CommandError for an unknown division."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    stored = {
        name: given.pop(name)
        for name in ("resource_server", "jwks", ASSERTION_AUDIENCE, SERVES, HELPERS)
        if name in given
    }
    if "division" in given:
        check_division(given["division"])
    for name in ("redirect_uris", "post_logout_redirect_uris", "scopes", "claims_ceiling", "grant_types"):
        if name in given:
            given[name] = tuple(dict.fromkeys(part for part in given[name] if part))
    for name in _MAY_BE_EMPTIED:
        if given.get(name) == "":
            given[name] = None
    if given.get("sector") == "":
        given["sector"] = client.client_id  # an empty text would be one sector that unrelated systems share
    if "scopes" in given and "claims_ceiling" not in given:
        given["claims_ceiling"] = _ceiling(client, given["scopes"])
    if stored:
        given["metadata"] = {**client.metadata, **stored}
    return given


def _ceiling(client: Client, scopes: tuple[str, ...]) -> tuple[str, ...]:
    """The claims ceiling for the new scopes.

    Claims of removed scopes go, claims of added scopes come, and what somebody lowered stays lowered.
    """
    new = claims.of_scopes(scope for scope in scopes if scope not in client.scopes)
    allowed = frozenset(claims.of_scopes(scopes))
    return tuple(claim.name for claim in claims.by_names((*client.claims_ceiling, *new)) if claim.name in allowed)
