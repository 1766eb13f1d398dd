"""Helpers for family files: networks, numeric models, scaling, ONNX graphs."""
