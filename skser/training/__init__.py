"""One training of a network: net, callbacks, split, state and checkpoint."""

from ._callbacks import SCHEDULES, CenterRamp, CenterUpdate, EarlyStopping, EpochSeed, FiniteLoss, OneCycle
from ._checkpoint import Checkpoint, checkpoint_of
from ._data import TrainingData
from ._generators import isolated_generators
from ._net import CenterLossNet, losses_by_epoch
from ._split import train_validation_split
from ._state import (
    CLASS_WEIGHT,
    IMPLEMENTATIONS,
    continue_from,
    learnt_tensors,
    optimizer_memory,
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
    "isolated_generators",
    "learnt_tensors",
    "losses_by_epoch",
    "optimizer_memory",
    "restore_net",
    "train_validation_split",
]
