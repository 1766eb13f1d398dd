"""Trials of a made-up search, for tests of its plots."""

import json

import numpy as np
import pandas as pd


def search_tables(n: int, family: str = "cnn") -> pd.DataFrame:
    """Return trials whose score depends on the learning rate alone."""
    random = np.random.default_rng(0)
    rate = 10 ** random.uniform(-4, -1, n)
    return pd.DataFrame(
        {
            "trial": range(n),
            "family": family,
            "params": [
                json.dumps({"rate": r, "kind": ["a", "b"][i % 2], "fixed": 3})
                for i, r in enumerate(rate)
            ],
            "state": ["COMPLETE" if i % 3 else "PRUNED" for i in range(n)],
            "score": 0.9 - 0.05 * np.abs(np.log10(rate) + 2.5),
        }
    )
