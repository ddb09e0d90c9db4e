"""Cross-validation with speakers kept apart."""

from ._evaluate import evaluate
from ._evaluation import Evaluation
from ._skew import skew_test_sets
