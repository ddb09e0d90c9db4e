"""One training of a network: net, callbacks, split, state and checkpoint."""

from ._callbacks import SCHEDULES, CenterRamp, CenterUpdate, EarlyStopping, EpochSeed, FiniteLoss, OneCycle
from ._checkpoint import Checkpoint, checkpoint_of
from ._data import TrainingData
from ._generators import isolated_generators
from ._net import CenterLossNet, losses_by_epoch
from ._split import hold_out
from ._state import (
    CLASS_WEIGHT,
    IMPLEMENTATIONS,
    continue_from,
    fitted_tensors,
    optimizer_state,
    restore_net,
)

__all__ = [
    "CLASS_WEIGHT",
    "IMPLEMENTATIONS",
    "SCHEDULES",
    "CenterLossNet",
    "CenterRamp",
    "CenterUpdate",
    "Checkpoint",
    "EarlyStopping",
    "EpochSeed",
    "FiniteLoss",
    "OneCycle",
    "TrainingData",
    "checkpoint_of",
    "continue_from",
    "fitted_tensors",
    "hold_out",
    "isolated_generators",
    "losses_by_epoch",
    "optimizer_state",
    "restore_net",
]
