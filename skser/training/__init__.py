"""Training of a network: net, callbacks, split, state and checkpoint."""

from ._callbacks import (
    SCHEDULES,
    CenterRamp,
    CenterUpdate,
    CenterWarmup,
    EarlyStopping,
    EpochSeed,
    FiniteLoss,
    OneCycle,
)
from ._checkpoint import Checkpoint
from ._data import TrainingData
from ._fingerprint import check_resumable, fingerprint
from ._net import CenterLossNet, losses_by_epoch
from ._split import make_speaker_folds, train_validation_split
from ._state import (
    CLASS_WEIGHT,
    IMPLEMENTATIONS,
    describe_history,
    fitted_tensors,
    optimizer_state,
    restore_history,
    restore_net,
)
from ._train import train_net
