"""Trained classifiers in other formats."""

from ._to_onnx import to_onnx
