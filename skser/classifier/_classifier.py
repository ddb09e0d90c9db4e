"""The estimator: a network trained with cross-entropy and center loss, with the interface of scikit-learn."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .._utils import check_acceleration, plain_labels, resolve_device, torch_settings, warn_caller
from ..metrics import weighted_accuracy
from ..sequences import SpectrogramDataset, batches_by_length
from ..training import (
    CenterLossNet,
    Checkpoint,
    EarlyStopping,
    TrainingData,
    check_resumable,
    fingerprint,
    make_speaker_folds,
    train_net,
    train_validation_split,
)
from ._calibration import N_FOLDS, fit_temperature
from ._inputs import check_classes, check_groups, check_labels, check_sample_weight, check_spectrograms
from ._interruption import InterruptedTraining
from ._net import fitted_attributes, make_net
from ._parameters import check_classifier_parameters, class_weights, holds_out_groups, make_schedules

# Maximum number of padded frames per batch of inference, which bounds the memory of the activations.
_MAX_FRAMES = 20_000


class CenterLossClassifier(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClassifierMixin, BaseEstimator):
    r"""Classify spectrograms of speech with a network trained by softmax and center loss.

    After Dai et al. [1]_: convolutions, a bidirectional recurrent layer and a fully connected layer
    turn a spectrogram of any length into an embedding. Cross-entropy separates the classes while
    center loss [2]_ pulls each embedding toward the center of its class:
    :math:`L = L_S + \lambda L_C`. `transform` returns the embeddings, for other estimators.

    Parameters
    ----------
    center_lambda : float, default=0.3
        Weight of the center loss, at least 0. At 0 the network is trained with softmax only.
    center_alpha : float, default=0.5
        Learning rate, in [0, 1], at which the centers follow the embeddings.
    center_ramp : (float, float) or None, default=None
        Fractions of `max_epochs` between which the weight of the center loss rises linearly from zero to
        `center_lambda`. None uses the full weight from the start.
    center_warmup : int, default=0
        Number of first training steps in which the weight of the center loss is 0 and the learning rate of
        the centers is 1, so that the centers reach the means of their classes before they pull. Steps of
        earlier calls of `partial_fit` count. Cannot be used together with `center_ramp`.
    network : {"crnn", "published", "dense", "pooled"} or a subclass of torch.nn.Module, default="crnn"
        The network. "crnn" is `SpectrogramNetwork`. "published" is `PublishedNetwork`, the network of the
        paper without changes. "dense" is `DenseNetwork`, for tables of features. "pooled" is
        `PooledNetwork`, for frames of features. A class is called as
        ``network(n_bins, n_classes, **network_params)``; its ``forward(spectrogram, lengths)`` takes
        augmented and standardized spectrograms (batch, n_bins, n_frames), with zeros after an item's end,
        and the frames of each item on the CPU. It returns logits (batch, n_classes) and embeddings (batch,
        `embedding_dim`). Model files and ONNX files cannot hold a class.
    network_params : dict, default=None
        Keywords of the network that are not parameters of the classifier, such as ``{"rnn_units": 64}`` for
        "published" or ``{"hidden_units": 128}`` for "dense". "crnn" has none. A class receives only these.
    channels : sequence of int, default=(24, 32, 48, 64)
        Channels of each convolution. `channels`, `rnn`, `rnn_units` and `pooling` belong to "crnn" and must
        have their defaults with another network.
    rnn : {"gru", "lstm"}, default="gru"
        Recurrent cell.
    rnn_units : int, default=64
        Units of the recurrent layer in each direction.
    pooling : {"last", "attention"}, default="last"
        How the recurrent outputs are reduced to one vector, see `SpectrogramNetwork`.
    dropout : float, default=0.0
        Probability of dropout, in [0, 1), in a network of this package. It must be 0 with a class.
    embedding_dim : int, default=64
        Size of the embedding, which the network returns.
    augmentation : "moderate", dict or None, default="moderate"
        Random changes to the training spectrograms, by `SpectrogramAugmentation`: "moderate" is
        ``{"time_stretch": 0.2, "frequency_warp": 0.1, "gain": 6, "frequency_mask": 0.2, "time_mask": 0.1}``,
        a dictionary sets other parameters, None changes nothing. Two-dimensional `X` is never augmented,
        and "dense" and "pooled" have no augmentation, because it is made for spectrograms in dB. `fit` warns
        if the gain, in dB, is more than three times the mean standard deviation of the bins.
    class_weight : dict or "balanced", default=None
        Weight of each class, by label; "balanced" weights a class by the inverse of its frequency in
        the training set. Both losses are weighted.
    max_epochs : int, default=60
        Maximum number of epochs, 1 or more.
    batch_size : int, default=32
        Items per batch, 1 or more. A batch has one more if a single item would be left over.
    batching : {"length", "random"}, default="length"
        Which items share a training batch. "length" groups items of similar length, which saves time.
        "random" draws them without regard to their length.
    lr : float, default=2e-3
        Learning rate of AdamW, above 0; with a schedule, the highest one.
    schedule : {"constant", "one-cycle"}, default="one-cycle"
        "constant" keeps the learning rate. "one-cycle" raises it over the first 30 % of `max_epochs` and
        lowers it to zero over the rest. `partial_fit` takes one step of the schedule per call, and continues
        at a tenth of `lr` after the last step.
    weight_decay : float, default=1e-2
        Weight decay of AdamW, at least 0.
    early_stopping : bool, default=False
        Whether to hold out a validation set, to stop when the unweighted accuracy on it no longer rises,
        and to keep the network and the centers of the best epoch.
    validation : {"auto", "groups", "random"}, default="auto"
        The validation set of early stopping. "groups" takes whole groups (speakers, sessions) and raises an
        error if `fit` gets no groups. "random" takes a stratified random set. "auto" takes groups if `fit`
        gets them; otherwise it takes a random set and warns.
    validation_fraction : float, default=0.2
        Fraction of the groups or items that early stopping holds out, in (0, 1).
    patience : int, default=20
        Number of epochs without improvement after which training stops, 1 or more.
    calibration : "speakers" or None, default=None
        "speakers" divides the class scores by `temperature_`, so that probabilities agree better with the
        accuracy on new speakers. `fit` then needs groups of two speakers or more, and trains up to 5 more
        networks, each without some of the speakers. Predicted labels and embeddings do not change. Requires
        ``warm_start=False``.
    warm_start : bool, default=False
        Whether `fit` continues from the network of the previous call.
    device : str or torch.device, default="auto"
        Device that computes. "auto" uses a CUDA device if there is one, otherwise the CPU. It warns in
        worker processes without CUDA_VISIBLE_DEVICES, because they would share one GPU.
    precision : {"float32", "bfloat16"}, default="float32"
        Data type of the convolutions. "bfloat16" needs a GPU, where it takes less time and memory for
        large networks and batches; weights, centers, losses, statistics of the normalization, the
        recurrent layer and the outputs remain float32. A model that is loaded on a CPU computes in
        float32.
    random_state : int, RandomState instance or None, default=None
        Seed of the weights, dropout, batches and validation set. With an integer, two fits on the same
        device with the same number of threads agree bit for bit. torch's global generators do not change.
    verbose : int, default=0
        Whether to print one line per epoch.
    callbacks : list of skorch callbacks, default=None
        Additional callbacks, as (name, callback) or callback. They are copied.
    net_params : dict, default=None
        Additional parameters of `skorch.NeuralNetClassifier`, such as
        ``{"optimizer__betas": (0.9, 0.99)}``. Settings that have their own parameter must be set through it.
    checkpoint_dir : str or path-like, default=None
        Folder in which `fit` saves its state after each epoch, so that a killed fit continues when it is
        called again. Each combination of parameters and data has its own subfolder. Requires an integer
        `random_state` and ``warm_start=False``. `partial_fit` saves nothing. See
        :doc:`/user_guide/training`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels.
    centers_ : ndarray of shape (n_classes, embedding_dim)
        The centers, in the order of `classes_`.
    history_ : list of dict
        One dictionary per epoch: "epoch", "train_loss", "train_cross_entropy" and "train_center_loss" (not
        yet multiplied by `center_lambda`); with early stopping also "valid_loss",
        "valid_cross_entropy", "valid_center_loss" and "valid_unweighted_accuracy".
    n_iter_ : int
        Number of epochs trained.
    best_epoch_ : int
        With early stopping, the epoch whose network was kept, counted from 1.
    n_features_in_ : int
        Frequency bins of the spectrograms, or columns of the table.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if `X` was a table with names.
    temperature_ : float
        Divisor of the class scores, in [0.01, 100]; above 1 it lowers the highest probability. It minimizes
        the negative log-likelihood [3]_ of all training items, each predicted by a network that was trained
        without its speaker. 1.0 without calibration and after `partial_fit`.
    seed_ : int
        The seed of the training, drawn from `random_state`.
    net_ : skorch.NeuralNetClassifier
        The trained net, on integer labels.

    See Also
    --------
    SpectrogramTransformer : Computes the spectrograms from recordings.

    Notes
    -----
    `X` can be `Spectrograms`; a list or object array of arrays (n_bins, n_frames); a dense array
    (n_samples, n_bins, n_frames) whose trailing frames of NaN are padding; or a two-dimensional array
    (n_samples, n_bins) of single frames. Each bin is standardized by the mean and standard deviation of
    the training frames. Predictions depend neither on the padding nor on the other items. With
    ``network="dense"``, `X` must be a table (n_samples, n_features), whose columns are standardized.

    Class and sample weights apply to both losses but not to the update of the centers. An item of
    weight 0 is left out. Because batches are random, an item of weight 2 is not equivalent to passing the
    item twice.

    References
    ----------
    .. [1] Dai, Wu, Li, Wu, Jia and Meng, "Learning discriminative features from spectrograms using
       center loss for speech emotion recognition", ICASSP 2019.
    .. [2] Wen, Zhang, Li and Qiao, "A discriminative feature learning approach for deep face
       recognition", ECCV 2016.
    .. [3] Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017.

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
    n_iter_: int
    temperature_: float

    # With metadata routing, groups are passed to fit without a request by the user.
    __metadata_request__fit = {"groups": True}  # noqa: RUF012 - read by scikit-learn as a plain dict

    def __init__(
        self,
        *,
        center_lambda: float = 0.3,
        center_alpha: float = 0.5,
        center_ramp: tuple[float, float] | None = None,
        center_warmup: int = 0,
        network: str | type[torch.nn.Module] = "crnn",
        network_params: Mapping[str, Any] | None = None,
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
        batching: str = "length",
        lr: float = 2e-3,
        schedule: str = "one-cycle",
        weight_decay: float = 1e-2,
        early_stopping: bool = False,
        validation: str = "auto",
        validation_fraction: float = 0.2,
        patience: int = 20,
        calibration: str | None = None,
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
        self.center_warmup = center_warmup
        self.network = network
        self.network_params = network_params
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
        self.batching = batching
        self.lr = lr
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation = validation
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.calibration = calibration
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
            Labels of two or more classes: text, integers, booleans, members of an Enum, or bytes, in a list,
            array, Series or tensor. See :doc:`/user_guide/labels`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the items, at least 0.
        groups : array-like of shape (n_samples,), default=None
            Speaker or session of each item, for early stopping and calibration, of the same kinds as labels.

        Returns
        -------
        CenterLossClassifier
            This estimator.

        Raises
        ------
        ValueError, TypeError
            If the input or a parameter is invalid, the loss becomes NaN, or the checkpoint is damaged or
            belongs to another training run. The estimator is not changed in these cases.
        OSError
            If a checkpoint cannot be written or read.
        """
        work = copy.copy(self)  # a fit that fails leaves this estimator as it was
        if self.checkpoint_dir is not None:
            check_resumable(self.checkpoint_dir, self.random_state, self.warm_start)
        previous = self.net_ if self.warm_start and hasattr(self, "net_") else None
        data, speakers = work._check(X, y, sample_weight, groups, reset=previous is None)
        # Before the training, because an interrupted training is kept, and an interrupted calibration is not.
        temperature = 1.0 if self.calibration is None else work._find_temperature(data, speakers)
        was_interrupted = work._fit_net(data, speakers, previous)
        work._finish(was_interrupted, temperature)
        self.__dict__ = work.__dict__
        return self

    def partial_fit(
        self, X: Any, y: ArrayLike, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> CenterLossClassifier:
        """Train one more epoch, or the first one, without early stopping and calibration.

        Parameters
        ----------
        X : Spectrograms, list of array-like, or array-like
            Spectrograms, see Notes of the class.
        y : array-like of shape (n_samples,)
            Labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that will occur, needed only in the first call; None means the labels in `y`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the items, at least 0.

        Returns
        -------
        CenterLossClassifier
            This estimator.

        Raises
        ------
        ValueError, TypeError
            If the input or a parameter is invalid, `y` holds an unknown label, or the loss becomes NaN. The
            estimator is not changed in these cases.
        """
        work = copy.copy(self)
        previous = getattr(self, "net_", None)
        data, _ = work._check(X, y, sample_weight, None, classes=classes, reset=previous is None)
        was_interrupted = work._train(data.dataset(slice(None)), None, previous, max_epochs=1)
        work._finish(was_interrupted, temperature=1.0)
        self.__dict__ = work.__dict__
        return self

    def _check(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        groups: Any,
        *,
        classes: ArrayLike | None = None,
        reset: bool,
    ) -> tuple[TrainingData, NDArray[Any] | None]:
        """Check parameters and input; if `reset`, set the attributes of a new training run."""
        check_classifier_parameters(self.get_params(deep=False))
        spectrograms = check_spectrograms(self, X, reset=reset)
        known = None if classes is None else check_classes(classes)
        if not reset:
            first = check_classes(self.classes_)
            if known is not None and known.plain.tolist() != first.plain.tolist():
                raise ValueError(
                    f"classes={known.plain.tolist()} differ from those of the first call, "
                    f"{first.plain.tolist()}: leave classes out, or start again with fit."
                )
            known = first
        found, encoded = check_labels(self, y, len(spectrograms), known)
        self.classes_ = found.given
        data = TrainingData(spectrograms, encoded, check_sample_weight(sample_weight, len(spectrograms)))
        speakers = check_groups(groups, len(encoded))
        if reset:
            self.seed_ = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        return data, speakers

    def _find_temperature(self, data: TrainingData, speakers: NDArray[Any] | None) -> float:
        """Find the temperature from networks that are trained without some of the speakers."""
        is_stopped = holds_out_groups(self.get_params(deep=False))
        needed_by = f'calibration="speakers"{" with early stopping" if is_stopped else ""} needs'
        least = 3 if is_stopped else 2  # to test, to train and to stop
        folds = make_speaker_folds(speakers, N_FOLDS, needed_by, "calibration=None", least=least)
        groups = np.asarray(speakers)
        logits = np.zeros((len(data.y), len(self.classes_)))
        given = np.ones(len(data.y)) if data.sample_weight is None else data.sample_weight.astype(float)
        weight = given.copy()
        for train, test in folds.split(data.y, groups=groups):
            fold = copy.copy(self)
            if fold._fit_net(data.take(train), groups[train], None):
                raise KeyboardInterrupt
            fold.temperature_ = 1.0
            logits[test] = fold._compute(SpectrogramDataset(data.X[test]))[0]
            # No network predicts a class that was missing in its training set.
            weight[test] *= np.isin(data.y[test], data.y[train[given[train] > 0]])
        return fit_temperature(logits, data.y, weight)

    def _fit_net(
        self, data: TrainingData, speakers: NDArray[Any] | None, previous: CenterLossNet | None
    ) -> bool:
        """Split, and train up to `max_epochs`; return whether training was interrupted."""
        train, valid = self._split(data, speakers)
        checkpoint = self._checkpoint(data, speakers)
        # The schedules of a warm start begin where the previous training run ended.
        first_epoch = 0 if previous is None else self.n_iter_
        epochs = {"max_epochs": self.max_epochs, "first_epoch": first_epoch}
        return self._train(train, valid, previous, **epochs, checkpoint=checkpoint)

    def _split(
        self, data: TrainingData, speakers: NDArray[Any] | None
    ) -> tuple[SpectrogramDataset, SpectrogramDataset | None]:
        """Split into a training set and, with early stopping, a validation set."""
        if not self.early_stopping:
            return data.dataset(slice(None)), None
        train, valid = train_validation_split(
            data.y,
            speakers,
            validation=self.validation,
            fraction=self.validation_fraction,
            random_state=self.seed_,
        )
        return data.dataset(train), data.dataset(valid)

    def _checkpoint(self, data: TrainingData, speakers: NDArray[Any] | None) -> Checkpoint | None:
        """Make the callback that writes checkpoints; None without `checkpoint_dir`."""
        if self.checkpoint_dir is None:
            return None
        classes = plain_labels("classes_", self.classes_)
        identity = fingerprint(self.get_params(deep=False), classes, data, speakers)
        return Checkpoint(self.checkpoint_dir, identity)

    def _train(
        self,
        train: SpectrogramDataset,
        valid: SpectrogramDataset | None,
        previous: CenterLossNet | None,
        *,
        max_epochs: int,
        first_epoch: int = 0,
        checkpoint: Checkpoint | None = None,
    ) -> bool:
        """Train a net and set the attributes that follow from it; return whether Ctrl-C ended it."""
        parameters, device = self.get_params(deep=False), resolve_device(self.device)
        check_acceleration(device, self.precision)
        if (train.X.lengths == 1).all():  # single frames, for which augmentation has no meaning
            parameters["augmentation"] = None
        callbacks = make_schedules(parameters, first_epoch)
        stopping = None if valid is None else EarlyStopping(self.patience)
        if stopping is not None:
            callbacks.append(("early_stopping", stopping))
        weights = class_weights(self.class_weight, self.classes_, train.y)
        sizes = {"n_bins": train.X.n_bins, "n_classes": len(self.classes_)}
        net = make_net(parameters, self.seed_, device, class_weight=weights, callbacks=callbacks, **sizes)
        options = {"previous": previous, "checkpoint": checkpoint}
        was_interrupted = train_net(net, train, valid, self.seed_, int(max_epochs), **options)
        self.__dict__.pop("best_epoch_", None)
        self.__dict__.update(fitted_attributes(net))
        if stopping is not None:
            self.best_epoch_ = stopping.best_epoch_
        return was_interrupted

    def _finish(self, was_interrupted: bool, temperature: float) -> None:
        """Set the temperature; warn if training was interrupted."""
        self.temperature_ = temperature
        if was_interrupted:
            is_between = 0 < self.n_iter_ == len(self.net_.history)
            where = f"after epoch {self.n_iter_}" if is_between else f"in epoch {self.n_iter_ + 1}"
            message = (
                f"training was interrupted {where}: the estimator keeps the result of the training so far."
            )
            warn_caller(message, InterruptedTraining)

    def _forward(self, X: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Compute the outputs for any input that the methods take."""
        check_is_fitted(self)
        return self._compute(SpectrogramDataset(check_spectrograms(self, X, reset=False)))

    def _compute(self, dataset: SpectrogramDataset) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Compute scores (n_samples, n_classes) and embeddings (n_samples, embedding_dim), float32."""
        batches = batches_by_length(dataset.X.lengths, self.batch_size, _MAX_FRAMES)
        with torch_settings(torch.device(self.net_.device)):
            logits, embedding = self.net_.predict_outputs(dataset, batches)
        return (logits / self.temperature_).numpy(), embedding.numpy()

    def decision_function(self, X: Any) -> NDArray[np.float32]:
        """Compute the class scores.

        Parameters
        ----------
        X : Spectrograms, list of array-like, or array-like
            Spectrograms, see Notes of the class.

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or (n_samples,)
            Scores before the softmax, divided by `temperature_`; with two classes, the score of the second
            minus that of the first.
        """
        logits = self._forward(X)[0]
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
        probabilities: NDArray[np.float32] = softmax(self._forward(X)[0], axis=1)
        return probabilities

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the labels.

        Parameters
        ----------
        X : Spectrograms, list of array-like, or array-like
            Spectrograms, see Notes of the class.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels, as they were passed to `fit`.
        """
        numbers = self._forward(X)[0].argmax(axis=1)
        return self.classes_[numbers]

    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Compute the share of correct predictions, for any kind of labels that `fit` takes.

        Parameters
        ----------
        X : Spectrograms, list of array-like, or array-like
            Spectrograms, see Notes of the class.
        y : array-like of shape (n_samples,)
            The true labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the items.

        Returns
        -------
        float
            Accuracy (WA), see `weighted_accuracy`.
        """
        return weighted_accuracy(y, self.predict(X), sample_weight=sample_weight)

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Compute the embeddings.

        Parameters
        ----------
        X : Spectrograms, list of array-like, or array-like
            Spectrograms, see Notes of the class.

        Returns
        -------
        ndarray of shape (n_samples, embedding_dim)
            Embeddings; a data frame if `set_output` requests one.
        """
        return self._forward(X)[1]

    def center_distances(self, X: Any) -> NDArray[np.float32]:
        """Compute the Euclidean distances of the embeddings to the centers of the classes.

        Parameters
        ----------
        X : Spectrograms, list of array-like, or array-like
            Spectrograms, see Notes of the class.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Distances in the order of `classes_`.

        Raises
        ------
        ValueError, TypeError
            If the input is invalid.
        sklearn.exceptions.NotFittedError
            If the classifier is not fitted.

        See Also
        --------
        RejectOption : Gives no answer where the distance to the predicted class is too large.

        Notes
        -----
        The distances are also computed with ``center_lambda=0``: the centers follow the embeddings of their
        classes, although they do not attract them.

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
        >>> distances = classifier.fit(X, y).center_distances(X[:2])
        >>> classifier.classes_[distances.argmin(axis=1)].tolist()
        ['calm', 'angry']
        """
        # In float64, because a difference of close float32 values has few correct digits.
        return cdist(self._forward(X)[1], self.centers_).astype(np.float32)

    @property
    def _n_features_out(self) -> int:
        """Size of the embedding, for `get_feature_names_out`."""
        return int(self.centers_.shape[1])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = self.network != "dense"
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
