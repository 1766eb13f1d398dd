"""Gradient-boosted trees on the numbers of an item and on what its texts speak for.

The n-grams of the texts become one score a class: a naive Bayes classifier of binary counts
weighted by inverse document frequency, each row of length 1 (Rennie et al., Tackling the Poor
Assumptions of Naive Bayes Text Classifiers, ICML 2003), whose weights are the logarithms of the
ratio of a class's share of an n-gram to that of all others. The trees learn from scores that were
made without the texts of the same group (stacking, Wolpert, 1992): they meet texts of artists whom
the classifier does not know, as in later use.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.text_ngrams import VIEW
from tunesmith.models.boosting import Boosting, FittedBoosting
from tunesmith.models.contract import Family, Fitted, Params, Probabilities, Resources, Step
from tunesmith.models.support.onnx_graphs import OPSET, OUTPUT, finish

if TYPE_CHECKING:
    import optuna

__all__ = ["FAMILY", "FittedTextBoosting", "TextBoosting", "TextScores"]

_FEATURES = "features"
_FOLDS = 5
# An n-gram of one text says nothing about others.
_LEAST_TEXTS = 2
# Sums of whole numbers below this are exact in 32 bits, in whatever order they are added.
_EXACT = 2**24
_LARGEST = 2**15 - 1
_FILE = "texts.npz"

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True)
class TextScores:
    """A score of each class by the n-grams of a row; NumPy and ONNX Runtime agree to the last bit.

    Attributes
    ----------
    place
        Row in `table` of each slot, ``int32 [slots]``, 0 for those that are not known. All slots
        from the last one on are not known.
    table
        Whole numbers of each known n-gram, ``int16 [known + 1, classes + 1]``, the first row 0: its
        weight in each class times its inverse document frequency, and the square of the latter.
    steps
        Units of the weights and of the squares, ``float32 [2]``, powers of two.
    """

    place: npt.NDArray[np.int32]
    table: npt.NDArray[np.int16]
    steps: npt.NDArray[np.float32]

    @classmethod
    def fit(cls, ids: Ids, y: npt.NDArray[np.int64], n_classes: int, smoothing: float) -> Self:
        """Return the scores that rows of n-grams and their classes teach.

        Parameters
        ----------
        ids
            Slots of the n-grams of each row, ``int32 [rows, n-grams]``, 0 for none.
        y
            Class of each row.
        n_classes
            Number of classes.
        smoothing
            Added to the weighted count of every n-gram in every class.
        """
        from scipy import sparse

        counts = np.bincount(ids[ids > 0], minlength=int(ids.max(initial=0)) + 2)
        known = np.flatnonzero(counts >= _LEAST_TEXTS)
        place = np.zeros(len(counts), dtype=np.int32)
        place[known] = np.arange(1, len(known) + 1)
        idf = np.zeros(len(known) + 1)
        idf[1:] = np.log((len(ids) + 1) / (counts[known] + 1)) + 1
        rows = _ones(place, ids, len(idf)) @ sparse.diags(idf)
        length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
        rows = sparse.diags(1 / np.where(length > 0, length, 1.0)) @ rows
        of_class = sparse.csr_matrix((np.ones(len(y)), (y, np.arange(len(y)))), (n_classes, len(y)))
        share = np.asarray((of_class @ rows).todense())[:, 1:] + smoothing
        others = share.sum(axis=0) - share
        ratio = _logs(share) - _logs(others) if n_classes > 1 else np.zeros_like(share)
        table = np.zeros((len(idf), n_classes + 1))
        table[1:, :n_classes] = (ratio * idf[1:]).T
        table[:, n_classes] = idf**2
        steps = [_step(part, ids.shape[1]) for part in (table[:, :n_classes], table[:, n_classes:])]
        whole = np.rint(table / np.repeat(steps, (n_classes, 1)))
        return cls(place, whole.astype(np.int16), np.array(steps, dtype=np.float32))

    def of(self, ids: Ids) -> npt.NDArray[np.float32]:
        """Return the scores of rows, ``float32 [rows, classes]``; 0 where no n-gram is known."""
        n_classes = self.table.shape[1] - 1
        sums = _ones(self.place, ids, len(self.table)) @ self.table.astype(np.float32)
        length = np.sqrt(np.maximum(sums[:, n_classes:] * self.steps[1], self.steps[1]))
        return np.asarray(sums[:, :n_classes] * self.steps[0] / length, dtype=np.float32)

    def graph(self, n_features: int, n_ngrams: int) -> Any:
        """Return the ONNX graph from both views to the features with the scores beside them."""
        from onnx import TensorProto, helper, numpy_helper

        n_classes = self.table.shape[1] - 1
        constants = {
            "last": np.array(len(self.place) - 1, dtype=np.int32),
            "place": self.place,
            "table": self.table,
            "unit": self.steps[0],
            "square_unit": self.steps[1],
            "sum_axis": np.array([1]),
            "sizes": np.array([n_classes, 1]),
        }
        nodes = [
            helper.make_node("Min", [VIEW, "last"], ["slots"]),
            helper.make_node("Gather", ["place", "slots"], ["places"]),
            helper.make_node("Gather", ["table", "places"], ["whole"]),
            helper.make_node("Cast", ["whole"], ["numbers"], to=TensorProto.FLOAT),
            helper.make_node("ReduceSum", ["numbers", "sum_axis"], ["sums"], keepdims=0),
            helper.make_node("Split", ["sums", "sizes"], ["weights", "squares"], axis=1),
            helper.make_node("Mul", ["squares", "square_unit"], ["square"]),
            helper.make_node("Max", ["square", "square_unit"], ["not_zero"]),
            helper.make_node("Sqrt", ["not_zero"], ["length"]),
            helper.make_node("Mul", ["weights", "unit"], ["weight"]),
            helper.make_node("Div", ["weight", "length"], ["scores"]),
            helper.make_node("Concat", [_FEATURES, "scores"], ["both"], axis=1),
        ]
        width = n_features + n_classes
        graph = helper.make_graph(
            nodes,
            "texts",
            [
                helper.make_tensor_value_info(_FEATURES, TensorProto.FLOAT, ["rows", n_features]),
                helper.make_tensor_value_info(VIEW, TensorProto.INT32, ["rows", n_ngrams]),
            ],
            [helper.make_tensor_value_info("both", TensorProto.FLOAT, ["rows", width])],
            [numpy_helper.from_array(np.asarray(of), name) for name, of in constants.items()],
        )
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8
        )


def _ones(place: npt.NDArray[np.int32], ids: Ids, width: int) -> Any:
    """Return which known n-grams stand in each row, a sparse matrix of ones [rows, known + 1]."""
    from scipy import sparse

    places = place[np.minimum(ids, len(place) - 1)]
    is_known = places > 0
    ends = np.concatenate([[0], np.cumsum(is_known.sum(axis=1))])
    ones = np.ones(ends[-1], dtype=np.float32)
    return sparse.csr_matrix((ones, places[is_known], ends), shape=(len(ids), width))


def _logs(share: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.log(share / share.sum(axis=1, keepdims=True)))


def _step(values: npt.NDArray[np.float64], terms: int) -> float:
    """Return the power of two that keeps sums of so many whole multiples of it exact."""
    largest = max(float(np.abs(values).max(initial=0.0)), 1e-6)
    return float(2.0 ** np.ceil(np.log2(largest / min(_LARGEST, _EXACT // max(terms, 1)))))


class FittedTextBoosting(Fitted):
    """Scores of the texts, and trees on them and on the features."""

    def __init__(self, texts: TextScores, trees: FittedBoosting, n_ngrams: int) -> None:
        self.texts = texts
        self.trees = trees
        self.views = (_FEATURES, VIEW)
        self.classes = trees.classes
        self._n_ngrams = n_ngrams

    def predict_proba(self, x: Any) -> Probabilities:
        """Return class probabilities of joined rows."""
        return self.trees.predict_proba(_beside(x, self.texts.of(x.arrays[VIEW])))

    def save(self, folder: Path) -> None:
        """Write the tables and the trees."""
        np.savez(folder / _FILE, n_ngrams=np.array(self._n_ngrams), **vars(self.texts))
        self.trees.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return the model that `save` wrote into `folder`."""
        with np.load(folder / _FILE, allow_pickle=False) as file:
            texts = TextScores(file["place"], file["table"], file["steps"])
            n_ngrams = int(file["n_ngrams"])
        return cls(texts, _TREES.load(folder), n_ngrams)

    def export_onnx(self, path: Path) -> None:
        """Write the scores and the trees as one graph."""
        import onnx
        from onnx import compose

        with TemporaryDirectory() as folder:
            file = Path(folder) / "trees.onnx"
            self.trees.export_onnx(file)
            trees = compose.add_prefix(onnx.load(str(file)), "trees/")
        n_features = self.trees.booster.num_features() - len(self.classes)
        texts = compose.add_prefix(self.texts.graph(n_features, self._n_ngrams), "texts/")
        trees.ir_version = texts.ir_version
        model = compose.merge_models(texts, trees, [("texts/both", f"trees/{_FEATURES}")])
        finish(
            model,
            path,
            inputs={f"texts/{name}": name for name in self.views},
            output=f"trees/{OUTPUT}",
            n_classes=len(self.classes),
        )


