"""Model files: a fitted model in one file that runs no code when it is loaded."""

from ._model_files import load_model, save_model
from ._pretrained import installed_models, load_pretrained
