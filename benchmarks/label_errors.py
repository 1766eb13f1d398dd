"""Swap some labels of a dataset at random and see how many the label doctor finds.

python benchmarks/label_errors.py --dataset big4

For each seed, a share of the labels is swapped with another label drawn at random. Found is what
the doctor lists; labels of the collection that are wrong themselves count against its precision.
"""

import time
from collections.abc import Sequence

import click
import numpy as np

from tunesmith.artifacts.store import Store
from tunesmith.artifacts.suspicions import Diagnosis
from tunesmith.datasets.reader import open_dataset
from tunesmith.evaluation.label_doctor import diagnose


def planted(labels: Sequence[str], share: float, seed: int) -> list[str]:
    """Return the labels with a share of them swapped with another one."""
    rng = np.random.default_rng(seed)
    names = sorted(set(labels))
    swapped = list(labels)
    for item in rng.choice(len(labels), round(share * len(labels)), replace=False):
        others = [name for name in names if name != labels[item]]
        swapped[item] = others[rng.integers(len(others))]
    return swapped


def measure(diagnosis: Diagnosis, true: dict[str, str], given: dict[str, str]) -> tuple[int, ...]:
    """Return the swapped labels, those listed, and those among them whose label is suggested."""
    wrong = {piece for piece in true if true[piece] != given[piece]}
    listed_wrong = [s for s in diagnosis.suspicions if s.piece_id in wrong]
    right = [s for s in listed_wrong if s.suggested == true[s.piece_id]]
    return len(wrong), len(listed_wrong), len(right)


@click.command()
@click.option("--dataset", default="big4", show_default=True)
@click.option("--share", default=0.03, show_default=True, help="Share of the labels to swap.")
@click.option("--seeds", default=3, show_default=True)
@click.option("--store", default=None, help="URI of the store.")
def main(dataset: str, share: float, seeds: int, store: str | None) -> None:
    """Plant wrong labels and print precision and recall of the list."""
    version = open_dataset(Store(store), dataset)
    pieces = version.pieces()
    pieces = pieces[pieces["label"].notna()]
    true = dict(zip(pieces["piece_id"], pieces["label"], strict=True))
    asis = len(diagnose(version).suspicions)
    click.echo(f"as it is: {asis} of {len(true):,} labels listed")
    for seed in range(seeds):
        given = dict(zip(true, planted(list(true.values()), share, seed), strict=True))
        began = time.monotonic()
        diagnosis = diagnose(version, labels=given)
        wrong, n_found, right = measure(diagnosis, true, given)
        listed = len(diagnosis.suspicions)
        click.echo(
            f"seed {seed}: {wrong} swapped, {listed} listed, {n_found} of them swapped: "
            f"precision {n_found / max(listed, 1):.3f}, recall {n_found / wrong:.3f}; {right} with "
            f"the right label suggested; {time.monotonic() - began:.0f} s"
        )


if __name__ == "__main__":
    main()
