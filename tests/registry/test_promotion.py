import numpy as np
import onnx
import pytest
import yaml
from onnx import numpy_helper

from tests import artefacts, records
from tunesmith.artifacts.cards import InputShape
from tunesmith.errors import StoreError, UsageError
from tunesmith.inference.smoke import Bounds
from tunesmith.registry import (
    Refused,
    aliases,
    bundles,
    champion,
    history,
    open_bundle,
    promote,
)
from tunesmith.reports.publishing import make_report


def refusal(store, **options) -> dict[str, str]:
    """Promote, expect a refusal, return what each refusing rule said."""
    with pytest.raises(Refused) as caught:
        promote(store, "composer", **options)
    return {v.rule: v.message for v in caught.value.verdicts if v.passed is False}


def weak_model(seed: int = 0) -> bytes:
    """Return a model whose answers hardly depend on the input."""
    weights = artefacts.register_weights(9.0)
    noise = np.random.default_rng(seed).normal(size=weights.shape)
    return artefacts.chunk_model(0.02 * weights + 6 * noise)


def test_the_first_model_becomes_champion_and_answers_as_trained(store, add_run, examples):
    add_run("r1")
    bundle = promote(store, "composer")
    found = champion(store, "composer")
    assert found is not None
    assert (bundle.version, found.version) == (1, 1)
    x = examples.view("chunks").x[:200]
    trained = artefacts.chunk_model(artefacts.register_weights())
    answers = found.load().predict({"chunks": x})
    np.testing.assert_allclose(answers, artefacts.answer(trained, {"chunks": x}), atol=1e-5)


def test_the_card_says_what_a_server_and_a_reader_need(store, add_run):
    add_run("r1")
    card = promote(store, "composer").card
    assert card.labels == artefacts.CLASSES
    assert card.inputs == {"chunks": InputShape(dtype="uint8", shape=(None, artefacts.FRAMES, 128))}
    assert card.preparation.frames_per_second == 10
    assert card.metrics["piece"]["accuracy"].value > 0.5
    assert card.lineage.family == "toy"
    assert sum(card.split.parts.values()) == 180
    # Counted in the data, not a constant sentence.
    assert (
        card.split.rule == "No test item shares a group (such as duplicates) with a training item"
    )
    assert {verdict.rule for verdict in card.gate} == {"schema", "equality", "evaluated", "smoke"}
    assert {"python", "onnxruntime"} <= card.libraries.promotion.keys()
    stored = store.read_json("models", "composer", "0001", "card.json")
    assert stored == card.json_object()
    assert stored["schema_version"] == 1
    assert stored["inputs"] == {
        "chunks": {"dtype": "uint8", "shape": [None, artefacts.FRAMES, 128]}
    }


def test_the_card_is_also_a_page_with_the_sections_of_the_convention(store, add_run):
    add_run("r1")
    bundle = promote(store, "composer")
    text = store.read_bytes(*bundle.parts, "card.md").decode()
    _, head, body = text.split("---\n", 2)
    told = yaml.safe_load(head)
    assert told["license"] == "Apache-2.0"
    assert told["datasets"] == ["toy@0123456789ab"]
    sections = [line.removeprefix("## ") for line in body.splitlines() if line.startswith("## ")]
    assert sections == [
        "Model details", "Intended use", "Metrics", "Evaluation data", "Training data",
        "Quantitative analyses", "Ethical considerations", "Caveats and recommendations",
    ]  # fmt: skip
    assert bundle.card.sha256 in body
    assert "Licence of the data: that of each MIDI file" in body
    figure = bundle.card.metrics["piece"]["macro_f1"].value
    assert f"| macro f1 | {figure:.3f} [" in body
    assert "None" not in body


def test_the_detector_of_items_of_no_class_is_part_of_the_bundle(store, add_run, examples):
    add_run("r1", evaluated=False)
    graph = artefacts.add_detector(store)
    make_report(store, "composer", "r1")
    bundle = promote(store, "composer")
    assert store.read_bytes(*bundle.parts, "known.onnx") == graph
    detector = bundle.open_set()
    rows = np.asarray(examples.view("features").x)
    flags = detector.judge(rows, np.eye(3)[examples.y]).is_unknown
    assert 0 < flags.sum() < len(rows)
    assert bundle.card.label_sets is not None
    assert bundle.card.open_set.false_alarms is not None
    assert "It recognises inputs that belong to none of them, with 5% false alarms" in " ".join(
        bundle.card.limits
    )
    page = store.read_bytes(*bundle.parts, "card.md").decode()
    assert "## None of these" in page
    assert "Learned as of no class: 40 of other@1." in page


