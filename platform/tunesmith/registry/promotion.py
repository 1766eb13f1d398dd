"""From the winner of a search to the model that answers users."""

from collections.abc import Mapping
from typing import Any

from tunesmith.artifacts.runs import Run, open_run
from tunesmith.artifacts.store import Store
from tunesmith.datasets.probabilities import temper
from tunesmith.errors import UsageError
from tunesmith.inference.calibration import with_temperature
from tunesmith.inference.classifier import Classifier
from tunesmith.inference.smoke import Bounds
from tunesmith.inference.variants import VARIANTS
from tunesmith.registry.bundles import (
    CARD,
    CARD_TEXT,
    FOLDER,
    MODEL,
    Bundle,
    aliases,
    bundles,
    folder_name,
    open_bundle,
    sha256,
    variant_file,
    versions,
)
from tunesmith.registry.card import make_card
from tunesmith.registry.card_text import card_text
from tunesmith.registry.gate import (
    NOISE_TASK,
    Refused,
    Verdict,
    better_rule,
    equality_rule,
    evaluated_rule,
    leaks_rule,
    noise_rule,
    schema_rule,
    smoke_rule,
    try_out,
    unevaluated,
)
from tunesmith.registry.history import move_champion, name_challenger

__all__ = ["promote"]


def promote(
    store: Store,
    task: str,
    run_id: str | None = None,
    *,
    force: str | None = None,
    bounds: Bounds | None = None,
) -> Bundle:
    """Make a run's model the champion, if the gate lets it through.

    The model is built and tried first, published as a numbered bundle with the alias
    ``challenger``, judged against the champion, and only then named ``champion``: the last step is
    one write, before which nothing has changed for users. Promoting the champion's own model again
    does nothing.

    Parameters
    ----------
    store
        Holds the run and its report; gets the bundle.
    task
        Name of the task.
    run_id
        Which run; the latest by default.
    force
        A reason to overrule the rules of judgement (``better``, ``noise``). It is kept in the
        history. Rules of integrity cannot be overruled.
    bounds
        Memory and time of the smoke prediction.

    Returns
    -------
    Bundle
        The champion.

    Raises
    ------
    Refused
        Which rules refused and by how much. The champion is as it was.
    StoreError
        When there is no such run.
    UsageError
        When `force` gives no reason.
    """
    if force is not None and not force.strip():
        message = "--force needs a reason; it is kept in the history."
        raise UsageError(message)
    store.sweep(FOLDER, task)
    run = open_run(store, task, run_id)
    report = run.report()
    if report is None:
        raise Refused(task, (unevaluated(run),))
    model, classifier, verdicts = _build(run, report, bounds or Bounds())
    bundle = _publish(run, report, model, classifier, verdicts)
    now = aliases(store, task)
    if now.champion == bundle.version:
        return bundle
    name_challenger(store, task, bundle.version)
    verdicts += [better_rule(report, now.champion), leaks_rule(report)]
    if task != NOISE_TASK:
        verdicts.append(noise_rule(_noise_report(store)))
    refusing = [verdict for verdict in verdicts if verdict.passed is False]
    if refusing and force is None:
        raise Refused(task, tuple(verdicts))
    move_champion(
        store,
        task,
        bundle.version,
        action="force" if refusing else "promote",
        reason=force,
        verdicts=tuple(verdict.as_dict() for verdict in verdicts),
    )
    return bundle


def _noise_report(store: Store) -> dict[str, Any] | None:
    if not store.exists("runs", NOISE_TASK, "latest.json"):
        return None
    return open_run(store, NOISE_TASK).report()


def _build(
    run: Run, report: Mapping[str, Any], bounds: Bounds
) -> tuple[bytes, Classifier, list[Verdict]]:
    """Return the model as it will be stored, loaded, after the rules of integrity passed it."""
    trained = run.model_bytes()
    verdicts: list[Verdict] = []

    def check(verdict: Verdict) -> None:
        verdicts.append(verdict)
        if verdict.passed is False:
            raise Refused(run.task, tuple(verdicts))

    # First in a process of its own: a graph may ask for more than this machine has.
    tried = try_out(trained, run, bounds)
    if not tried.within_bounds:
        check(smoke_rule(tried))
    check(schema_rule(run, trained))
    check(smoke_rule(tried))
    classifier = Classifier(trained, classes=run.classes, threads=0)
    inputs, expected = run.reference()
    check(equality_rule(classifier, inputs, expected))
    check(evaluated_rule(report, trained))
    temperature = _temperature(report)
    model = with_temperature(trained, temperature)
    if model is not trained:
        classifier = Classifier(model, classes=run.classes, threads=0)
        check(equality_rule(classifier, inputs, temper(expected, temperature)))
    return model, classifier, verdicts


def _variants(run: Run, report: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the variants that the evaluation found worth keeping, calibrated as the model is."""
    found = {}
    for name, measured in (report.get("variants") or {}).items():
        data = VARIANTS[name](run.model_bytes()) if measured["kept"] else None
        if data is not None:
            found[name] = with_temperature(data, _temperature(report))
    return found


def _temperature(report: Mapping[str, Any]) -> float:
    return float((report.get("calibration") or {}).get("temperature") or 1.0)


def _publish(
    run: Run,
    report: Mapping[str, Any],
    model: bytes,
    classifier: Classifier,
    verdicts: list[Verdict],
) -> Bundle:
    """Write the bundle under the next number; the same model of the same run is written once."""
    store, task = run.store, run.task
    for bundle in bundles(store, task):
        if bundle.card["sha256"] == sha256(model) and bundle.card["run_id"] == run.run_id:
            return bundle
    card = make_card(run, report, model, classifier, [v.as_dict() for v in verdicts])
    smaller = _variants(run, report)
    card["variants"] = {
        name: report["variants"][name] | {"sha256": sha256(data), "bytes": len(data)}
        for name, data in smaller.items()
    }
    card["variants_left_out"] = {
        name: measured
        for name, measured in (report.get("variants") or {}).items()
        if name not in smaller
    }
    number = max(versions(store, task), default=0) + 1
    while True:
        with store.staging(FOLDER, task) as staging:
            staging.write_bytes(model, MODEL)
            for name, data in smaller.items():
                staging.write_bytes(data, variant_file(name))
            numbered = card | {"version": number}
            staging.write_bytes(card_text(numbered).encode(), CARD_TEXT)
            staging.write_json(numbered, CARD)
            # Someone else may have taken the number in the meantime.
            if staging.publish(FOLDER, task, folder_name(number), marker=CARD):
                return open_bundle(store, task, number)
        number += 1
