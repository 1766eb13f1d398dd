"""The data card: what a dataset version holds, on one page that needs nothing else."""

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.manifest import ROOT
from tunesmith.datasets.reader import Dataset
from tunesmith.midi.rolls import binary_roll, instrumentation_roll, timing_roll, velocity_roll
from tunesmith.midi.score import Instrument, Score
from tunesmith.reports import dataset_figures
from tunesmith.reports.html import document, drawing, table, tiles

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CARD", "render_card", "write_card"]

CARD = "card.html"

_MAX_CLASSES = 16
_EXAMPLE_S = 20.0
_RATES = (4.0, 8.0, 16.0)

# Two drawings of each figure, one of which the reader's choice hides: no script is needed.
_CSS = """
.choice { position: sticky; top: 0; z-index: 1; background: var(--ground); padding: .5rem 0;
  border-bottom: 1px solid var(--grid); font-size: .875rem; margin-top: 2.4rem; }
.choice label { cursor: pointer; }
@media (prefers-color-scheme: dark) { figure svg image { filter: brightness(1.75); } }
main:has(#clip:checked) .whole, main:not(:has(#clip:checked)) .clipped { display: none; }
"""


def write_card(dataset: Dataset) -> str:
    """Draw the card of a dataset version and put it beside the manifest.

    Parameters
    ----------
    dataset
        The version.

    Returns
    -------
    str
        Where the card is.
    """
    page = render_card(dataset)
    dataset.store.write_bytes(page.encode(), ROOT, dataset.name, dataset.version, CARD)
    return dataset.path(CARD)


def render_card(dataset: Dataset) -> str:
    """Return the card as HTML.

    Parameters
    ----------
    dataset
        The version.
    """
    pieces = dataset.pieces()
    labelled = pieces[pieces["label"].notna()]
    sections = [
        _head(dataset, pieces),
        _classes(labelled),
        *_music(pieces, labelled),
        _example(dataset, labelled if len(labelled) else pieces),
        _duplicates(dataset, pieces),
        _rejects(dataset),
        _foot(dataset),
    ]
    return document(f"{dataset.name}: data card", "\n".join(filter(None, sections)), _CSS)


def _head(dataset: Dataset, pieces: "pd.DataFrame") -> str:
    manifest, counts = dataset.manifest, dataset.manifest.counts
    hours = pieces["length_s"].sum() / 3600
    sources = escape(", ".join(s.uri.rstrip("/").rsplit("/", 1)[-1] for s in manifest.sources))
    rate, frames = manifest.frames_per_second, manifest.chunk_frames
    padded = dataset.table("chunks", ["padded_frames"])["padded_frames"].to_numpy()
    share = 100 * padded.sum() / max(len(padded) * frames, 1)
    return (
        f"<header><h1>{dataset.name}</h1>"
        f'<p class="quiet">Version {dataset.version}, made {manifest.created[:10]} from {sources}. '
        f"Velocity rolls at {rate:g} frames a second, cut into chunks of {frames} frames "
        f"({frames / rate:g} s); {share:.1f} % of all frames are padding.</p></header>"
        + tiles(
            [
                ("pieces", f"{counts.kept:,}", f"of {counts.found:,} files found"),
                ("labels", f"{len(manifest.labels):,}", f"{counts.unlabelled:,} pieces without"),
                ("music", f"{hours:,.0f} h", f"{counts.notes:,} notes"),
                ("chunks", f"{counts.chunks:,}", f"of {frames / rate:g} s"),
                ("duplicates", f"{counts.duplicate:,}", "byte-identical files"),
                ("rejects", f"{counts.rejected:,}", "files, each with its reason"),
            ]
        )
        + f"<p>Every file is accounted for: {counts.found:,} found = {counts.kept:,} kept + "
        f"{counts.duplicate:,} duplicate + {counts.rejected:,} rejected. Left aside, because "
        f"they do not claim to be MIDI: {_some(counts.ignored, 'file')}.</p>"
    )


def _classes(labelled: "pd.DataFrame") -> str:
    if labelled.empty:
        return ""
    chunks = labelled.groupby("label")["n_chunks"].sum()
    share = chunks / chunks.sum()
    pieces = labelled["label"].value_counts()
    rows = []
    for threshold in dataset_figures.THRESHOLDS:
        kept = share[share >= threshold].index
        rows.append(
            [
                f"{100 * threshold:g} %",
                f"{len(kept)}",
                f"{pieces[kept].sum():,}",
                f"{100 * pieces[kept].sum() / pieces.sum():.1f} %",
                f"{100 * share[kept].sum():.1f} %",
            ]
        )
    return (
        "<h2>Classes</h2><p>How the chunks are shared among the labels, and what is left when "
        "labels below a share of the chunks are set aside.</p>"
        + drawing(dataset_figures.class_shares(labelled), "shares", "Share of the chunks by label.")
        + table(["Smallest share", "Labels", "Pieces", "of all pieces", "of all chunks"], rows)
    )


