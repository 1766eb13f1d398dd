"""The Serve application: `serve run serve/config.yaml`, or `import_path: serve.app:build`."""

from ray import serve
from ray.serve import Application
from starlette.types import ASGIApp

from serve.routes import make_app
from serve.service import Service
from serve.settings import Settings

__all__ = ["Tunesmith", "build"]


@serve.deployment(name="Tunesmith", max_ongoing_requests=64)
@serve.ingress()
class Tunesmith:
    """One replica: HTTP in front, the graph inside, ONNX Runtime in worker threads."""

    def __init__(self, settings: Settings) -> None:
        self._service = Service(settings)
        self._service.start()

    def __serve_build_asgi_app__(self) -> ASGIApp:
        return make_app(self._service, name_id=False)

    def check_health(self) -> None:
        """Tell Serve whether the replica can still answer."""
        self._service.check()


def build(settings: Settings) -> Application:
    """Return the application for the arguments in serve/config.yaml.

    Parameters
    ----------
    settings
        Validated `args`; unknown keys are refused.

    Returns
    -------
    Application
        For `serve.run`.
    """
    application: Application = Tunesmith.bind(settings)  # type: ignore[attr-defined]
    return application
