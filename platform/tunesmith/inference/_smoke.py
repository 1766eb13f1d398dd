"""Load a model and predict in a process that knows nothing but onnxruntime and NumPy.

Run as a program: ``python -I _smoke.py MODEL INPUTS ADDRESS_SPACE_BYTES``. INPUTS is an ``.npz`` of
input arrays and the expected ``probabilities``. Prints one JSON object.
"""

import json
import resource
import sys
import time
from pathlib import Path


def main(model: str, inputs: str, address_space_bytes: int) -> dict[str, object]:
    """Return what loading and predicting took and how far the answers are from the expected."""
    # A model that wants everything must fail here, not take the machine's memory.
    resource.setrlimit(resource.RLIMIT_AS, (address_space_bytes, address_space_bytes))
    import numpy as np
    import onnxruntime

    with np.load(inputs, allow_pickle=False) as arrays:
        feeds = {name: arrays[name] for name in arrays.files}
    expected = feeds.pop("probabilities")
    started = time.perf_counter()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    loaded = time.perf_counter()
    (answers,) = session.run(["probabilities"], feeds)
    answered = time.perf_counter()
    return {
        "load_s": loaded - started,
        "predict_s": answered - loaded,
        "peak_bytes": _peak_bytes(),
        "difference": float(np.abs(answers - expected).max()),
        "rows": len(answers),
        "modules": sorted({name.split(".")[0] for name in sys.modules}),
    }


def _peak_bytes() -> int:
    """Return the most memory this process held."""
    try:
        # getrusage counts what the parent held when it started this process; this does not.
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak * (1 if sys.platform == "darwin" else 1024)
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
