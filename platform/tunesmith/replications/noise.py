"""The experiment notebook's network on labels that mean nothing."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tunesmith.models import get_family
from tunesmith.replications.contract import CUT_DOWN, Measurement, Replication, Result, Row, Setting
from tunesmith.replications.training import Plan, accuracy_of, interval, mean_of, train_and_judge
from tunesmith.tasks import Request, TaskData, get_task

__all__ = ["REPLICATION"]

_EPOCHS = 20
_TRIALS = 50
_FAMILIES = ("ann", "boosting", "linear")
_SEEDS = 10


def _noise(setting: Setting, seed: int) -> TaskData:
    return get_task("noise").read(setting.store, Request(seed=seed))


def _plan(seed: int) -> Plan:
    reference = get_task("noise").reference
    return Plan("ann", dict(reference.params) if reference else {}, _EPOCHS, seed)


def _parts(data: TaskData) -> tuple[Any, Any, Any]:
    train, validation, test = (
        np.flatnonzero(data.parts == part) for part in ("train", "validation", "test")
    )
    return train, validation, test


def _best_epoch(setting: Setting) -> Result:
    """Return the best validation accuracy of 20 epochs, over as many seeds as are asked for."""
    n_seeds = setting.effort.epochs(_SEEDS)
    best, last = [], []
    for seed in range(n_seeds):
        data = _noise(setting, seed)
        train, validation, _ = _parts(data)
        result = train_and_judge(setting, _plan(seed), data.examples, train, validation)
        best.append(max(result["curve"]))
        last.append(result["accuracy"])
    return {
        "accuracy": float(np.mean(best)),
        "last_epoch": float(np.mean(last)),
        "highest": max(best),
        "seeds": n_seeds,
    }


def _searched(setting: Setting) -> Result:
    """Return what the winner of a search over three families scores on fresh rows, once."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    data = _noise(setting, 0)
    train, validation, test = _parts(data)
    given, judged = data.examples.take(train), data.examples.take(validation)
    n_trials = setting.effort.epochs(_TRIALS)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=0, constant_liar=False)
    )
    best_score, answers = -1.0, np.zeros((len(test), 10), dtype=np.float32)
    fresh = data.examples.take(test)
    for number in range(n_trials):
        trial = study.ask()
        family = get_family(trial.suggest_categorical("family", list(_FAMILIES)))
        score = -1.0
        # Families name their settings alike; a search over several keeps them apart.
        prefixed: Any = _Prefixed(trial, family.name)
        params = family.space(prefixed)
        for step in family.fit(
            params, given, seed=number, max_steps=_EPOCHS, threads=setting.threads
        ):
            now = accuracy_of(judged.y, step.model.predict_proba(judged.view("features").x))
            if now > score:
                score = now
                if now > best_score:
                    best_score = now
                    answers = step.model.predict_proba(fresh.view("features").x)
        study.tell(trial, score)
    return {
        "accuracy": accuracy_of(fresh.y, answers),
        "validation": best_score,
        "trials": n_trials,
        "n": len(fresh),
    }


class _Prefixed:
    """A trial whose settings carry the name of a family."""

    def __init__(self, trial: Any, family: str) -> None:
        self._trial = trial
        self._family = family

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._trial, name)
        return lambda key, *given, **named: method(f"{self._family}:{key}", *given, **named)


def _rows(results: Mapping[str, Result]) -> list[Row]:
    rows = []
    if "best-epoch" in results:
        one = results["best-epoch"]
        rows.append(
            Row(
                protocol="best validation accuracy of 20 epochs, 1,000 rows",
                published=0.1183,
                same=one["accuracy"],
                difference=(
                    f"Choosing the best of 20 epochs: mean of {one['seeds']} seeds, highest "
                    f"{one['highest']:.4f}; the last epoch alone gives {one['last_epoch']:.4f}."
                ),
                ran="" if one["seeds"] == _SEEDS else f"{CUT_DOWN}: {one['seeds']} seeds",
            )
        )
    if "searched" in results:
        one = results["searched"]
        rows.append(
            Row(
                protocol=f"winner of {one['trials']} trials, best validation accuracy",
                published=0.1183,
                same=one["validation"],
                difference=(
                    f"Luck: the winner's {one['validation']:.4f} on validation is "
                    f"{one['accuracy']:.4f} on {one['n']:,} fresh rows, read once."
                ),
                ran="" if one["trials"] == _TRIALS else f"{CUT_DOWN}: {one['trials']} trials",
                honest=interval(one["accuracy"], one["n"]) | {"text": "the same winner"},
            )
        )
    return rows or [Row("best validation accuracy of 20 epochs", 0.1183, mean_of(results, "best"))]


REPLICATION = Replication(
    name="noise",
    title="Notebook: network on random labels",
    task="noise",
    missing=lambda _: None,
    version=lambda _: "generated",
    measurements=(
        Measurement(
            "best-epoch", "the notebook's network", {**_plan(0).about(), "seeds": _SEEDS},
            _best_epoch, 60,
        ),
        Measurement(
            "searched", f"a search of {_TRIALS} trials, its winner tested once",
            {"trials": _TRIALS, "families": _FAMILIES, "epochs": _EPOCHS}, _searched, 150,
        ),
    ),
    rows=_rows,
)  # fmt: skip
