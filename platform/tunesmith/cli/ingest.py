"""Sources of MIDI to a dataset version.

tunesmith ingest corpus.zip --name corpus
"""

import sys
from collections import Counter
from typing import Any

import click

from tunesmith.cli.command import command, echo
from tunesmith.errors import UsageError


def _show(result: dict[str, Any]) -> None:
    if "would_read" in result:
        click.echo(f"would read {result['would_read']} files, ignore {result['ignored']}")
        for label, count in result["labels"].items():
            click.echo(f"  {count:6d}  {label}")
        for reject in result["rejects"]:
            click.echo(f"  cannot be read: {reject['path']}: {reject['message']}")
        return
    counts, leak = result["counts"], result["leak"]
    click.echo(f"dataset    {result['name']} {result['version']}")
    click.echo(
        f"files      {counts['found']} found = {counts['kept']} kept + {counts['duplicate']} "
        f"duplicate + {counts['rejected']} rejected; {counts['ignored']} others ignored"
    )
    click.echo(f"content    {counts['chunks']} chunks, {counts['notes']} notes")
    labels = sorted(result["labels"].items(), key=lambda pair: -pair[1])
    told = ", ".join(f"{label} {count}" for label, count in labels[:6])
    more = f", and {len(labels) - 6} more" if len(labels) > 6 else ""
    click.echo(f"labels     {told}{more}; {counts['unlabelled']} pieces without one")
    click.echo(
        f"duplicates {counts['byte_duplicate_groups']} groups of identical bytes; "
        f"{leak['in_clusters']} pieces share their music with another "
        f"({counts['clusters']} clusters)"
    )
    share = leak["leaked"] / leak["held_out"] if leak["held_out"] else 0.0
    click.echo(
        f"leak       a random split would have put {leak['leaked']} of {leak['held_out']} held-out "
        f"pieces ({share:.1%}) beside their own duplicate; splits here keep clusters whole"
    )
    if "card" in result:
        click.echo(f"card       {result['card']}")


class _Counter:
    """One line of progress on stderr, rewritten in place on a terminal."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()

    def __call__(self, done: int, total: int) -> None:
        if self._live:
            click.echo(f"\r{done} of {total} files", err=True, nl=done == total)


@command(show=_show, extras=("train",))
@click.argument("sources", nargs=-1, required=True)
@click.option("--name", required=True, help="Name of the dataset.")
@click.option(
    "--label",
    metavar="RULE",
    help="auto, folder, prefix, none, regex:PATTERN or csv:PATH (columns path,label)  [auto]",
)
@click.option("--composers", metavar="A,B,…", help="Keep these composers only.")
@click.option("--composer-table", type=click.Path(), help="YAML that extends the table of names.")
@click.option("--frames-per-second", type=float, help="Frame rate of the rolls  [10]")
@click.option("--chunk-frames", type=int, help="Frames of a chunk  [150]")
@click.option("--hop-frames", type=int, help="Frames from chunk to chunk  [--chunk-frames]")
@click.option(
    "--loss-budget", type=float, help="Share of files that may be rejected, else failure  [0.05]"
)
@click.option(
    "--parameters",
    type=click.Path(),
    help="YAML with any of these and the limits; options win.",
)
@click.option("--dry-run", is_flag=True, help="Tell what would be read and labelled; read nothing.")
@click.option("--card", is_flag=True, help="Draw the data card as well.")
@click.option("--address", help="Ray cluster to join  [default: RAY_ADDRESS, else start one here]")
def main(
    *,
    store: str | None,
    sources: tuple[str, ...],
    name: str,
    label: str | None,
    composers: str | None,
    composer_table: str | None,
    frames_per_second: float | None,
    chunk_frames: int | None,
    hop_frames: int | None,
    loss_budget: float | None,
    parameters: str | None,
    dry_run: bool,
    card: bool,
    address: str | None,
) -> dict[str, Any]:
    """Make a dataset version of folders, archives, globs or URIs of MIDI files.

    Archives may be nested; music21:bach or music21:bach:80 stands for scores of that collection of
    the music21 corpus. Every file is kept, a duplicate, or in the table of rejects. Running
    it again reads only what is new; after an interruption it continues.
    """
    from tunesmith.cluster.connection import connect
    from tunesmith.ingestion.collections import expand_collections, is_collection
    from tunesmith.ingestion.inventory import take_inventory
    from tunesmith.ingestion.parameters import load_parameters
    from tunesmith.ingestion.pipeline import ingest

    wanted = tuple(part.strip() for part in (composers or "").split(",") if part.strip())
    chosen = {
        "frames_per_second": frames_per_second,
        "chunk_frames": chunk_frames,
        "hop_frames": hop_frames,
        "label": label,
        "composers": wanted or None,
        "composer_table": composer_table,
        "loss_budget": loss_budget,
    }
    made = load_parameters(parameters, {k: v for k, v in chosen.items() if v is not None})
    if dry_run and any(map(is_collection, sources)):
        message = "A music21 collection has no files until it is written out: leave --dry-run away."
        raise UsageError(message)
    roots = expand_collections(sources, start_ray=lambda: connect(address), say=echo)
    if dry_run:
        inventory = take_inventory(roots, made)
        labels = Counter(file.label or "(no label)" for file in inventory.labelled)
        return {
            "would_read": len(inventory.labelled),
            "ignored": inventory.listing.ignored.total() + inventory.unwanted,
            "labels": dict(labels.most_common()),
            "rejects": [{"path": r.path, "message": r.message} for r in inventory.unlisted],
        }
    from tunesmith.artifacts.store import Store

    opened = Store(store)
    manifest = ingest(
        opened,
        roots,
        name,
        made,
        start_ray=lambda: connect(address),
        on_progress=_Counter(),
    )
    shown = {"name", "version", "content_hash", "counts", "labels", "leak", "sources"}
    result = manifest.model_dump(mode="json", include=shown)
    if card:
        from tunesmith.datasets.reader import Dataset
        from tunesmith.reports.data_card import write_card

        result["card"] = write_card(Dataset(opened, manifest))
    return result
