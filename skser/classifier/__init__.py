"""The estimator: a network trained with cross-entropy and center loss."""

from ._calibration import HIGHEST_TEMPERATURE, LOWEST_TEMPERATURE
from ._classifier import CenterLossClassifier
from ._inputs import check_classes, check_groups, check_labels, read_targets
from ._interruption import ended_by_ctrl_c
from ._net import fitted_attributes, make_net
from ._parameters import check_classifier_parameters, uses_groups
from ._published import make_published_pipeline
from ._saliency import compute_saliency
