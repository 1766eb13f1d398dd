"""Labelled rows as input of TensorFlow, PyTorch and Ray Data."""

import warnings
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.api.extras import needs
from tunesmith.errors import unknown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SPLITS", "Frames"]

SPLITS = ("train", "validation", "test")


class Frames(ABC):
    """Labelled rows with a split, and their conversion for other libraries."""

    classes: tuple[str, ...]

    @abstractmethod
    def _rows(self, table: str) -> tuple[npt.NDArray[Any], "pd.DataFrame"]:
        """Return the inputs ``[rows, ...]`` and, for each, ``id``, ``label`` and ``split``."""

    def arrays(
        self, table: str = "features", split: str | None = None
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        """Return inputs and classes as NumPy arrays.

        Parameters
        ----------
        table
            Rows of which table: ``features``, or ``chunks`` for piano rolls.
        split
            ``train``, ``validation`` or ``test``; all labelled rows by default.

        Returns
        -------
        x
            ``float32 [rows, features]`` or ``uint8 [rows, frames, 128]``.
        y
            Class of each row, an index into `classes`, ``int64 [rows]``.

        Raises
        ------
        UsageError
            When there is no such table or split.
        """
        x, _, y = self._chosen(table, split)
        return x, y

    def _chosen(
        self, table: str, split: str | None
    ) -> tuple[npt.NDArray[Any], "pd.DataFrame", npt.NDArray[np.int64]]:
        """Return inputs, ``id``, ``label`` and ``split``, and classes of the rows of a split."""
        if split is not None and split not in SPLITS:
            kind = "split"
            raise unknown(kind, str(split), SPLITS)
        x, about = self._rows(table)
        parts = about["split"]
        chosen = (parts.notna() if split is None else parts == split).to_numpy(dtype=bool)
        about = about[chosen].reset_index(drop=True)
        place = {label: index for index, label in enumerate(self.classes)}
        y = np.array([place[label] for label in about["label"]], dtype=np.int64)
        return x[chosen], about, y

    @needs("to_tf", "train")
    def to_tf(self, table: str = "features", split: str | None = None) -> Any:
        """Return a ``tf.data.Dataset`` of pairs ``(x, y)``, one a row.

        Parameters
        ----------
        table, split
            As in `arrays`.

        Raises
        ------
        UsageError
            When there is no such table or split.
        MissingPackageError
            When TensorFlow is not installed; the message says how to install it.

        Examples
        --------
        >>> batches = data.to_tf("chunks", split="train").shuffle(1000).batch(32)  # doctest: +SKIP
        """
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices(self.arrays(table, split))

    @needs("to_torch")
    def to_torch(self, table: str = "features", split: str | None = None) -> Any:
        """Return a ``torch.utils.data.TensorDataset`` of pairs ``(x, y)``, one a row.

        Parameters
        ----------
        table, split
            As in `arrays`.

        Raises
        ------
        UsageError
            When there is no such table or split.
        MissingPackageError
            When PyTorch is not installed; the message says how to install it.

        Examples
        --------
        >>> from torch.utils.data import DataLoader  # doctest: +SKIP
        >>> DataLoader(data.to_torch(split="train"), batch_size=32, shuffle=True)  # doctest: +SKIP
        """
        import torch

        x, y = self.arrays(table, split)
        pair = torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(y)
        return torch.utils.data.TensorDataset(*pair)

    @needs("to_ray", "train")
    def to_ray(
        self, table: str = "features", split: str | None = None, *, address: str | None = None
    ) -> Any:
        """Return a ``ray.data.Dataset``, a row a row: ``id``, ``label``, ``split``, ``x``, ``y``.

        Parameters
        ----------
        table, split
            As in `arrays`.
        address
            Ray cluster to join; by default the one that ``RAY_ADDRESS`` names, else Ray starts on
            this machine and stays until ``ray.shutdown()``.

        Raises
        ------
        UsageError
            When there is no such table or split.
        MissingPackageError
            When Ray is not installed; the message says how to install it.

        Examples
        --------
        >>> data.to_ray(split="train").iter_batches(batch_size=32)  # doctest: +SKIP
        """
        import ray.data

        from tunesmith.cluster.connection import connect

        connect(address)
        x, about, y = self._chosen(table, split)
        with warnings.catch_warnings():
            # Ray's defaults set fields that Ray has deprecated.
            warnings.simplefilter("ignore", DeprecationWarning)
            return ray.data.from_pandas(about.assign(x=list(x), y=y))
