"""Measure the worth of copies of pieces and of blocks of features, at home and elsewhere.

    python benchmarks/generalisation.py big4 recitals --store FOLDER

Boosted trees with their default settings learn from one dataset under several recipes: with or
without simulated copies of each kind, with or without a block of features. Each is measured on the
test part of the dataset, on simulated copies of that, and on the other dataset. Pieces that are
near-duplicates of one in the other dataset are not learned from, so that all of it can be judged.
Prints balanced accuracies, the mean over seeds of the split.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import click
import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.store import Store
from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.reader import open_dataset
from tunesmith.evaluation.elsewhere import SIMULATED
from tunesmith.evaluation.music import Pieces, clusters_of
from tunesmith.midi.augmentation import KINDS, copy_of
from tunesmith.midi.features import FEATURE_NAMES, feature_rows
from tunesmith.models import get_family
from tunesmith.tasks import Request, get_task, split
from tunesmith.tuning.scoring import scores

Rows = npt.NDArray[np.float32]
Notes = npt.NDArray[np.void]

_BLOCK_OF = np.array([name.rpartition("_")[0] for name in FEATURE_NAMES])
_LOUDNESS = ("velocity_summary", "dynamics_summary")
_GRID = ("gap_quarters", "duration_quarters", "place_in_quarter")


@dataclass(frozen=True)
class Recipe:
    """Copies to learn from, one a piece of each entry by turns, and blocks that are left out."""

    name: str
    copies: tuple[tuple[str, ...], ...] = ()
    without: tuple[str, ...] = ()


def _turns(number: int, kinds: Sequence[str] = KINDS) -> tuple[str, ...]:
    return (*kinds[number:], *kinds[:number])


RECIPES = (
    Recipe("pieces alone"),
    *(Recipe(f"+ {kind}", ((kind,),)) for kind in dict.fromkeys(KINDS)),
    Recipe("+ one copy by turns", (_turns(0),)),
    Recipe("+ two copies by turns", (_turns(0), _turns(1))),
    Recipe("two copies, no loudness", (_turns(0), _turns(1)), _LOUDNESS),
    Recipe("two copies, no loudness, no grid", (_turns(0), _turns(1)), (*_LOUDNESS, *_GRID)),
    Recipe("no copies, no loudness, no grid", (), (*_LOUDNESS, *_GRID)),
)
JUDGED: Mapping[str, Callable[[Notes, np.random.Generator], Notes]] = {
    "as is": lambda notes, rng: notes,  # noqa: ARG005 - nothing is drawn
    **SIMULATED,
}


class Comparison:
    """The pieces of both datasets, and their copies, made once."""

    def __init__(self, store: Store, name: str, other: str) -> None:
        self.data = get_task("composer").read(store, Request(name, views=("features",)))
        own, theirs = (open_dataset(store, each) for each in (name, other))
        examples = self.data.examples
        pieces = theirs.pieces()
        known = pieces[pieces["label"].isin(examples.classes)]
        known_ids = known["piece_id"].tolist()
        ours, others = clusters_of(
            (Pieces(own, examples.ids), examples.ids), (Pieces(theirs, known_ids), known_ids)
        )
        self.is_theirs = np.isin(ours, others)
        index = {label: number for number, label in enumerate(examples.classes)}
        self.other_y = np.array([index[label] for label in known["label"]])
        self.other_x = theirs.features(known_ids)
        by_id = own.notes(examples.ids)
        self.notes = [by_id[name] for name in examples.ids]
        self.seeds = [zlib.crc32(name.encode()) for name in examples.ids]
        self._copies: dict[tuple[str, ...], Rows] = {}
        self.judged = {
            kind: feature_rows(
                [
                    make(notes, np.random.default_rng([1, seed]))
                    for notes, seed in zip(self.notes, self.seeds, strict=True)
                ]
            )
            for kind, make in JUDGED.items()
        }

    def copies(self, kinds: tuple[str, ...]) -> Rows:
        """Return the features of one copy of each piece, of the kinds by turns."""
        if kinds not in self._copies:
            self._copies[kinds] = feature_rows(
                [
                    copy_of(notes, kinds[item % len(kinds)], [0, seed])
                    for item, (notes, seed) in enumerate(zip(self.notes, self.seeds, strict=True))
                ]
            )
        return self._copies[kinds]

    def measure(self, recipe: Recipe, seed: int, steps: int) -> dict[str, float]:
        """Return balanced accuracies by what was judged."""
        examples = self.data.examples
        kept = np.flatnonzero(~np.isin(_BLOCK_OF, recipe.without))
        is_test = split(examples, seed) == "test"
        learned = np.flatnonzero(~is_test & ~self.is_theirs)
        rows = [self.judged["as is"], *(self.copies(kinds) for kinds in recipe.copies)]
        x = np.concatenate([each[learned] for each in rows])[:, kept]
        train = Examples(
            y=examples.y[learned],
            classes=examples.classes,
            groups=examples.groups[learned],
            ids=[examples.ids[item] for item in learned.tolist()],
            views={"features": View(x, np.tile(np.arange(len(learned)), len(rows)))},
        )
        family = get_family("boosting")
        *_, step = family.fit(family.default(), train, seed=seed, max_steps=steps, threads=2)
        test = np.flatnonzero(is_test)
        judged = {kind: (rows[test], examples.y[test]) for kind, rows in self.judged.items()}
        judged["other"] = (self.other_x, self.other_y)
        return {
            kind: scores(step.model.predict_proba(rows[:, kept]), y)["balanced_accuracy"]
            for kind, (rows, y) in judged.items()
        }


@click.command()
@click.argument("dataset")
@click.argument("other")
@click.option("--store", help="Store of both datasets  [~/.tunesmith/store]")
@click.option("--seeds", default=3, show_default=True, help="Splits, seeds 0, 1, …")
@click.option("--steps", default=12, show_default=True, help="Steps of 25 rounds")
def main(dataset: str, other: str, store: str | None, seeds: int, steps: int) -> None:
    """Print a table of recipes for learning from DATASET, judged on it and on OTHER."""
    comparison = Comparison(Store(store), dataset, other)
    click.echo(
        f"{int(comparison.is_theirs.sum())} of {len(comparison.notes)} pieces of {dataset} are not "
        f"learned from; {len(comparison.other_y)} of {other} judge"
    )
    kinds = [*JUDGED, "other"]
    click.echo(f"| {'learned from':34} | " + " | ".join(kinds) + " |")
    click.echo("|---|" + "---|" * len(kinds))
    for recipe in RECIPES:
        runs = [comparison.measure(recipe, seed, steps) for seed in range(seeds)]
        cells = []
        for kind in kinds:
            values = np.array([run[kind] for run in runs])
            cells.append(f"{values.mean():.3f} ± {values.std(ddof=1):.3f}")
        click.echo(f"| {recipe.name:34} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
