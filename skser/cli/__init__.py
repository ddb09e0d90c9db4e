"""The command `skser`: predictions, evaluation, training and audits without writing Python."""

from ._main import main
