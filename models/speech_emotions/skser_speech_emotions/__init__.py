"""The model "speech-emotions" of skser; `skser.load_pretrained` finds it."""

from pathlib import Path

MODEL = Path(__file__).with_name("model.safetensors")
