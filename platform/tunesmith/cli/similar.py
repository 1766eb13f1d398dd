"""``tunesmith similar PIECE``: which piece of a dataset a file of music is."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from tunesmith.cli.command import command
from tunesmith.cli.tables import Column, print_table

__all__ = ["main"]

_PIECES = (
    Column("piece", folds=True),
    Column("label"),
    Column("onsets in order", right=True),
    Column("strength", right=True),
)


def _show(result: dict[str, Any]) -> None:
    match = result["match"]
    searched = f"{result['dataset']} {result['version']}"
    if match is None:
        click.echo(f"{result['piece']} is not in {searched}.")
    else:
        click.echo(f"{result['piece']} is {match['path']} of {searched}.")
    rows = [
        [row["path"], row["label"] or "", f"{row['in_order']:,}", f"{row['strength']:.2f}"]
        for row in result["pieces"]
    ]
    if rows:
        print_table(_PIECES, rows)
        click.echo("A strength of 1 or more means the same music.")


@command(show=_show, table=True)
@click.argument("piece", type=click.Path(path_type=Path), metavar="PIECE")
@click.option("--dataset", required=True, metavar="NAME", help="Dataset to search.")
@click.option("--version", metavar="HASH", help="Version  [the latest]")
@click.option(
    "--limit", type=click.IntRange(min=1), default=10, show_default=True, metavar="N",
    help="Most pieces to list.",
)  # fmt: skip
def main(
    *, store: str | None, piece: Path, dataset: str, version: str | None, limit: int
) -> dict[str, Any]:
    """Find the pieces of a dataset that are the same music as PIECE, a whole piece or an excerpt.

    Key and tempo do not matter, nor do some wrong notes.

    \b
    Examples:
      tunesmith similar excerpt.mid --dataset mine
      tunesmith similar excerpt.mid --dataset mine --json
    """
    from tunesmith.api.similar import find_similar
    from tunesmith.artifacts.store import Store

    answer = find_similar(Store(store), piece, dataset, version, limit)
    return {
        "piece": str(piece),
        "dataset": answer.dataset,
        "version": answer.version,
        "match": asdict(answer.match) if answer.match else None,
        "pieces": [asdict(row) for row in answer.pieces],
    }
