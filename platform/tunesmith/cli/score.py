"""``tunesmith score``: a model's answer about every item of any source, as Parquet."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from tunesmith.cli.command import command, echo
from tunesmith.cli.progress import counting
from tunesmith.cli.tables import Column, print_table
from tunesmith.cli.wording import count

if TYPE_CHECKING:
    from tunesmith.scoring.columns import Counts

_SUMMARY = (Column(""), Column("", folds=True))
_MOST = 8


def _show(result: dict[str, Any]) -> None:
    print_table(_SUMMARY, list(_summary(result)))


def _summary(result: dict[str, Any]) -> Iterator[list[str]]:
    """Yield the lines that account for every item, each with its heading."""
    yield ["scores", result["out"]]
    model = result["model"]
    name = f"run {model['run_id']}" if model["version"] is None else f"version {model['version']}"
    yield ["model", f"{model['task']}, {name}, trained on {model['dataset']}"]
    ignored = sum(result["ignored"].values())
    others = f"; {count(ignored, 'other file')} ignored" if ignored else ""
    yield [
        "items",
        (
            f"{result['found']:,} found = {result['scored']:,} scored + "
            f"{result['failed']:,} failed{others}"
        ),
    ]
    yield ["labels", _listed(result["labels"])]
    if result["compared_with"]:
        known = f"{result['same_music']:,} of the pieces are in {result['compared_with']} as well"
        yield ["same music", f"{known}, the model's own data; see the column same_music_as"]
    if result["failures"]:
        yield ["failures", f"{_listed(result['failures'])}; see the columns reason and error"]
    if result["ignored"]:
        named = {suffix or "without a suffix": n for suffix, n in result["ignored"].items()}
        yield ["ignored", _listed(named)]


def _listed(numbers: Mapping[str, int]) -> str:
    pairs = sorted(numbers.items(), key=lambda pair: -pair[1])
    more = f", and {len(pairs) - _MOST} more" if len(pairs) > _MOST else ""
    return ", ".join(f"{name} {number:,}" for name, number in pairs[:_MOST]) + more


def _standing(counts: "Counts") -> str:
    """Return the counts so far in a few words."""
    labels = ", ".join(f"{name} {number:,}" for name, number in counts.labels.most_common(3))
    more = ", …" if len(counts.labels) > 3 else ""
    return f"{labels}{more}" + (f"; {counts.failed:,} failed" if counts.failed else "")


@command(
    show=_show,
    code=lambda result: 0 if result["scored"] else 1,
    extras=("train", "serve"),
    continues=("--discard",),
    sections={
        "Model": ("task", "model", "run_id"),
        "Scores": ("out", "id_column", "reasons", "discard"),
        "Where": ("store", "address"),
    },
)
@click.argument("sources", nargs=-1, required=True)
@click.option("--task", required=True, metavar="NAME", help="Task whose model answers.")
@click.option(
    "--model",
    metavar="VERSION",
    help="Number of a promoted version, or champion, previous or challenger  [champion]",
)
@click.option("--run", "run_id", metavar="ID", help="Winner of this run, promoted or not.")
@click.option("--out", required=True, metavar="PATH", help="Folder or URI that gets the scores.")
@click.option("--id-column", metavar="NAME", help="Column of tables to copy to the column id.")
@click.option(
    "--reasons", is_flag=True, help="Also write what spoke for and against each label; slower."
)
@click.option(
    "--discard", is_flag=True, help="Remove the scores that are at --out, finished or not, first."
)
@click.option(
    "--address", metavar="HOST:PORT", help="Ray cluster to join  [RAY_ADDRESS, else start Ray here]"
)
def main(
    *,
    store: str | None,
    sources: tuple[str, ...],
    task: str,
    model: str | None,
    run_id: str | None,
    out: str,
    id_column: str | None,
    reasons: bool,
    discard: bool,
    address: str | None,
) -> dict[str, Any]:
    """Classify all items of SOURCES with a model of the store, into a folder of Parquet files.

    A source is a folder, an archive (also nested), a glob, a file or a URI such as
    s3://bucket/midi.
    Each MIDI file, picture, text file or row of a table gets a row with its label, the probability
    of each class, or the reason why it could not be classified. After an interruption the same
    command continues.

    \b
    Examples:
      tunesmith score my-midi/ --task composer --out scores/
      tunesmith score songs.parquet --task emotion --id-column id --out moods/
    """
    from tunesmith.artifacts.store import Store
    from tunesmith.cluster.connection import connect
    from tunesmith.scoring.choice import choose
    from tunesmith.scoring.pipeline import score

    version = int(model) if model is not None and model.isdecimal() else model
    choice = choose(Store(store), task, version, run_id)
    with counting("items") as show:
        summary = score(
            choice,
            sources,
            out,
            id_column=id_column,
            with_reasons=reasons,
            discard=discard,
            start_ray=lambda: connect(address, say=echo),
            on_progress=lambda done, total, counts: show(done, total, _standing(counts)),
            say=echo,
        )
    return {**summary.json_object(), "out": out}
