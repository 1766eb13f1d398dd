"""Words and pairs of words, weighted by how much they tell, and a linear model of them.

Each word and each hashed pair of neighbours counts once a text, times the log of how much more
often it stands in texts of a class than in others (Wang and Manning, Baselines and Bigrams, ACL
2012). Trained in seconds, and hard to beat on reviews.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.models.contract import Params, Resources, SingleStepFamily
from tunesmith.models.support.numeric import Graph, GraphModel, at_most

if TYPE_CHECKING:
    import optuna

    from tunesmith.datasets.examples import Examples

__all__ = ["FAMILY", "FittedTextLinear", "TextLinear"]

_MULTIPLIER = 31_337
_BLOCK_ROWS = 2048
Tokens = npt.NDArray[np.int64]


def _ngrams(tokens: npt.NDArray[Any], n_words: int, n_pairs: int) -> Tokens:
    """Return the ids of words and of hashed pairs, each row sorted; 0 where there is none."""
    words = np.minimum(tokens, n_words - 1).astype(np.int64)
    if not n_pairs:
        return np.sort(words, axis=1)
    before, after = words[:, :-1], words[:, 1:]
    pairs = n_words + (before * _MULTIPLIER + after) % n_pairs
    pairs *= (before > 0) & (after > 0)
    return np.sort(np.concatenate([words, pairs], axis=1), axis=1)


def _is_first(ids: Tokens) -> npt.NDArray[np.bool_]:
    """Return where a sorted row has an id for the first time; id 0 is nothing."""
    first = ids > 0
    first[:, 1:] &= ids[:, 1:] != ids[:, :-1]
    return first


class FittedTextLinear(GraphModel):
    """A weight for every word and every slot of pairs, by class."""

    view_type = Graph.INT32

    @property
    def n_features(self) -> int:
        """Tokens of a text."""
        return int(self.arrays["sizes"][0])

    def logits(self, x: Any) -> npt.NDArray[Any]:
        """Return the sum of the weights of what stands in each text."""
        _, n_words, n_pairs = self.arrays["sizes"].astype(np.int64).tolist()
        parts = []
        for begin in range(0, len(x), _BLOCK_ROWS):
            ids = _ngrams(x[begin : begin + _BLOCK_ROWS], n_words, n_pairs)
            weights = self.arrays["weight"][ids] * _is_first(ids)[:, :, None]
            parts.append(weights.sum(axis=1))
        empty = np.empty((0, len(self.classes)), dtype=np.float32)
        return np.concatenate([empty, *parts]) + self.arrays["bias"]

    def logits_graph(self, graph: Graph) -> str:
        """Add the same: ids, sorted, the first of each looked up and added."""
        length, n_words, n_pairs = self.arrays["sizes"].astype(np.int64).tolist()

        def ints(*values: int) -> str:
            return graph.constant(np.array(values, dtype=np.int64))

        def columns(name: str, begin: int, end: int) -> str:
            return graph.add("Slice", name, ints(begin), ints(end), ints(1))

        ids = graph.add("Cast", graph.view, to=graph.INT64)
        ids = graph.add("Min", ids, ints(n_words - 1))
        n_ids = length
        if n_pairs:
            before, after = columns(ids, 0, length - 1), columns(ids, 1, length)
            mixed = graph.add("Add", graph.add("Mul", before, ints(_MULTIPLIER)), after)
            slot = graph.add("Add", graph.add("Mod", mixed, ints(n_pairs)), ints(n_words))
            both = graph.add("Mul", graph.add("Sign", before), graph.add("Sign", after))
            ids = graph.add("Concat", ids, graph.add("Mul", slot, both), axis=1)
            n_ids = 2 * length - 1
        ids = graph.add("TopK", ids, ints(n_ids), axis=1, largest=0, sorted=1)
        same = graph.add("Equal", columns(ids, 1, n_ids), columns(ids, 0, n_ids - 1))
        repeated = graph.add("Pad", graph.add("Cast", same, to=graph.INT64), ints(0, 1, 0, 0))
        # A repeated id becomes 0, whose weights are 0.
        once = graph.add("Mul", ids, graph.add("Sub", ints(1), repeated))
        weights = graph.add("Gather", graph.constant(self.arrays["weight"]), once, axis=0)
        total = graph.add("ReduceSum", weights, ints(1), keepdims=0)
        return graph.add("Add", total, graph.constant(self.arrays["bias"]))


class TextLinear(SingleStepFamily):
    """Logistic regression on words and pairs, weighted by their log-count ratios; one step."""

    name = "text_linear"
    view = "tokens"
    resources = Resources(memory_bytes=1_500_000_000)

    def space(self, trial: "optuna.Trial") -> Params:
        """Suggest slots for pairs, the penalty and the smoothing of the counts."""
        return {
            "pairs": trial.suggest_categorical("pairs", [0, 300_000, 1_000_000]),
            "C": trial.suggest_float("C", 1e-3, 10, log=True),
            "smoothing": trial.suggest_float("smoothing", 0.1, 10, log=True),
        }

    def default(self) -> Params:
        """Return a million slots and a middling penalty."""
        return {"pairs": 1_000_000, "C": 0.3, "smoothing": 1.0}

    def fit_once(
        self, params: Params, train: "Examples", *, seed: int, threads: int = 1
    ) -> FittedTextLinear:
        """Fit once with liblinear, one class against the others where there are more than two."""
        view = train.view(self.view)
        y = train.y[view.item]
        n_words, n_classes = int(view.x.max()) + 1, len(train.classes)
        counts = _counts(view.x, n_words, params["pairs"])
        weight = np.zeros((counts.shape[1], n_classes), dtype=np.float32)
        bias = np.zeros(n_classes, dtype=np.float32)
        with at_most(threads):
            if n_classes == 2:
                column, constant = _log_odds(counts, y == 1, params, seed)
                weight[:, 0], weight[:, 1] = -column / 2, column / 2
                bias[:] = -constant / 2, constant / 2
            else:
                for label in range(n_classes):
                    weight[:, label], bias[label] = _log_odds(counts, y == label, params, seed)
        sizes = np.array([view.x.shape[1], n_words, params["pairs"]], dtype=np.float32)
        arrays = {"weight": weight, "bias": bias, "sizes": sizes}
        return FittedTextLinear(arrays, self.view, train.classes)

    def load(self, folder: Path) -> FittedTextLinear:
        """Return the model in `folder`."""
        return FittedTextLinear.load(folder)


def _counts(tokens: npt.NDArray[Any], n_words: int, n_pairs: int) -> Any:
    """Return which n-grams stand in each text, a sparse matrix of ones [rows, ids]."""
    from scipy import sparse

    ids = _ngrams(tokens, n_words, n_pairs)
    first = _is_first(ids)
    ends = np.concatenate([[0], np.cumsum(first.sum(axis=1))])
    columns = ids[first]
    ones = np.ones(len(columns), dtype=np.float32)
    return sparse.csr_matrix((ones, columns, ends), shape=(len(ids), n_words + n_pairs))


def _log_odds(
    counts: Any, is_class: npt.NDArray[np.bool_], params: Params, seed: int
) -> tuple[npt.NDArray[Any], float]:
    """Return the weight of each n-gram and the constant of a class against the others."""
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    if is_class.all() or not is_class.any():
        return np.zeros(counts.shape[1]), 30.0 if is_class.all() else -30.0
    shares = []
    for rows in (is_class, ~is_class):
        of = np.asarray(counts[rows].sum(axis=0)).ravel() + params["smoothing"]
        shares.append(of / of.sum())
    ratio = np.log(shares[0] / shares[1]).astype(np.float32)
    model = LogisticRegression(
        C=params["C"], solver="liblinear", dual=True, max_iter=1000, random_state=seed
    ).fit(counts @ sparse.diags(ratio), is_class)
    weight = model.coef_[0] * ratio
    weight[0] = 0.0  # what is not there
    return weight, float(model.intercept_[0])


FAMILY = TextLinear()