def _music(pieces: "pd.DataFrame", labelled: "pd.DataFrame") -> Iterator[str]:
    classes = labelled["label"].value_counts().index[:_MAX_CLASSES].tolist()
    whose = "by label"
    if labelled["label"].nunique() > len(classes):
        whose = f"by label, the {len(classes)} largest of {labelled['label'].nunique()}"
    yield (
        '<div class="choice"><label><input type="checkbox" id="clip"> Clip outliers at 1.5 times '
        "the interquartile range</label></div>"
    )
    if classes:
        yield "<h2>Length</h2>"
        yield _both_boxes(
            _by_class(labelled, classes, "length_s"),
            "length, s",
            f"Length of the pieces {whose}, along the real tempo map. Box from quartile to "
            "quartile, median in orange, a dot a piece "
            f"(at most {dataset_figures.MAX_POINTS} a label).",
            logarithmic=True,
        )
    yield "<h2>Notes, tempo, velocity</h2>"
    yield _pair(
        _both_histograms(pieces["n_notes"], "notes", "Notes a piece.", logarithmic=True),
        drawing(
            dataset_figures.doublings(pieces["n_tempo_changes"].to_numpy(), "tempo changes"),
            "tempo-changes",
            "Tempo changes a piece.",
        ),
        _both_histograms(pieces["tempo_mean_qpm"], "quarters a minute", "Mean tempo of a piece."),
        _both_histograms(pieces["velocity_mean"], "velocity", "Mean velocity of a piece."),
    )
    if classes:
        yield "<h2>Polyphony and velocity</h2>"
        yield _both_boxes(
            _by_class(labelled, classes, "polyphony_mean"),
            "notes sounding together, mean",
            f"Mean polyphony {whose}, over the time in which anything sounds.",
        )
        yield _both_boxes(
            _by_class(labelled, classes, "velocity_mean"), "velocity, mean", f"Velocity {whose}."
        )
        yield "<h2>Time signatures</h2>"
        meters = dataset_figures.time_signatures(labelled, classes)
        yield drawing(meters, "meters", f"First time signature of the pieces, {whose}.")
    keyed = int(pieces["key_signature"].notna().sum())
    if keyed:
        yield "<h2>Key signatures</h2>"
        yield drawing(
            dataset_figures.key_signatures(pieces),
            "keys",
            f"First key signature along the circle of fifths. {keyed:,} of {len(pieces):,} pieces "
            "give one; many editors write C major by default.",
        )


def _by_class(labelled: "pd.DataFrame", classes: list[str], column: str) -> dataset_figures.Groups:
    return {
        name: labelled.loc[labelled["label"] == name, column].dropna().to_numpy(dtype=np.float64)
        for name in classes
    }


def _both_boxes(
    groups: dataset_figures.Groups, label: str, caption: str, *, logarithmic: bool = False
) -> str:
    clipped = {name: dataset_figures.clip_outliers(values) for name, values in groups.items()}
    whole = dataset_figures.boxes(groups, label, logarithmic=logarithmic)
    left_out = sum(map(len, groups.values())) - sum(map(len, clipped.values()))
    return drawing(whole, f"box-{label[:4]}", caption, "whole") + drawing(
        dataset_figures.boxes(clipped, label),
        f"box-{label[:4]}-clipped",
        f"{caption} {_some(left_out, 'outlier')} left out.",
        "clipped",
    )


def _both_histograms(
    column: "pd.Series[float]", label: str, caption: str, *, logarithmic: bool = False
) -> str:
    values = column.dropna().to_numpy(dtype=np.float64)
    clipped = dataset_figures.clip_outliers(values)
    whole = dataset_figures.histogram(values, label, logarithmic=logarithmic)
    return drawing(whole, f"hist-{label[:4]}", caption, "whole") + drawing(
        dataset_figures.histogram(clipped, label),
        f"hist-{label[:4]}-clipped",
        f"{caption} {_some(len(values) - len(clipped), 'outlier')} left out.",
        "clipped",
    )


