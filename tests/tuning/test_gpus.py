"""GPU trials share cards by fraction, CPU trials run beside them and see none.

Ray is told of two cards that are not there; what a trial is given does not depend on the hardware.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
_PROGRAM = """
import json, sys
from tunesmith.cluster import connection
from tunesmith.artifacts.store import Store
from tunesmith.tasks import Request
with connection.session(num_cpus=3, num_gpus=2, object_store_memory=200_000_000) as cluster:
    from tunesmith.tuning import SearchRequest, search
    ask = SearchRequest("noise", families=("ann", "boosting"), trials=4)
    (run,) = search(Store(sys.argv[1]), [ask], say=lambda line: print(line, file=sys.stderr))
print(json.dumps(run.record.json_object()))
"""


@pytest.mark.cluster
@pytest.mark.slow
def test_trials_get_the_cards_they_were_given_and_no_others(tmp_path: Path) -> None:
    import pandas as pd

    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(tmp_path)],
        capture_output=True, text=True, cwd=ROOT, timeout=400, check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": "platform"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    run = json.loads(done.stdout)
    assert run["resources"]["GPU"] == 2
    assert run["counts"]["completed"] + run["counts"]["pruned"] == 4
    history = pd.read_parquet(tmp_path / "runs" / "noise" / run["run_id"] / "history.parquet")
    cards = history.groupby("family")["gpus"].unique()
    assert set(cards["boosting"]) == {""}
    assert set(cards["ann"]) <= {"0", "1"}
    of_trial = history[["trial", "gpus"]].drop_duplicates()
    assert of_trial["trial"].is_unique
