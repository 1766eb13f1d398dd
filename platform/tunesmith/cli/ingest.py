"""``tunesmith ingest``: MIDI files from any source, made into a dataset version."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from tunesmith.cli.command import command, echo
from tunesmith.cli.progress import counting
from tunesmith.cli.tables import Column, print_table
from tunesmith.cli.wording import count
from tunesmith.errors import UsageError

if TYPE_CHECKING:
    from tunesmith.artifacts.corrections import AppliedCorrections

_LABELS = (Column("files", right=True), Column("label", folds=True))
_SUMMARY = (Column(""), Column("", folds=True))


def _show(result: dict[str, Any]) -> None:
    if "would_read" in result:
        kinds = ", ".join(f"{number:,} {suffix}" for suffix, number in result["suffixes"].items())
        click.echo(
            f"{count(result['would_read'], 'file')} would be read"
            + (f" ({kinds})" if kinds else "")
            + f", {result['ignored']:,} ignored."
        )
        print_table(_LABELS, [[f"{n:,}", label] for label, n in result["labels"].items()])
        for reject in result["rejects"]:
            click.echo(f"Cannot be read: {reject['path']}: {reject['message']}")
        for suffix, number in result["ignored_suffixes"].items():
            click.echo(f"Ignored: {count(number, 'file')}: {suffix}")
        for heading, text in _corrections(result):
            click.echo(f"{heading.capitalize()}: {text}")
        for notice in result["notices"]:
            click.echo(f"Check: {notice}")
        return
    print_table(_SUMMARY, list(_summary(result)))


def _why_ignored(suffix: str) -> str:
    """Return why files that were counted under a suffix are not read."""
    from tunesmith.ingestion.archives import UNREAD_ARCHIVES

    if suffix == "hidden":
        return "made by the operating system"
    if suffix in {"", "other"}:
        return "no suffix of MIDI or of a score"
    if suffix in UNREAD_ARCHIVES:
        return f"{suffix} is an archive of a kind that is not read"
    return f"{suffix} is no suffix of MIDI or of a score"


def _summary(result: dict[str, Any]) -> Iterator[list[str]]:
    """Yield the lines that account for every file, each with its heading."""
    counts, leak = result["counts"], result["leak"]
    yield ["dataset", f"{result['name']} {result['version']}"]
    yield [
        "files",
        (
            f"{counts['found']:,} found = {counts['kept']:,} kept + {counts['duplicate']:,} "
            f"duplicate + {counts['rejected']:,} rejected; {counts['ignored']:,} others ignored"
        ),
    ]
    yield ["content", f"{count(counts['chunks'], 'chunk')}, {count(counts['notes'], 'note')}"]
    labels = sorted(result["labels"].items(), key=lambda pair: -pair[1])
    named = ", ".join(f"{label} {number}" for label, number in labels[:6])
    more = f", and {len(labels) - 6} more" if len(labels) > 6 else ""
    unlabelled = counts["unlabelled"]
    yield ["labels", f"{named}{more}" + (f"; {unlabelled:,} without a label" if unlabelled else "")]
    yield [
        "duplicates",
        (
            f"{count(counts['byte_duplicate_groups'], 'group')} of identical files; "
            f"{leak['in_clusters']:,} pieces share their music with another one "
            f"({count(counts['clusters'], 'cluster')})"
        ),
    ]
    share = leak["leaked"] / leak["held_out"] if leak["held_out"] else 0.0
    yield [
        "leak",
        (
            f"a random split would have put {leak['leaked']:,} of {leak['held_out']:,} held-out "
            f"pieces ({share:.1%}) beside their own duplicate; splits here keep clusters whole"
        ),
    ]
    yield from _corrections(result)
    for notice in result["notices"]:
        yield ["check", notice]
    if "card" in result:
        yield ["card", str(result["card"])]


def _dumped(corrections: "AppliedCorrections | None") -> dict[str, Any]:
    """Return the rows of a correction table as part of the result; nothing without a table."""
    return {} if corrections is None else {"corrections": corrections.json_object()}


def _corrections(result: dict[str, Any]) -> Iterator[list[str]]:
    """Yield lines on the rows of a correction table: a count, and each that was not applied."""
    table = result.get("corrections")
    if table is None:
        return
    outcomes = Counter(row["outcome"] for row in table["rows"])
    applied = outcomes.pop("applied", 0)
    others = "".join(f"; {number:,} {outcome}" for outcome, number in outcomes.items())
    rows = count(len(table["rows"]), "row")
    yield ["corrections", f"{applied:,} of {rows} of {table['table']} applied{others}"]
    for row in table["rows"]:
        if row["outcome"] == "applied":
            continue
        label = f" {row['label_found']}" if row["outcome"] == "has another label" else ""
        change = f"{row['label_before'] or '(no label)'} to {row['label_after']}"
        yield ["not applied", f"{row['path']}, {change}: {row['outcome']}{label}"]


@command(
    show=_show,
    extras=("train",),
    continues=(),
    sections={
        "Labels": ("label", "composers", "composer_table", "corrections"),
        "Chunks": ("frames_per_second", "chunk_frames", "hop_frames"),
        "Rules": ("loss_budget", "parameters"),
        "Where": ("store", "address"),
    },
)
@click.argument("sources", nargs=-1, required=True)
@click.option("--name", required=True, help="Name of the dataset.")
@click.option("--card", is_flag=True, help="Draw the data card, one HTML page, as well.")
@click.option(
    "--dry-run", is_flag=True, help="Print the files and labels that would be read; read nothing."
)
@click.option(
    "--label",
    metavar="RULE",
    help="Source of the labels: auto, folder, prefix, none, regex:PATTERN or csv:PATH (columns "
    "of paths and labels)  [auto]",
)
@click.option("--composers", metavar="A,B,…", help="Keep only these composers.")
@click.option(
    "--composer-table",
    type=click.Path(),
    metavar="FILE",
    help="YAML with more spellings of composers' names; none keeps labels as they are written.",
)
@click.option(
    "--corrections",
    type=click.Path(),
    metavar="FILE",
    help="CSV of labels to correct, as tunesmith datasets doctor writes it.",
)
@click.option("--frames-per-second", type=float, metavar="N", help="Frame rate of the rolls  [10]")
@click.option("--chunk-frames", type=int, metavar="N", help="Frames in a chunk  [150]")
@click.option(
    "--hop-frames",
    type=int,
    metavar="N",
    help="Frames from the start of one chunk to the next  [--chunk-frames]",
)
@click.option(
    "--loss-budget",
    type=float,
    metavar="SHARE",
    help="Share of files that may be rejected; more is an error  [0.05]",
)
@click.option(
    "--parameters",
    type=click.Path(),
    metavar="FILE",
    help="YAML with any of these options and the limits; options win.",
)
@click.option(
    "--address", metavar="HOST:PORT", help="Ray cluster to join  [RAY_ADDRESS, else start Ray here]"
)
def main(
    *,
    store: str | None,
    sources: tuple[str, ...],
    name: str,
    label: str | None,
    composers: str | None,
    composer_table: str | None,
    corrections: str | None,
    frames_per_second: float | None,
    chunk_frames: int | None,
    hop_frames: int | None,
    loss_budget: float | None,
    parameters: str | None,
    dry_run: bool,
    card: bool,
    address: str | None,
) -> dict[str, Any]:
    """Read MIDI files from SOURCES into a dataset version.

    A source is a folder, an archive (also nested), a glob, a URI such as s3://bucket/midi, or
    music21:COLLECTION[:NUMBER]. Each file is kept, counted as a duplicate, or listed with the
    reason why it was rejected. Running it again reads only new files; after an interruption it
    continues.

    \b
    Examples:
      tunesmith ingest my-midi/ --name mine
      tunesmith ingest corpus.zip s3://bucket/midi --name all --dry-run
      tunesmith ingest music21:bach:80 music21:palestrina --name scores --card
    """
    from tunesmith.cluster.connection import connect
    from tunesmith.ingestion.collections import expand_collections, is_collection
    from tunesmith.ingestion.inventory import take_inventory
    from tunesmith.ingestion.parameters import load_parameters
    from tunesmith.ingestion.pipeline import ingest
    from tunesmith.ingestion.sources import suffix_of

    wanted = tuple(part.strip() for part in (composers or "").split(",") if part.strip())
    chosen = {
        "frames_per_second": frames_per_second,
        "chunk_frames": chunk_frames,
        "hop_frames": hop_frames,
        "label": label,
        "composers": wanted or None,
        "composer_table": composer_table,
        "corrections": corrections,
        "loss_budget": loss_budget,
    }
    made = load_parameters(parameters, {k: v for k, v in chosen.items() if v is not None})
    if dry_run and any(map(is_collection, sources)):
        message = "A music21 collection has no files until it is written out: leave --dry-run away."
        raise UsageError(message)
    roots = expand_collections(sources, start_ray=lambda: connect(address, say=echo), say=echo)
    if dry_run:
        inventory = take_inventory(roots, made)
        labels = Counter(file.label or "(no label)" for file in inventory.labelled)
        ignored = {_why_ignored(k): n for k, n in inventory.listing.ignored.most_common()}
        if inventory.unwanted:
            ignored["label not among --composers"] = inventory.unwanted
        suffixes = Counter(suffix_of(file.entry.path) for file in inventory.labelled)
        return {
            "would_read": len(inventory.labelled),
            "suffixes": dict(suffixes.most_common()),
            "ignored": inventory.listing.ignored.total() + inventory.unwanted,
            "labels": dict(labels.most_common()),
            "rejects": [{"path": r.path, "message": r.message} for r in inventory.unlisted],
            "ignored_suffixes": ignored,
            "notices": inventory.notices,
            **_dumped(inventory.corrections),
        }
    from tunesmith.artifacts.store import Store

    opened = Store(store)
    with counting("files") as advance:
        manifest = ingest(
            opened,
            roots,
            name,
            made,
            start_ray=lambda: connect(address, say=echo),
            on_progress=advance,
        )
    shown = {"name", "version", "content_hash", "counts", "labels", "leak", "notices", "sources"}
    result = manifest.model_dump(mode="json", include=shown) | _dumped(manifest.corrections)
    if card:
        from tunesmith.datasets.reader import Dataset
        from tunesmith.reports.data_card import write_card

        result["card"] = write_card(Dataset(opened, manifest))
    return result
