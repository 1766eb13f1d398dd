"""The quickstart notebook runs as it stands, and the outputs that it is shown with are its own."""

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

NOTEBOOK = Path(__file__).parent.parent / "examples" / "quickstart.ipynb"
# The cells whose output says how the walk went, by a part of their source.
WALK = {
    "tunesmith.ingest(": r"PieceFrames\('styles', version='[0-9a-f]{12}', pieces=120, classes=3\)",
    '"composer",\n    dataset': r"Run\('composer', .* macro_f1=(0\.[5-9]|1\.0)",
    "tunesmith.evaluate(run)\nreport\n": r"Report\('composer', .* macro_f1=(0\.[5-9]|1\.0)",
    "tunesmith.promote(run)\n": r"Model\('composer', version=1, macro_f1=",
    'compose("Waltz", seed=1000)': r"Prediction\('Waltz', probability=",
}


def read() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def check(notebook: Any) -> None:
    """Require that every cell ran, quietly, and that the walk went well."""
    nbformat.validate(notebook)
    results = {}
    for number, cell in enumerate(code(notebook), start=1):
        assert cell.execution_count == number
        for output in cell.outputs:
            # A stream is a log line or a warning: no cell prints anything itself.
            assert output.output_type in {"execute_result", "display_data"}, output
            results[cell.source + "\n"] = output.data.get("text/plain", "")
    for part, pattern in WALK.items():
        text = next(text for source, text in results.items() if part in source)
        assert re.search(pattern, text), text
    (metrics,) = [text for source, text in results.items() if "report.metrics" in source]
    accuracy = re.search(r"^accuracy +(\d\.\d+)", metrics, re.MULTILINE)
    assert accuracy
    assert float(accuracy[1]) > 0.9


def test_it_is_shown_with_outputs_that_name_no_machine() -> None:
    notebook = read()
    check(notebook)
    text = NOTEBOOK.read_text()
    assert str(Path.home()) + "/" not in text
    assert len(text) < 500_000
    kinds = [set(output.data) for cell in code(notebook) for output in cell.outputs]
    assert sum("image/png" in kind for kind in kinds) == 2
    assert sum("text/html" in kind for kind in kinds) >= 8


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore::DeprecationWarning:zmq")
def test_it_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    # Ray's sockets need a short path.
    monkeypatch.setenv("RAY_TMPDIR", tempfile.gettempdir())
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    paths = [str(NOTEBOOK.parent.parent / "platform"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    shown, notebook = read(), read()
    for cell in code(notebook):
        cell.outputs, cell.execution_count = [], None
    client = nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    check(notebook)
    kinds = [
        [[sorted(output.data) for output in cell.outputs] for cell in code(each)]
        for each in (shown, notebook)
    ]
    assert kinds[0] == kinds[1]
