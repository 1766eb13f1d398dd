"""``tunesmith keys``: add, limit, list and revoke API keys."""

from typing import Any

import click

from tunesmith.cli.command import command
from tunesmith.cli.tables import Column, print_table

__all__ = ["main"]

_COLUMNS = (Column("name"), Column("requests per minute", right=True), Column("hash", rank=1))


@click.group()
def main() -> None:
    """Add, limit, list and revoke the API keys of a store's servers."""


@command(show=lambda result: click.echo(result["key"]))
@click.argument("name")
@click.option(
    "--per-minute",
    type=click.IntRange(min=1),
    default=600,
    show_default=True,
    help="Most requests per minute, for each replica.",
)
def _add(*, store: str | None, name: str, per_minute: int) -> dict[str, Any]:
    """Add a key called NAME and print it. It is not stored and cannot be printed again."""
    from tunesmith.artifacts.api_keys import add_key
    from tunesmith.artifacts.store import Store

    return {"name": name, "key": add_key(Store(store), name, per_minute)}


def _show_list(result: dict[str, Any]) -> None:
    if not result["keys"]:
        click.echo("There is no key yet. Add one: tunesmith keys add NAME")
        return
    rows = [
        [key["name"], f"{key['requests_per_minute']:,}", key["sha256"][:12]]
        for key in result["keys"]
    ]
    print_table(_COLUMNS, rows)


@command(show=_show_list)
def _list(*, store: str | None) -> dict[str, Any]:
    """List the keys by name, with the start of the hash of each."""
    from tunesmith.artifacts.api_keys import read_keys
    from tunesmith.artifacts.store import Store

    keys = read_keys(Store(store))
    return {"keys": [key.model_dump(exclude={"schema_version"}) for key in keys]}


@command(
    show=lambda result: click.echo(
        f"{result['name']} may send {result['requests_per_minute']:,} requests per minute."
    ),
    extras=("serve",),
)
@click.argument("name")
@click.option(
    "--per-minute",
    type=click.IntRange(min=1),
    required=True,
    help="Most requests per minute, for each replica.",
)
def _limit(*, store: str | None, name: str, per_minute: int) -> dict[str, Any]:
    """Change the rate limit of the key called NAME. The key itself stays the same."""
    from tunesmith.artifacts.api_keys import limit_key
    from tunesmith.artifacts.store import Store

    limit_key(Store(store), name, per_minute)
    return {"name": name, "requests_per_minute": per_minute}


@command(show=lambda result: click.echo(f"{result['revoked']} is revoked."))
@click.argument("name")
def _revoke(*, store: str | None, name: str) -> dict[str, Any]:
    """Revoke the key called NAME."""
    from tunesmith.artifacts.api_keys import revoke_key
    from tunesmith.artifacts.store import Store

    revoke_key(Store(store), name)
    return {"revoked": name}


main.add_command(_add, "add")
main.add_command(_limit, "limit")
main.add_command(_list, "list")
main.add_command(_revoke, "revoke")
