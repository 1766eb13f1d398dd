"""The classifier of a run that was not promoted."""

from tunesmith.artifacts.runs import Run
from tunesmith.inference.classifier import Classifier

__all__ = ["load_run"]


def load_run(run: Run, threads: int = 1) -> Classifier:
    """Return a run's winner, ready to predict.

    Parameters
    ----------
    run
        The run.
    threads
        Threads of one prediction; 0 for every core.

    Raises
    ------
    ModelError
        When onnxruntime refuses the model.
    """
    return Classifier(run.model_bytes(), classes=run.classes, threads=threads)
