"""``tunesmith datasets``: list, show, draw, check and remove dataset versions."""

from typing import Any

import click

from tunesmith.cli import dataset_doctor
from tunesmith.cli.command import command
from tunesmith.cli.tables import Column, console, print_table
from tunesmith.cli.wording import count, local_time, size

_VERSIONS = (
    Column("dataset"),
    Column("version"),
    Column("made"),
    Column("pieces", right=True),
    Column("chunks", right=True, rank=2),
    Column("size", right=True, rank=1),
    Column(""),
)
_LABELS = (Column("pieces", right=True), Column("label", folds=True))
_TABLES = (
    Column("table"),
    Column("rows", right=True),
    Column("files", right=True),
    Column("size", right=True),
)


@click.group()
def main() -> None:
    """List, show, draw, check and remove dataset versions."""


def _show_list(result: dict[str, Any]) -> None:
    if not result["versions"]:
        click.echo("There is no dataset yet. Make one: tunesmith ingest SOURCE --name NAME")
        return
    rows = [
        [
            row["name"],
            row["version"],
            local_time(row["created"]),
            f"{row['kept']:,}",
            f"{row['chunks']:,}",
            size(row["bytes"]),
            "latest" if row["latest"] else "",
        ]
        for row in result["versions"]
    ]
    print_table(_VERSIONS, rows)


@command(show=_show_list, table=True)
def _list(*, store: str | None) -> dict[str, Any]:
    """List all versions of all datasets."""
    from tunesmith.artifacts.manifest import dataset_names, latest_version, readable_manifests
    from tunesmith.artifacts.store import Store

    opened = Store(store)
    rows = []
    for name in dataset_names(opened):
        latest = latest_version(opened, name)
        manifests = readable_manifests(opened, name)
        rows += [
            {
                "name": name,
                "version": m.version,
                "created": m.created,
                "kept": m.counts.kept,
                "chunks": m.counts.chunks,
                "bytes": sum(file.bytes for files in m.tables.values() for file in files),
                "latest": m.version == latest,
            }
            for m in sorted(manifests, key=lambda m: m.created)
        ]
    return {"versions": rows}


def _show_one(result: dict[str, Any]) -> None:
    counts = result["counts"]
    click.echo(
        f"{result['name']} version {result['version']}, made {local_time(result['created'])}"
    )
    for source in result["sources"]:
        click.echo(f"from {source['uri']}: {count(source['found'], 'file')}")
    named = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items())
    console().print(named)
    ranked = sorted(result["labels"].items(), key=lambda pair: (-pair[1], pair[0]))
    print_table(_LABELS, [[f"{number:,}", label] for label, number in ranked])
    rows = [
        [
            table,
            f"{sum(file['rows'] for file in files):,}",
            str(len(files)),
            size(sum(file["bytes"] for file in files)),
        ]
        for table, files in result["tables"].items()
    ]
    print_table(_TABLES, rows)
    click.echo(f"in {result['folder']}")


@command(show=_show_one, table=True)
@click.argument("name")
@click.option("--version", metavar="HASH", help="Version  [the latest]")
def _show(*, store: str | None, name: str, version: str | None) -> dict[str, Any]:
    """Show one version: its sources, counts, labels and tables."""
    from tunesmith.artifacts.store import Store
    from tunesmith.datasets.reader import open_dataset

    dataset = open_dataset(Store(store), name, version)
    return {**dataset.manifest.model_dump(mode="json"), "folder": dataset.path()}


def _show_card(result: dict[str, Any]) -> None:
    click.echo(f"Data card: {result['card']}")


@command(show=_show_card, extras=("train",))
@click.argument("name")
@click.option("--version", metavar="HASH", help="Version  [the latest]")
def _card(*, store: str | None, name: str, version: str | None) -> dict[str, Any]:
    """Draw the data card of one version, an HTML page beside its manifest."""
    from tunesmith.artifacts.store import Store
    from tunesmith.datasets.reader import open_dataset
    from tunesmith.reports.data_card import write_card

    dataset = open_dataset(Store(store), name, version)
    return {"name": dataset.name, "version": dataset.version, "card": write_card(dataset)}


def _show_removed(result: dict[str, Any]) -> None:
    rest = f"the latest is now {result['latest']}" if result["latest"] else "no version is left"
    click.echo(f"Removed {result['name']} {result['version']}; {rest}.")


@command(show=_show_removed)
@click.argument("name")
@click.argument("version")
def _remove(*, store: str | None, name: str, version: str) -> dict[str, Any]:
    """Remove one version for good."""
    from tunesmith.artifacts.manifest import remove_version
    from tunesmith.artifacts.store import Store

    latest = remove_version(Store(store), name, version)
    return {"name": name, "version": version, "latest": latest}


main.add_command(_list, "list")
main.add_command(_show, "show")
main.add_command(_card, "card")
main.add_command(dataset_doctor.main, "doctor")
main.add_command(_remove, "remove")