def _some(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _pair(*parts: str) -> str:
    return '<div class="pair">' + "".join(f"<div>{part}</div>" for part in parts) + "</div>"


def _example(dataset: Dataset, pieces: "pd.DataFrame") -> str:
    """Show one piece as a model could see it: of middling length, from the largest label."""
    if pieces["label"].notna().any():
        largest = pieces["label"].value_counts().index[0]
        pieces = pieces[pieces["label"] == largest]
    lengths = pieces["length_s"].to_numpy()
    chosen = pieces.iloc[int(np.abs(lengths - np.median(lengths)).argmin())]
    score = _score(dataset.notes([chosen["piece_id"]])[chosen["piece_id"]])
    rate = dataset.manifest.frames_per_second
    frames = int(_EXAMPLE_S * rate)
    channels = {
        "Binary: does it sound": binary_roll(score, rate)[:frames],
        "Velocity: how loud (stored)": velocity_roll(score, rate)[:frames],
        "Instrumentation: how many instruments": instrumentation_roll(score, rate)[:frames],
        "Timing: where notes begin": timing_roll(score, rate)[:frames],
    }
    rates = {r: velocity_roll(score, r)[: int(_EXAMPLE_S * r)] for r in _RATES}
    name = chosen["path"].rsplit("/", 1)[-1]
    whose = f" by {chosen['label']}" if isinstance(chosen["label"], str) else ""
    return (
        "<h2>An example, four ways</h2>"
        + drawing(
            dataset_figures.rolls_by_channel(channels, rate),
            "channels",
            f"The first {_EXAMPLE_S:g} s of {name}{whose}, drawn from the stored notes.",
        )
        + "<h2>And at three frame rates</h2>"
        + drawing(
            dataset_figures.rolls_by_rate(rates),
            "rates",
            f"Short notes run together at few frames a second; this version stores {rate:g}.",
        )
    )


def _score(notes: npt.NDArray[np.void]) -> Score:
    """Return a score of stored notes, for drawing; pedals and bends are not stored."""
    end_s = float(notes["offset_s"].max())
    drums = {int(i) for i in np.unique(notes["instrument"][notes["is_drum"]])}
    count = int(notes["instrument"].max()) + 1
    none = np.empty(0)
    return Score(
        notes=notes,
        instruments=tuple(
            Instrument(program=0, is_drum=i in drums, end_time_s=end_s) for i in range(count)
        ),
        tempos=(np.zeros(1), np.full(1, 120.0)),
        time_signatures=(none, none.astype(np.int64), none.astype(np.int64)),
        key_signatures=(none, none.astype(np.int64)),
        ticks_per_quarter=480,
        end_time_s=end_s,
        reader="stored",
        n_tracks=count,
    )


def _duplicates(dataset: Dataset, pieces: "pd.DataFrame") -> str:
    counts, leak = dataset.manifest.counts, dataset.manifest.leak
    sizes = pieces["cluster"].value_counts()
    shared = sizes[sizes > 1]
    note_identical = int(pieces["note_hash"].duplicated(keep=False).sum())
    inside = pieces[pieces["cluster"].isin(shared.index)]
    labels_of = inside.dropna(subset="label")[["cluster", "label"]].drop_duplicates()
    n_mixed = int((labels_of["cluster"].value_counts() > 1).sum())
    body = (
        "<h2>Duplicates</h2>"
        f"<p>{_some(counts.byte_duplicate_groups, 'file')} had byte-identical copies, "
        f"{counts.duplicate:,} in all, which are set aside. Of the pieces kept, {note_identical:,} "
        f"are note for note the same as another, and {int(shared.sum()):,} share their music with "
        "another: transposed, at another tempo, cut, quantised or played again. "
        f"Clusters with more than one label among them: {n_mixed:,}.</p>"
    )
    if leak is not None and leak.held_out:
        body += (
            f"<p>A random split that ignores this would leave {leak.leaked:,} of {leak.held_out:,} "
            f"held-out pieces ({100 * leak.leaked / leak.held_out:.1f} %) beside their own "
            "duplicate. Every split made from this version keeps a cluster on one side.</p>"
        )
    if shared.empty:
        return body
    rows = []
    for cluster in shared.index[:8]:
        members = pieces[pieces["cluster"] == cluster]
        labels = ", ".join(sorted(members["label"].fillna("(none)").unique()))
        names = [path.rsplit("/", 1)[-1] for path in members["path"].head(3)]
        more = f" and {len(members) - 3} more" if len(members) > 3 else ""
        rows.append([labels, ", ".join(names) + more, f"{len(members)}"])
    sizes_drawn = dataset_figures.cluster_sizes(pieces["cluster"].to_numpy())
    return (
        body
        + drawing(sizes_drawn, "clusters", "Pieces that share their music, by cluster.", "half")
        + "<h3>The largest clusters</h3>"
        + table(["Label", "Pieces", "Size"], rows, texts=2)
    )


def _rejects(dataset: Dataset) -> str:
    rejects = dataset.rejects()
    if rejects.empty:
        return "<h2>Rejects</h2><p>No file was rejected.</p>"
    rows: list[list[str]] = []
    for key, group in rejects.groupby(["stage", "error"], sort=False):
        stage, error = key if isinstance(key, tuple) else (key, "")
        first = group.iloc[0]
        rows.append([str(error), str(stage), first["path"].rsplit("/", 1)[-1], f"{len(group)}"])
    rows.sort(key=lambda row: -int(row[-1]))
    return "<h2>Rejects</h2>" + table(["Reason", "Stage", "For example", "Files"], rows, texts=3)


def _foot(dataset: Dataset) -> str:
    return (
        f'<footer class="quiet">Dataset {dataset.name}, content hash '
        f"<code>{dataset.manifest.content_hash[:16]}…</code>, tunesmith "
        f"{dataset.manifest.code_version}.</footer>"
    )
