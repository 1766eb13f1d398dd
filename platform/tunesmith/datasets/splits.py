"""Splits that keep groups whole and class shares even, the same on every machine."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tunesmith.errors import DatasetError

__all__ = ["FRACTIONS", "folds", "leaked", "split_pieces"]

FRACTIONS: Mapping[str, float] = {"train": 0.7, "validation": 0.15, "test": 0.15}


def split_pieces(
    labels: Sequence[object] | npt.NDArray[np.generic],
    groups: npt.ArrayLike,
    fractions: Mapping[str, float] = FRACTIONS,
    seed: int = 0,
) -> npt.NDArray[np.str_]:
    """Assign each item to a part, whole groups at a time, with even class shares.

    Groups are dealt largest first, in seeded order among equals, each to the part that
    Webster's rule of apportionment says is furthest behind in the group's classes. A class too
    small for every part therefore goes to the largest part first.

    Parameters
    ----------
    labels
        Class of each item, any hashable values, ``[items]``.
    groups
        Group of each item, ``int [items]``: duplicate clusters, songs, writers.
    fractions
        Share of the items each part should get; they must sum to 1.
    seed
        Seed of the order among groups of one size.

    Returns
    -------
    numpy.ndarray
        Part name of each item, ``str [items]``.

    Raises
    ------
    DatasetError
        When lengths differ or the fractions are not positive shares that sum to 1.
    """
    class_index, group_index = _indices(labels, groups)
    names = list(fractions)
    shares = np.array([fractions[name] for name in names], dtype=np.float64)
    if not names or shares.min() <= 0 or abs(shares.sum() - 1) > 1e-9:
        msg = f"Split fractions must be positive and sum to 1, not {dict(fractions)}."
        raise DatasetError(msg)
    if len(class_index) == 0:
        return np.empty(0, dtype=np.str_)

    # A table of all groups and classes would not fit into memory: most groups are one item.
    sizes = np.bincount(group_index)
    ends = np.cumsum(sizes)
    classes = class_index[np.argsort(group_index, kind="stable")]
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    target = shares[:, None] * np.bincount(class_index)
    filled = np.zeros_like(target)
    part_of_group = np.empty(len(sizes), dtype=np.int64)
    for group in order:
        members = classes[ends[group] - sizes[group] : ends[group]]
        present, counts = np.unique(members, return_counts=True)
        behind = counts * (2 * filled[:, present] + counts) / target[:, present]
        # Among parts equally far behind, the one emptier as a whole.
        part = np.lexsort((filled.sum(axis=1) / shares, behind.sum(axis=1).round(9)))[0]
        filled[part, present] += counts
        part_of_group[group] = part
    return np.array(names, dtype=np.str_)[part_of_group[group_index]]


def folds(
    labels: Sequence[object] | npt.NDArray[np.generic],
    groups: npt.ArrayLike,
    k: int = 5,
    seed: int = 0,
) -> npt.NDArray[np.int64]:
    """Assign each item to one of `k` stratified folds, whole groups at a time.

    Parameters
    ----------
    labels, groups
        As in `split_pieces`.
    k
        Number of folds, at least 2.
    seed
        Seed of the shuffle.

    Returns
    -------
    numpy.ndarray
        Fold of each item, ``int [items]``, in 0..k-1; no fold is empty.

    Raises
    ------
    DatasetError
        When there are fewer groups than folds, or no class has `k` items.
    """
    # Here, because it takes seconds to import and few callers make folds.
    from sklearn.model_selection import StratifiedGroupKFold

    class_index, group_index = _indices(labels, groups)
    n_groups = group_index.max() + 1 if len(group_index) else 0
    largest = np.bincount(class_index).max() if len(class_index) else 0
    if k < 2 or min(n_groups, largest) < k:
        msg = (
            f"Cannot make {k} folds of {n_groups} groups whose largest class has {largest} items. "
            "Ask for fewer folds (at least 2) or add data."
        )
        raise DatasetError(msg)
    splitter = StratifiedGroupKFold(n_splits=k, shuffle=True, random_state=seed)
    fold = np.empty(len(class_index), dtype=np.int64)
    with warnings.catch_warnings():
        # Classes with fewer items than folds are expected: they are missing from some folds.
        warnings.filterwarnings("ignore", message="The least populated class")
        for number, (_, held_out) in enumerate(splitter.split(fold, class_index, group_index)):
            fold[held_out] = number
    return fold


def leaked(
    parts: Sequence[str] | npt.NDArray[np.str_], groups: npt.ArrayLike, held_out: str = "test"
) -> int:
    """Count the items of part `held_out` that share a group with an item of another part."""
    inside = np.asarray(parts) == held_out
    group_index = np.asarray(groups)
    return int(np.isin(group_index[inside], group_index[~inside]).sum())


def _indices(
    labels: Sequence[object] | npt.NDArray[np.generic], groups: npt.ArrayLike
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return labels and groups as indices in order of first appearance.

    A split then depends on the items that belong together, not on how they are numbered.
    """
    indices = []
    for values in (list(labels), np.asarray(groups).tolist()):
        seen: dict[object, int] = {}
        indices.append(np.array([seen.setdefault(v, len(seen)) for v in values], dtype=np.int64))
    if len(indices[0]) != len(indices[1]):
        msg = f"{len(indices[0])} labels but {len(indices[1])} groups: each item needs one of both."
        raise DatasetError(msg)
    return indices[0], indices[1]
