"""Killing promotions: whatever the moment, one valid champion answers afterwards."""

import random
import subprocess
import sys
import time

import pytest

from tests import artefacts
from tunesmith.registry import aliases, bundles, champion, history, promote

# Trying a model out writes nothing and takes most of the time of a promotion: left out here, the
# moments fall among the writes.
PROGRAM = """
import sys
import onnxruntime, pyarrow.parquet
from tunesmith.registry import promote, promotion
from tunesmith.inference.smoke import Smoke
from tunesmith.artifacts.store import Store

facts = {"load_s": 0.0, "predict_s": 0.0, "peak_bytes": 1, "rows": 1}
promotion.try_out = lambda model, run, bounds: Smoke(None, facts=facts)
store = Store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for run_id in sys.argv[2:]:
    promote(store, "composer", run_id, force="a drill")
    print(run_id, flush=True)
"""
MOMENTS = 20


def start(store, run_ids):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, store.uri, *run_ids],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def time_of_three(store, run_ids):
    process = start(store, run_ids)
    assert process.stdout.readline() == "ready\n"
    began = time.perf_counter()
    process.communicate("\n")
    assert process.returncode == 0
    return time.perf_counter() - began


@pytest.mark.slow
def test_killed_at_random_moments_exactly_one_valid_champion_is_left(store, add_run):
    names = [f"r{number:02d}" for number in range(3 * MOMENTS + 4)]
    add_run(names[0])
    for number, name in enumerate(names[1:]):
        model = artefacts.chunk_model(artefacts.register_weights(9.0 + number / 50))
        add_run(name, model, evaluated=False)
        report = store.read_json("reports", "composer", names[0], "report.json")
        facts = {"run_id": name, "sha256": artefacts.sha256(store, name)}
        store.write_json(report | facts, "reports", "composer", name, "report.json")
    promote(store, "composer", names[0])

    whole_s = time_of_three(store, names[-3:])
    dice = random.Random(20)
    moved, untouched = 0, 0
    waiting = start(store, names[1:4])
    for moment in range(MOMENTS):
        process = waiting
        assert process.stdout.readline() == "ready\n"
        # The next one imports while this one is killed.
        following = names[3 * moment + 4 : 3 * moment + 7]
        waiting = start(store, following) if moment + 1 < MOMENTS else None
        before = aliases(store, "composer")
        process.stdin.write("\n")
        process.stdin.flush()
        # After none, one or two whole promotions, whatever the load of the machine.
        for _ in range(dice.randrange(3)):
            process.stdout.readline()
        time.sleep(dice.uniform(0.0, whole_s / 3))  # the random moment itself
        process.kill()
        process.communicate()

        now, found = aliases(store, "composer"), champion(store, "composer")
        assert found is not None
        found.model_bytes()
        assert found.version == now.champion == history(store, "composer")[0].champion
        for bundle in bundles(store, "composer"):
            bundle.model_bytes()
        moved += now.champion != before.champion
        untouched += now.champion == before.champion
    final = champion(store, "composer")
    assert final is not None
    final.load()
    promote(store, "composer", names[0], force="still works")
    # Moments before the first move and after it, or the test would not have hit anything.
    assert moved
    assert untouched