def test_a_damaged_detector_is_not_promoted(store, add_run):
    add_run("r1", evaluated=False)
    artefacts.add_detector(store)
    make_report(store, "composer", "r1")
    store.write_bytes(b"no graph", "runs", "composer", "r1", "model", "known.onnx")
    with pytest.raises(StoreError, match="damaged"):
        promote(store, "composer")
    assert not store.exists("models", "composer", "0001", "card.json")


def test_promoting_the_champion_again_changes_nothing(store, add_run):
    add_run("r1")
    promote(store, "composer")
    before = aliases(store, "composer")
    promote(store, "composer")
    assert aliases(store, "composer") == before
    assert len(bundles(store, "composer")) == 1


def test_a_better_challenger_replaces_the_champion(store, add_run):
    add_run("r1", weak_model())
    promote(store, "composer", force="the first one")
    add_run("r2")
    promote(store, "composer")
    now = aliases(store, "composer")
    assert (now.champion, now.previous, now.challenger) == (2, 1, None)
    newest, oldest = history(store, "composer")
    assert (newest.replaced, newest.champion, newest.action) == (1, 2, "promote")
    assert (oldest.replaced, oldest.champion, oldest.reason) == (None, 1, "the first one")
    better = next(v for v in newest.verdicts if v.rule == "better")
    assert better.facts["difference"]["low"] > 0
    assert better.facts["version"] == 1


def test_a_worse_challenger_is_refused_and_waits(store, add_run):
    add_run("r1")
    promote(store, "composer")
    add_run("r2", weak_model())
    said = refusal(store)
    assert list(said) == ["better", "baseline"]
    assert "worse beyond noise" in said["better"]
    now = aliases(store, "composer")
    assert (now.champion, now.previous, now.challenger) == (1, None, 2)


def test_an_equal_challenger_is_refused_as_noise(store, add_run):
    add_run("r1")
    promote(store, "composer")
    add_run("r2", artefacts.chunk_model(artefacts.register_weights(9.001)))
    said = refusal(store)
    assert "not better beyond noise" in said["better"]


def test_force_needs_a_reason_and_keeps_it(store, add_run):
    add_run("r1")
    promote(store, "composer")
    add_run("r2", weak_model())
    with pytest.raises(UsageError, match="needs a reason"):
        promote(store, "composer", force=" ")
    promote(store, "composer", force="agreed on the call")
    newest = history(store, "composer")[0]
    assert (newest.action, newest.reason, newest.champion) == ("force", "agreed on the call", 2)


def test_a_comparison_with_a_former_champion_does_not_count(store, add_run):
    add_run("r1", weak_model())
    promote(store, "composer", force="the first one")
    add_run("r3")
    add_run("r2", weak_model(seed=1))
    promote(store, "composer", "r2", force="so that the champion changes")
    said = refusal(store, run_id="r3")
    assert "no comparison with champion 2" in said["better"]
    make_report(store, "composer", "r3")
    promote(store, "composer", "r3")
    assert aliases(store, "composer").champion == 3


def test_a_run_that_was_not_evaluated_is_refused(store, add_run):
    add_run("r1", evaluated=False)
    assert "tunesmith evaluate composer --run r1" in refusal(store)["evaluated"]
    assert not bundles(store, "composer")


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_a_flipped_byte_in_the_runs_model_is_refused(store, add_run):
    add_run("r1")
    promote(store, "composer")
    add_run("r2")
    parts = ("runs", "composer", "r2", "model", "model.onnx")
    data = store.read_bytes(*parts)
    weights = numpy_helper.to_array(onnx.load_model_from_string(data).graph.initializer[0])
    low_byte = data.index(weights.tobytes()) + 4 * 3 * 60  # too small a change to show in answers
    store.write_bytes(flipped(data, low_byte), *parts)
    said = refusal(store)
    assert "was changed or damaged" in said["evaluated"]
    assert aliases(store, "composer").champion == 1


@pytest.mark.parametrize("at", range(0, 400, 40))
def test_a_flipped_byte_anywhere_is_refused(store, add_run, at):
    add_run("r1")
    parts = ("runs", "composer", "r1", "model", "model.onnx")
    data = store.read_bytes(*parts)
    store.write_bytes(flipped(data, at), *parts)
    assert refusal(store)
    assert champion(store, "composer") is None


def test_a_graph_that_differs_from_the_trained_model_is_refused_with_the_factor(store, add_run):
    add_run("r1", artefacts.chunk_model(artefacts.register_weights(9.0)))
    other = artefacts.chunk_model(artefacts.register_weights(9.1))
    store.write_bytes(other, "runs", "composer", "r1", "model", "model.onnx")
    said = refusal(store)
    assert "times the limit 1e-05" in said["equality"]


