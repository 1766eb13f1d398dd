"""Private names of Ray Serve that the adapter uses: still there, and nowhere else."""

import ast
import inspect
import warnings
from pathlib import Path

import pytest
import ray

from tunesmith.serving import ray_adapter

ADVICE = (
    f"Ray {ray.__version__} moved a name that the adapter read in {ray_adapter.READ_IN}. "
    "Find its place in ray/serve/_private, change the adapter alone, and set READ_IN."
)
SERVING = Path(ray_adapter.__file__).parent


def _load_serve() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own, while it is imported
        import ray.serve  # noqa: F401


def test_the_adapter_was_read_in_this_version_of_ray() -> None:
    assert ray.__version__ == ray_adapter.READ_IN, (
        f"Ray is {ray.__version__}: run tests/serving with the markers slow and cluster, then set "
        "READ_IN in serving/ray_adapter.py."
    )


def test_the_names_are_where_the_adapter_looks() -> None:
    _load_serve()
    try:
        assert isinstance(ray_adapter.is_haproxy_mode(), bool)
        from ray.serve._private.logging_utils import get_serve_logs_dir
    except ImportError as error:
        pytest.fail(f"{error}. {ADVICE}")
    assert not inspect.signature(get_serve_logs_dir).parameters, ADVICE


def test_serve_still_calls_the_method_that_builds_the_application() -> None:
    _load_serve()
    from ray.serve import api

    from tunesmith.serving import app

    assert ray_adapter.BUILD_ASGI_APP in inspect.getsource(api), ADVICE
    assert hasattr(app.Tunesmith.func_or_class, ray_adapter.BUILD_ASGI_APP)


def test_private_names_of_ray_stand_in_the_adapter_alone() -> None:
    for path in SERVING.rglob("*.py"):
        if path.name == "ray_adapter.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                module = node.module or ""
                assert not (module.startswith("ray.") and "._" in module), f"{path}: {module}"
