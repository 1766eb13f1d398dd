"""Recall of planted copies among the pieces of a dataset, and links between composers.

python benchmarks/duplicates.py --dataset classical --pieces 1000 --pieces 4000

Copies of real pieces are planted among the dataset's own: played, as transcribed from a recording,
entered note by note, cut, reduced, each in another key. Their recall must not fall with the number
of pieces. Links between pieces of different labels are listed: those that are no arrangement and no
wrong label are false.
"""

import time
from collections.abc import Iterator

import click
import numpy as np
from numpy.typing import NDArray

from tunesmith.artifacts.store import Store
from tunesmith.datasets.reader import Dataset, open_dataset
from tunesmith.midi.augmentation import copy_of, reduced
from tunesmith.midi.duplicates import Sketches, clusters_by_links, duplicate_links
from tunesmith.midi.fingerprints import fingerprint
from tunesmith.midi.transforms import transpose_notes

KINDS = ("played", "excerpt", "transcribed", "mechanical", "half", "reduced")
LEAST_NOTES = 20


def planted(notes: NDArray[np.void], kind: str, seed: list[int]) -> NDArray[np.void]:
    """Return a copy of a piece in another key."""
    pitched = notes[~notes["is_drum"]]
    if kind == "half":
        copy = pitched[pitched.size // 3 : pitched.size // 3 + pitched.size // 2]
    else:
        copy = reduced(pitched) if kind == "reduced" else copy_of(pitched, kind, seed)
    return transpose_notes(copy, int(np.random.default_rng(seed).integers(-5, 7)))


def plants(
    dataset: Dataset, ids: list[str], seed: int
) -> Iterator[tuple[str, str, NDArray[np.uint64]]]:
    """Yield piece, kind and fingerprint of the copies, one per piece."""
    for number, (piece_id, notes) in enumerate(dataset.notes(ids).items()):
        if (~notes["is_drum"]).sum() >= LEAST_NOTES:
            kind = KINDS[number % len(KINDS)]
            yield piece_id, kind, fingerprint(planted(notes, kind, [seed, number]))


@click.command()
@click.option("--dataset", required=True, metavar="NAME")
@click.option("--store", "uri", metavar="URI")
@click.option("--pieces", "sizes", multiple=True, type=int, help="Number of pieces  [all]")
@click.option("--copies", default=600, show_default=True, help="Number of planted copies.")
@click.option("--seed", default=0, show_default=True)
def main(dataset: str, uri: str | None, sizes: tuple[int, ...], copies: int, seed: int) -> None:
    """Measure recall, time and links between labels."""
    opened = open_dataset(Store(uri), dataset)
    prints = opened.fingerprints()
    table = opened.pieces().set_index("piece_id")
    order = np.random.default_rng(seed).permutation(list(prints)).tolist()
    copied = list(plants(opened, order[:copies], seed))
    duplicate_links(Sketches.of([sketch for *_, sketch in copied[:2]]))  # compiled before timing
    for size in sizes or (len(order),):
        names = order[: max(size, copies)]
        sketches = Sketches.of([prints[name] for name in names] + [row[2] for row in copied])
        began = time.process_time()
        links = duplicate_links(sketches)
        clusters = clusters_by_links(links, len(sketches.sizes))
        took_s = time.process_time() - began
        place = {name: number for number, name in enumerate(names)}
        is_found = np.array(
            [
                clusters[place[name]] == clusters[len(names) + number]
                for number, (name, _, _) in enumerate(copied)
            ]
        )
        kinds = np.array([kind for _, kind, _ in copied])
        each = ", ".join(f"{kind} {is_found[kinds == kind].mean():.3f}" for kind in KINDS)
        click.echo(f"{len(names):,} pieces: recall {is_found.mean():.4f} ({each})")
        click.echo(
            f"  {1000 * took_s / len(sketches.sizes):.2f} ms a piece; largest cluster of pieces: "
            f"{np.bincount(clusters[: len(names)]).max()}"
        )
        own = links[links["second"] < len(names)]
        for link in own[np.argsort(own["strength"])]:
            first, second = (table.loc[names[link[side]]] for side in ("first", "second"))
            if first["label"] and second["label"] and first["label"] != second["label"]:
                click.echo(
                    f"  strength {link['strength']:.2f}: {first['path']} and {second['path']}"
                )


if __name__ == "__main__":
    main()