def test_a_graph_with_other_labels_is_refused(store, add_run):
    add_run("r1")
    two = artefacts.chunk_model(artefacts.register_weights()[:, :2])
    store.write_bytes(two, "runs", "composer", "r1", "model", "model.onnx")
    assert "3 labels need" in refusal(store)["schema"]


def test_a_graph_with_other_inputs_is_refused(store, add_run):
    add_run("r1")
    facts = store.read_json("runs", "composer", "r1", "run.json")
    store.write_json(facts | {"views": ["features"]}, "runs", "composer", "r1", "run.json")
    assert "promises the inputs features, the graph takes chunks" in refusal(store)["schema"]


def test_too_few_reference_rows_are_refused(store, add_run, examples):
    add_run("r1")
    model = artefacts.chunk_model(artefacts.register_weights())
    artefacts.write_run(store, examples, model, run_id="r1", reference_rows=150)
    assert "50 fewer than the 200" in refusal(store)["equality"]


def test_a_memory_hungry_model_is_refused_by_how_much(store, add_run):
    add_run("r1")
    said = refusal(store, bounds=Bounds(memory_bytes=20_000_000))
    assert "above the limit 20 MB" in said["smoke"]


def test_a_model_that_wants_everything_is_stopped(store, add_run):
    add_run("r1", artefacts.hungry_model(2_500_000_000), evaluated=False)
    sha256 = artefacts.sha256(store, "r1")
    records.write_report(store, records.make_report("r1", "composer", sha256=sha256))
    said = refusal(store, bounds=Bounds(memory_bytes=300_000_000))
    assert "300 MB of memory is the limit" in said["smoke"]


def test_a_slow_model_is_refused(store, add_run):
    add_run("r1")
    assert "no answer within the 0.01 s" in refusal(store, bounds=Bounds(time_s=0.01))["smoke"]


def test_noise_above_chance_stops_every_promotion(store, add_run):
    add_run("r1")
    classes = list("0123456789")
    # A task of any name, marked by itself as a check on noise.
    records.write_run(store, records.make_run("n1", "static", is_noise_check=True))
    for value, low, high in ((0.2, 0.15, 0.25), (0.11, 0.09, 0.13)):
        metrics = {"row": {"accuracy": {"value": value, "low": low, "high": high}}}
        report = records.make_report("n1", "static", classes=classes, metrics=metrics)
        records.write_report(store, report)
        if low > 0.1:
            assert "0.050 beyond its interval" in refusal(store)["noise"]
    assert promote(store, "composer").version == 1


def test_without_a_check_on_noise_promotion_warns(store, add_run):
    add_run("r1")
    records.write_run(store, records.make_run("n1", "songs"))
    records.write_report(store, records.make_report("n1", "songs"))
    promote(store, "composer")
    (verdict,) = [v for v in history(store, "composer")[0].verdicts if v.rule == "noise"]
    assert verdict.passed is None


def test_a_leak_that_the_audit_found_stops_a_promotion_without_a_reason(store, add_run):
    add_run("r1")
    report = store.read_json("reports", "composer", "r1", "report.json")
    finding = {"check": "equal rows", "result": "leak", "message": "40 of 60.", "facts": {}}
    parts = ("reports", "composer", "r1", "report.json")
    store.write_json(report | {"audit": [finding]}, *parts)
    assert "equal rows: 40 of 60" in refusal(store)["leaks"]
    assert champion(store, "composer") is None
    promote(store, "composer", force="the copies are repeats of a chorus")
    (verdict,) = [v for v in history(store, "composer")[0].verdicts if v.rule == "leaks"]
    assert verdict.passed is False
    assert any("40 of 60" in limit for limit in champion(store, "composer").card.limits)


def test_labels_that_repeat_are_refused(store, add_run):
    add_run("r1")
    facts = store.read_json("runs", "composer", "r1", "run.json")
    doubled = facts | {"classes": ["bach", "chopin", "bach"]}
    store.write_json(doubled, "runs", "composer", "r1", "run.json")
    assert "twice: bach" in refusal(store)["schema"]


def test_a_damaged_bundle_is_never_loaded(store, add_run):
    add_run("r1")
    bundle = promote(store, "composer")
    data = store.read_bytes(*bundle.parts, "model.onnx")
    store.write_bytes(flipped(data, len(data) // 2), *bundle.parts, "model.onnx")
    found = champion(store, "composer")
    assert found is not None
    with pytest.raises(StoreError, match="is damaged: its SHA-256"):
        found.load()


def test_an_unknown_version_lists_the_known(store, add_run):
    add_run("r1")
    promote(store, "composer")
    with pytest.raises(StoreError, match=r"no version 7 of .composer.*Known: 1"):
        open_bundle(store, "composer", 7)
