"""Dataset versions: list, show, draw, remove.

tunesmith datasets list
"""

from typing import Any

import click

from tunesmith.cli.command import command


@click.group()
def main() -> None:
    """Look at dataset versions, and remove those no longer wanted."""


def _show_list(result: dict[str, Any]) -> None:
    for row in result["versions"]:
        mark = "latest" if row["latest"] else ""
        click.echo(
            f"{row['name']:20} {row['version']}  {row['created'][:16]}  {row['kept']:7d} pieces "
            f"{row['chunks']:9d} chunks {row['bytes'] / 1e6:8.1f} MB  {mark}"
        )
    if not result["versions"]:
        click.echo("No dataset yet. Make one: tunesmith ingest SOURCE --name NAME")


@command(show=_show_list)
def _list(*, store: str | None) -> dict[str, Any]:
    """List every version of every dataset."""
    from tunesmith.artifacts.manifest import (
        dataset_names,
        dataset_versions,
        latest_version,
        read_manifest,
    )
    from tunesmith.artifacts.store import Store

    opened = Store(store)
    rows = []
    for name in dataset_names(opened):
        latest = latest_version(opened, name)
        manifests = [read_manifest(opened, name, v) for v in dataset_versions(opened, name)]
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
    click.echo(f"{result['name']} {result['version']} of {result['created']}")
    for source in result["sources"]:
        click.echo(f"  from {source['uri']}: {source['found']} files")
    told = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
    click.echo(f"  {told}")
    for label, count in sorted(result["labels"].items(), key=lambda pair: (-pair[1], pair[0])):
        click.echo(f"  {count:6d}  {label}")
    for table, files in result["tables"].items():
        size = sum(file["bytes"] for file in files) / 1e6
        rows = sum(file["rows"] for file in files)
        click.echo(f"  {table:12} {rows:9d} rows {len(files):4d} files {size:8.1f} MB")
    click.echo(f"  in {result['folder']}")


@command(show=_show_one)
@click.argument("name")
@click.option("--version", metavar="HASH", help="Which version  [default: the latest]")
def _show(*, store: str | None, name: str, version: str | None) -> dict[str, Any]:
    """Show one version: its sources, counts, labels and tables."""
    from tunesmith.artifacts.store import Store
    from tunesmith.datasets.reader import open_dataset

    dataset = open_dataset(Store(store), name, version)
    return {**dataset.manifest.model_dump(mode="json"), "folder": dataset.path()}


def _show_card(result: dict[str, Any]) -> None:
    click.echo(f"wrote {result['card']}")


@command(show=_show_card, extras=("train",))
@click.argument("name")
@click.option("--version", metavar="HASH", help="Which version  [default: the latest]")
def _card(*, store: str | None, name: str, version: str | None) -> dict[str, Any]:
    """Draw the data card of one version, an HTML page beside its manifest."""
    from tunesmith.artifacts.store import Store
    from tunesmith.datasets.reader import open_dataset
    from tunesmith.reports.data_card import write_card

    dataset = open_dataset(Store(store), name, version)
    return {"name": dataset.name, "version": dataset.version, "card": write_card(dataset)}


def _show_removed(result: dict[str, Any]) -> None:
    rest = f"latest is now {result['latest']}" if result["latest"] else "no version is left"
    click.echo(f"removed {result['name']} {result['version']}; {rest}")


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
main.add_command(_remove, "remove")
