"""The estimator: a network trained with cross-entropy and center loss, in scikit-learn's manners."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback
from skorch.helper import predefined_split

from .._utils import check_acceleration, resolve_device, torch_settings, warn_caller
from ..nn import SpectrogramNetwork
from ..sequences import SpectrogramDataset, batches_by_length
from ..training import (
    CenterLossNet,
    CenterUpdate,
    EarlyStopping,
    EpochSeed,
    FiniteLoss,
    TrainingData,
    continue_from,
    isolated_generators,
    losses_by_epoch,
    train_validation_split,
)
from ._inputs import check_groups, check_labels, check_sample_weight, check_spectrograms
from ._parameters import check_classifier_parameters, class_weights, make_schedules, net_settings

if TYPE_CHECKING:
    from ..training import Checkpoint


# Padded frames a batch of inference may hold, which bounds the memory of its activations.
_MAX_FRAMES = 20_000


class CenterLossClassifier(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClassifierMixin, BaseEstimator):
    r"""Classify spectrograms of speech by a network trained with softmax and center loss.

    After Dai et al. [1]_: convolutions, a bidirectional recurrent layer and a fully connected layer
    turn a spectrogram of any length into an embedding. Cross-entropy keeps the classes apart while
    center loss [2]_ pulls each embedding to the center of its class:
    :math:`L = L_S + \lambda L_C`. `transform` gives the embeddings to other estimators.

    Parameters
    ----------
    center_lambda : float, default=0.3
        Weight of the center loss, at least 0. At 0 the network is trained by softmax alone.
    center_alpha : float, default=0.5
        Rate, in [0, 1], at which the centers follow the embeddings.
    center_ramp : (float, float) or None, default=None
        Shares of `max_epochs` between which the weight of the center loss rises linearly from zero to
        `center_lambda`. None gives it its whole weight from the start.
    channels : sequence of int, default=(24, 32, 48, 64)
        Channels of each convolution.
    rnn : {"gru", "lstm"}, default="gru"
        Recurrent cell.
    rnn_units : int, default=64
        Units of the recurrent layer in each direction.
    pooling : {"last", "attention"}, default="last"
        How the recurrent outputs become one vector, see `SpectrogramNetwork`.
    dropout : float, default=0.0
        Probability of dropout, in [0, 1).
    embedding_dim : int, default=64
        Size of the embedding.
    augmentation : "moderate", dict or None, default="moderate"
        Random changes of the spectrograms while training, by `SpectrogramAugmentation`: "moderate" is
        ``{"time_stretch": 0.2, "frequency_warp": 0.1, "gain": 6, "frequency_mask": 0.2, "time_mask": 0.1}``,
        a dictionary gives parameters of one's own, None changes nothing.
    class_weight : dict or "balanced", default=None
        Weights of the classes, by label; "balanced" weighs a class by the inverse of its frequency in
        the training part. Both losses are weighted.
    max_epochs : int, default=60
        Epochs of training, at most; 1 or more.
    batch_size : int, default=32
        Items a batch, 1 or more; one more where a single item would remain.
    lr : float, default=2e-3
        Learning rate of AdamW, above 0; with a schedule the highest.
    schedule : {"constant", "one-cycle"}, default="one-cycle"
        How the learning rate changes with the epochs: not at all, or up over the first 30 % of
        `max_epochs` and down to zero over the others. `partial_fit` takes one step of it a call, and goes on
        at a tenth of `lr` behind the last.
    weight_decay : float, default=1e-2
        Weight decay of AdamW, at least 0.
    early_stopping : bool, default=False
        Whether to hold a validation part out, to stop when its unweighted accuracy no longer rises,
        and to keep the best epoch's network and centers.
    validation : {"auto", "groups", "random"}, default="auto"
        What early stopping holds out: "groups" holds whole groups (speakers, sessions) out and raises
        where `fit` gets none, "random" a stratified random part, "auto" groups where there are any
        and otherwise a random part, with a warning.
    validation_fraction : float, default=0.2
        Share, in (0, 1), of the groups or items that early stopping holds out.
    patience : int, default=20
        Epochs without improvement after which early stopping ends, 1 or more.
    warm_start : bool, default=False
        Whether `fit` continues from the network of the call before.
    device : str or torch.device, default="auto"
        Where to compute; "auto" takes a CUDA device if there is one, and otherwise the CPU.
        In worker processes that no CUDA_VISIBLE_DEVICES tells apart it warns.
    precision : {"float32", "bfloat16"}, default="float32"
        Type of the numbers in the convolutions. "bfloat16" needs a GPU, where it takes less time and memory
        on large networks and batches; weights, centers, losses, statistics of the normalisation, the
        recurrent layer and what comes out are float32 all the same. A model that is loaded on a CPU
        answers in float32.
    random_state : int, RandomState instance or None, default=None
        Seed of the weights, dropout, batches and validation part. With an integer, two fits on one
        device with as many threads agree bit for bit. torch's generators are left as they were.
    verbose : int, default=0
        Whether to print a line an epoch.
    callbacks : list of skorch callbacks, default=None
        Further callbacks, as (name, callback) or callback. They are copied.
    net_params : dict, default=None
        Further parameters of `skorch.NeuralNetClassifier`, such as ``{"optimizer__betas": (0.9, 0.99)}``.
        What has a parameter above is set there.
    checkpoint_dir : str or path-like, default=None
        Folder in which `fit` keeps, after each epoch, what it needs to go on, so that a killed one can be
        called again; each combination of parameters and data has a folder of its own there. Needs an
        integer as `random_state`, and no `warm_start`. `partial_fit` keeps nothing. See
        :doc:`/user_guide/training`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels.
    centers_ : ndarray of shape (n_classes, embedding_dim)
        The centers, in the order of `classes_`.
    history_ : list of dict
        One dictionary an epoch: "epoch", "train_loss", "train_cross_entropy" and "train_center_loss" (not
        yet multiplied by `center_lambda`); with early stopping also "valid_loss",
        "valid_cross_entropy", "valid_center_loss" and "valid_unweighted_accuracy".
    n_iter_ : int
        Epochs trained.
    best_epoch_ : int
        With early stopping, the epoch whose network was kept, counted from 1.
    n_features_in_ : int
        Frequency bins of the spectrograms.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` got a table with names.
    net_ : skorch.NeuralNetClassifier
        The trained net, on integer labels.

    See Also
    --------
    SpectrogramTransformer : Computes the spectrograms from recordings.

    Notes
    -----
    `X` can be `Spectrograms`; a list or object array of arrays (n_bins, n_frames); a dense array
    (n_samples, n_bins, n_frames) in which trailing frames of NaN alone are padding; or a
    two-dimensional array (n_samples, n_bins) of single frames. Each bin is standardised by mean and
    standard deviation of the training frames. Answers do not depend on padding or on the other items.

    Weights of classes and of samples weigh both losses, and not the move of the centers. An item of
    weight 0 is left out. Since batches are drawn at random, a weight of 2 is not the same as an item
    given twice.

    References
    ----------
    .. [1] Dai, Wu, Li, Wu, Jia and Meng, "Learning discriminative features from spectrograms using
       center loss for speech emotion recognition", ICASSP 2019.
    .. [2] Wen, Zhang, Li and Qiao, "A discriminative feature learning approach for deep face
       recognition", ECCV 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from skser import CenterLossClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(-60 + 20 * (n % 2), 10, size=(8, n)) for n in range(20, 60)]  # in dB
    >>> y = ["calm", "angry"] * 20
    >>> classifier = CenterLossClassifier(
    ...     channels=(8, 8), rnn_units=8, max_epochs=20, lr=1e-2, random_state=0
    ... )
    >>> classifier.fit(X, y).predict(X[:2]).tolist()
    ['calm', 'angry']
    >>> classifier.transform(X).shape
    (40, 64)
    """

    classes_: NDArray[Any]
    net_: CenterLossNet

    # Metadata routing hands groups to fit without the user's asking for it.
    __metadata_request__fit = {"groups": True}  # noqa: RUF012 - read by scikit-learn as a plain dict

    def __init__(
        self,
        *,
        center_lambda: float = 0.3,
        center_alpha: float = 0.5,
        center_ramp: tuple[float, float] | None = None,
        channels: Sequence[int] = (24, 32, 48, 64),
        rnn: str = "gru",
        rnn_units: int = 64,
        pooling: str = "last",
        dropout: float = 0.0,
        embedding_dim: int = 64,
        augmentation: str | Mapping[str, Any] | None = "moderate",
        class_weight: Mapping[Any, float] | str | None = None,
        max_epochs: int = 60,
        batch_size: int = 32,
        lr: float = 2e-3,
        schedule: str = "one-cycle",
        weight_decay: float = 1e-2,
        early_stopping: bool = False,
        validation: str = "auto",
        validation_fraction: float = 0.2,
        patience: int = 20,
        warm_start: bool = False,
        device: str | torch.device = "auto",
        precision: str = "float32",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        callbacks: Sequence[Any] | None = None,
        net_params: Mapping[str, Any] | None = None,
        checkpoint_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self.center_lambda = center_lambda
        self.center_alpha = center_alpha
        self.center_ramp = center_ramp
        self.channels = channels
        self.rnn = rnn
        self.rnn_units = rnn_units
        self.pooling = pooling
        self.dropout = dropout
        self.embedding_dim = embedding_dim
        self.augmentation = augmentation
        self.class_weight = class_weight
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation = validation
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.warm_start = warm_start
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks
        self.net_params = net_params
        self.checkpoint_dir = checkpoint_dir

    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> CenterLossClassifier:
        """Train the network.

        Parameters
        ----------
        X : Spectrograms, list of array-like, or array-like
            Spectrograms, see Notes of the class.
        y : array-like of shape (n_samples,)
            Labels: strings, integers or booleans, of two classes or more.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the items, at least 0.
        groups : array-like of shape (n_samples,), default=None
            Speaker or session of each item, for early stopping.

        Returns
        -------
        CenterLossClassifier
            This estimator.

        Raises
        ------
        ValueError, TypeError
            If the input or a parameter cannot be used, the loss becomes NaN, or the checkpoint is of another
            training or damaged. The estimator is then as it was before.
        OSError
            If a checkpoint cannot be written or read.
        """
        # Work goes on in a copy: what fails or is refused leaves this estimator untouched.
        work = copy.copy(self)
        work._fit(X, y, sample_weight, groups)
        self.__dict__ = work.__dict__
        return self

    def partial_fit(
        self, X: Any, y: ArrayLike, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> CenterLossClassifier:
        """Train one epoch more, or the first one, without early stopping.

        Parameters
        ----------
        X : Spectrograms, list of array-like, or array-like
            Spectrograms, see Notes of the class.
        y : array-like of shape (n_samples,)
            Labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that will occur, for the first call; if None, those in `y`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the items, at least 0.

        Returns
        -------
        CenterLossClassifier
            This estimator.

        Raises
        ------
        ValueError, TypeError
            If the input or a parameter cannot be used, `y` holds an unknown label, or the loss becomes
            NaN. The estimator is then as it was before.
        """
        work = copy.copy(self)
        first = not hasattr(self, "net_")
        data = work._check_training_data(X, y, sample_weight, classes=classes, reset=first)
        work._train(data.dataset(slice(None)), None, epochs=1, new=first)
        self.__dict__ = work.__dict__
        return self

    def _fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None, groups: ArrayLike | None) -> None:
        """Check, split and train."""
        new = not (self.warm_start and hasattr(self, "net_"))
        data = self._check_training_data(X, y, sample_weight, classes=None, reset=new)
        speakers = check_groups(groups, len(data.y))
        checkpoint = self._checkpoint(data, speakers)
        if new:
            self._seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        train, valid = data.dataset(slice(None)), None
        if self.early_stopping:
            indices = train_validation_split(
                data.y,
                speakers,
                validation=self.validation,
                fraction=self.validation_fraction,
                random_state=self._seed,
            )
            train, valid = (data.dataset(part) for part in indices)
        first_epoch = 0 if new else self.n_iter_
        self._train(
            train, valid, epochs=self.max_epochs, new=new, first_epoch=first_epoch, checkpoint=checkpoint
        )

    def _check_training_data(
        self, X: Any, y: Any, sample_weight: Any, *, classes: ArrayLike | None, reset: bool
    ) -> TrainingData:
        """Check parameters and input; set the classes where `reset` says that training begins anew."""
        check_classifier_parameters(self.get_params(deep=False))
        spectrograms = check_spectrograms(self, X, reset=reset)
        known = None if classes is None else np.unique(np.asarray(classes))
        if not reset:
            if known is not None and not np.array_equal(known, self.classes_):
                raise ValueError(
                    f"classes={known.tolist()} are not those of the first call, {self.classes_.tolist()}: "
                    "leave classes out, or begin anew with fit."
                )
            known = self.classes_
        self.classes_, encoded = check_labels(self, y, len(spectrograms), known)
        return TrainingData(spectrograms, encoded, check_sample_weight(sample_weight, len(spectrograms)))

    def _train(
        self,
        train: SpectrogramDataset,
        valid: SpectrogramDataset | None,
        *,
        epochs: int,
        new: bool,
        first_epoch: int = 0,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Train a new net, or a copy of the present one, and read the results off it."""
        # The schedules of lambda and of the learning rate count epochs from `first_epoch` on.
        if not hasattr(self, "_seed"):
            self._seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        device = resolve_device(self.device)
        check_acceleration(device, self.precision)
        stopping = [] if valid is None else [("early_stopping", EarlyStopping(self.patience))]
        with isolated_generators(self._seed, device), torch_settings(device):
            further = [*make_schedules(self.get_params(deep=False), first_epoch), *stopping]
            net = self._make_net(
                train.X.n_bins, class_weights(self.class_weight, self.classes_, train.y), device, further
            )
            net.initialize()
            net.module_.standardise_with(*train.X.mean_and_std())
            if not new:
                continue_from(self.net_, net)
            net.set_params(train_split=None if valid is None else predefined_split(valid), max_epochs=epochs)
            with nullcontext() if checkpoint is None else checkpoint.attached(net):
                net.partial_fit(train, None)
            # The split holds the validation part, which a fitted model should not carry along.
            net.set_params(train_split=None)
        self.net_ = net
        self._read_results(stopping)

    def _checkpoint(self, data: TrainingData, groups: NDArray[Any] | None) -> Checkpoint | None:
        """Make the callback that keeps checkpoints, if there is one."""
        if self.checkpoint_dir is None:
            return None
        from ..training import checkpoint_of

        return checkpoint_of(self.get_params(deep=False), self.classes_, data, groups)

    def _make_net(
        self,
        n_bins: int,
        class_weight: torch.Tensor | None,
        device: torch.device,
        further: Sequence[tuple[str, Callback]] = (),
    ) -> CenterLossNet:
        """Make a net with the present parameters, not yet initialised."""
        callbacks = [
            ("epoch_seed", EpochSeed(self._seed)),
            ("finite_loss", FiniteLoss()),
            ("center_update", CenterUpdate()),
            *copy.deepcopy(list(self.callbacks or [])),
            *further,
        ]
        settings = net_settings(self.get_params(deep=False), n_bins, len(self.classes_), class_weight, device)
        return CenterLossNet(
            SpectrogramNetwork, callbacks=callbacks, **{**settings, **(self.net_params or {})}
        )

    def _read_results(self, stopping: list[tuple[str, Callback]]) -> None:
        """Set the attributes that come out of training; warn if it was interrupted."""
        self.history_ = losses_by_epoch(self.net_.history)
        self.n_iter_ = len(self.history_)
        self.centers_ = self.net_.criterion_.center_loss.centers.cpu().numpy().copy()
        self.__dict__.pop("best_epoch_", None)
        if stopping:
            self.best_epoch_ = stopping[0][1].best_epoch_
        if self.n_iter_ < len(self.net_.history):
            warn_caller(
                f"training was interrupted in epoch {self.n_iter_ + 1}; the estimator is fitted with what it "
                "had learned until then."
            )

    def _forward(self, X: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute logits (n_samples, n_classes) and embeddings (n_samples, embedding_dim), float32."""
        check_is_fitted(self)
        dataset = SpectrogramDataset(check_spectrograms(self, X, reset=False))
        batches = batches_by_length(dataset.X.lengths, self.batch_size, _MAX_FRAMES)
        with torch_settings(torch.device(self.net_.device)):
            return self.net_.predict_outputs(dataset, batches)

    def decision_function(self, X: Any) -> NDArray[np.float32]:
        """Compute the class scores.

        Parameters
        ----------
        X : Spectrograms, list of array-like, or array-like
            Spectrograms, see Notes of the class.

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or (n_samples,)
            Scores before the softmax; with two classes the second's lead over the first.
        """
        logits = self._forward(X)[0].numpy()
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Compute the probabilities of the classes.

        Parameters
        ----------
        X : Spectrograms, list of array-like, or array-like
            Spectrograms, see Notes of the class.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities in the order of `classes_`.
        """
        return self._forward(X)[0].softmax(dim=1).numpy()

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the labels.

        Parameters
        ----------
        X : Spectrograms, list of array-like, or array-like
            Spectrograms, see Notes of the class.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels as they were given to `fit`.
        """
        number = self._forward(X)[0].argmax(dim=1).numpy()
        return self.classes_[number]

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Compute the embeddings.

        Parameters
        ----------
        X : Spectrograms, list of array-like, or array-like
            Spectrograms, see Notes of the class.

        Returns
        -------
        ndarray of shape (n_samples, embedding_dim)
            Embeddings; a table where `set_output` asks for one.
        """
        return self._forward(X)[1].numpy()

    @property
    def _n_features_out(self) -> int:
        """Size of the embedding, for `get_feature_names_out`."""
        return int(self.net_.module_.embedding.out_features)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
