"""From the winner of a search to the model that answers users."""

from collections.abc import Mapping

from tunesmith.artifacts import layout
from tunesmith.artifacts.cards import Card, Verdict
from tunesmith.artifacts.gaps import left_out
from tunesmith.artifacts.open_set import Detector
from tunesmith.artifacts.pointers import claim
from tunesmith.artifacts.reports import ReportRecord, VariantScores, open_report
from tunesmith.artifacts.runs import Run, latest_run_id, open_run
from tunesmith.artifacts.store import Store
from tunesmith.datasets.probabilities import temper
from tunesmith.errors import StoreError, UsageError
from tunesmith.inference.calibration import with_temperature
from tunesmith.inference.classifier import Classifier
from tunesmith.inference.open_set import OpenSet
from tunesmith.inference.smoke import Bounds
from tunesmith.inference.variants import VARIANTS
from tunesmith.registry.bundles import (
    CARD_TEXT,
    KNOWN,
    MODEL,
    Bundle,
    bundles,
    next_version,
    open_bundle,
    read_aliases,
    sha256,
    variant_file,
)
from tunesmith.registry.card import make_card
from tunesmith.registry.card_text import card_text
from tunesmith.registry.gate import (
    Refused,
    baseline_rule,
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
from tunesmith.registry.lines import line_of

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
        A reason to overrule the rules of judgement (``better``, ``baseline``, ``leaks``,
        ``noise``), kept in the history. Rules of integrity cannot be overruled.
    bounds
        Memory and time of the smoke prediction.

    Returns
    -------
    Bundle
        The champion. A run on a table with other columns or classes than those of the task's
        champion begins another line: the name of the bundle says which.

    Raises
    ------
    Refused
        Which rules refused and by how much. The champion is as it was.
    PromotionError
        When another command moved the champion meanwhile.
    StoreError
        When there is no such run.
    UsageError
        When `force` gives no reason.
    """
    if force is not None and not force.strip():
        message = "--force needs a reason; it is kept in the history."
        raise UsageError(message)
    run = open_run(store, task, run_id)
    line = line_of(run)
    store.sweep(*layout.model(line))
    # What is decided from here on holds only as long as the champion stays.
    now = read_aliases(store, line)
    evaluated = open_report(store, task, run.run_id)
    if evaluated is None:
        raise Refused(task, (unevaluated(run),))
    report = evaluated.record
    model, classifier, verdicts = _build(run, report, bounds or Bounds())
    bundle = _publish(run, report, model, classifier, verdicts, line=line)
    if read_aliases(store, line).champion == bundle.version:
        return bundle
    name_challenger(store, line, bundle.version)
    verdicts += [better_rule(report, now.champion), baseline_rule(report), leaks_rule(report)]
    if not run.record.is_noise_check:
        verdicts.append(noise_rule(_noise_report(store)))
    refusing = [verdict for verdict in verdicts if verdict.passed is False]
    if refusing and force is None:
        raise Refused(task, tuple(verdicts))
    move_champion(
        store,
        line,
        bundle.version,
        action="force" if refusing else "promote",
        since=now,
        reason=force,
        verdicts=verdicts,
    )
    return bundle


def _noise_report(store: Store) -> ReportRecord | None:
    """Return the report on the newest run whose data is pure noise, None where there is none."""
    checks = []
    for task in store.list(*layout.searched_tasks()):
        with left_out(f"The latest run of {task}"):
            run_id = latest_run_id(store, task)
            if run_id is not None and open_run(store, task, run_id).record.is_noise_check:
                report = open_report(store, task, run_id)
                checks += [report.record] if report is not None else []
    return max(checks, key=lambda record: record.run_id, default=None)


def _build(
    run: Run, report: ReportRecord, bounds: Bounds
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
    temperature = report.temperature
    model = with_temperature(trained, temperature)
    if model is not trained:
        classifier = Classifier(model, classes=run.classes, threads=0)
        check(equality_rule(classifier, inputs, temper(expected, temperature)))
    return model, classifier, verdicts


def _variants(run: Run, report: ReportRecord) -> dict[str, bytes]:
    """Return the variants that the evaluation found worth keeping, calibrated as the model is."""
    graphs = {}
    for name, scores in report.variants.items():
        graph = VARIANTS[name](run.model_bytes()) if scores.kept else None
        if graph is not None:
            graphs[name] = with_temperature(graph, report.temperature)
    return graphs


def _publish(
    run: Run,
    report: ReportRecord,
    model: bytes,
    classifier: Classifier,
    verdicts: list[Verdict],
    *,
    line: str,
) -> Bundle:
    """Write the bundle under the next number; the same model of the same run is written once."""
    store = run.store
    for bundle in bundles(store, line):
        if bundle.card.sha256 == sha256(model) and bundle.card.run_id == run.run_id:
            return bundle
    variants = _variants(run, report)
    card = make_card(run, report, model, classifier, verdicts).model_copy(
        update={
            "name": line,
            "title": _title(run, line),
            "variants": {
                name: _kept(report.variants[name], graph) for name, graph in variants.items()
            },
            "variants_left_out": {
                name: scores for name, scores in report.variants.items() if name not in variants
            },
        }
    )
    files = {MODEL: model} | {variant_file(name): graph for name, graph in variants.items()}
    if card.detector is not None:
        files[KNOWN] = _detector(run, card.detector)
    number = next_version(store, line)
    while not _write(store, card.model_copy(update={"version": number}), files):
        # Someone else took the number in the meantime.
        number += 1
    return open_bundle(store, line, number)


def _title(run: Run, line: str) -> str:
    """Return the title of a run's model; lines of one task differ in their data."""
    title, name = run.record.title, run.record.dataset.name
    return title if line == run.task or name in title else f"{title}: {name}"


def _kept(scores: VariantScores, graph: bytes) -> VariantScores:
    """Return the scores of a variant with the hash and the size of its file."""
    return scores.model_copy(update={"sha256": sha256(graph), "bytes": len(graph)})


def _detector(run: Run, facts: Detector) -> bytes:
    """Return the graph of the run's detector after loading it as a server will.

    Raises
    ------
    StoreError
        When it is missing or is not the one that the run describes.
    ModelError
        When it cannot be loaded.
    """
    graph = run.known_bytes()
    if sha256(graph) != facts.sha256:
        file = "/".join((*run.parts, "model", KNOWN))
        message = f"{file} is damaged: its SHA-256 is not that of the run. Tune {run.task} again."
        raise StoreError(message)
    OpenSet(graph, facts, run.classes)
    return graph


def _write(store: Store, card: Card, files: Mapping[str, bytes]) -> bool:
    """Write a bundle; return whether its number was free."""
    if not claim(store, *layout.bundle(card.name, card.version)):
        return False
    with store.staging(*layout.model(card.name)) as staging:
        for name, content in files.items():
            staging.write_bytes(content, name)
        staging.write_bytes(card_text(card).encode(), CARD_TEXT)
        card.write(staging, layout.CARD)
        return staging.publish(*layout.bundle(card.name, card.version), marker=layout.CARD)
