"""The Serve application, where `serve run serve/config.yaml` finds it."""

from tunesmith.serving.app import build

__all__ = ["build"]