_TREES = Boosting("boosting", _FEATURES)


class TextBoosting(Family):
    """XGBoost on features and scores of texts, a block of rounds a step."""

    name = "text_boosting"
    view = f"{_FEATURES}+{VIEW}"
    resources = Resources(cpus=1, memory_bytes=1_000_000_000)
    max_steps = _TREES.max_steps
    patience = _TREES.patience
    step_unit = _TREES.step_unit

    def space(self, trial: "optuna.Trial") -> Params:
        """Suggest the smoothing of the counts, and what is suggested for trees."""
        smoothing = trial.suggest_float("smoothing", 0.01, 10, log=True)
        return {**_TREES.space(trial), "smoothing": smoothing}

    def default(self) -> Params:
        """Return trees that sample rows and columns less than those of many weak features."""
        return {
            **_TREES.default(),
            "max_depth": 6,
            "min_child_weight": 3.0,
            "colsample_bytree": 0.5,
            "colsample_bynode": 1.0,
            "balance": 0.0,
            "smoothing": 0.1,
        }

    def fit(
        self,
        params: Params,
        train: Examples,
        *,
        seed: int,
        max_steps: int | None = None,
        threads: int = 1,
    ) -> Iterator[Step]:
        """Make the scores, then add rounds of trees on them."""
        view = train.view(self.view)
        ids, y = view.x.arrays[VIEW], train.y[view.item]
        smoothing, n_classes = float(params["smoothing"]), len(train.classes)
        texts = TextScores.fit(ids, y, n_classes, smoothing)
        scores = np.zeros((len(y), n_classes), dtype=np.float32)
        for learned, held_out in _folds(train.groups[view.item]):
            others = TextScores.fit(ids[learned], y[learned], n_classes, smoothing)
            scores[held_out] = others.of(ids[held_out])
        rows = View(_beside(view.x, scores), view.item)
        both = replace(train, views={_FEATURES: rows}, copies=())
        for step in _TREES.fit(params, both, seed=seed, max_steps=max_steps, threads=threads):
            trees = cast("FittedBoosting", step.model)
            yield Step(step.step, FittedTextBoosting(texts, trees, ids.shape[1]), step.metrics)

    def load(self, folder: Path) -> FittedTextBoosting:
        """Return the model in `folder`."""
        return FittedTextBoosting.load(folder)


def _beside(x: Any, scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.column_stack([x.arrays[_FEATURES].astype(np.float32, copy=False), scores])


def _folds(
    groups: npt.NDArray[np.int64],
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yield the rows to learn from and those held out, whole groups on one side."""
    from sklearn.model_selection import GroupKFold

    if len(np.unique(groups)) < 2:  # nothing can be held out but single rows
        groups = np.arange(len(groups))
    if len(groups) > 1:
        folds = GroupKFold(n_splits=min(_FOLDS, len(np.unique(groups))))
        yield from folds.split(groups, groups=groups)


FAMILY = TextBoosting()
