"""Checkpoints: a training that was killed or interrupted continues, and ends as if nothing had happened."""

from __future__ import annotations

import errno
import os
import pickle
import resource
import signal
import sys
import time
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from skorch.callbacks import Callback, GradientNormClipping, LRScheduler
from torch.optim import SGD, RMSprop

import skser
from skser import CenterLossClassifier, Spectrograms, load_model, save_model
from skser._utils import _files
from skser.training import CenterLossNet
from skser.training import _checkpoint as module

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "benchmarks" / "reliability"))

import kills  # noqa: E402 - a script is no package

pytestmark = pytest.mark.reliability

SMALL = {
    "channels": (4, 4),
    "rnn_units": 4,
    "embedding_dim": 4,
    "max_epochs": 4,
    "lr": 1e-2,
    "device": "cpu",
    "random_state": 0,
}
STOPPING = {
    "early_stopping": True,
    "patience": 2,
    "max_epochs": 20,
    "lr": 0.3,
    "schedule": "constant",
    "augmentation": None,
}


CURE = ": delete it, and training starts again from the first epoch."


class KilledError(Exception):
    """Ends a training where a signal would."""


class Counter(Callback):
    """Has a state that no parameter holds."""

    def on_epoch_end(self, net, **kwargs):
        self.epochs_ = getattr(self, "epochs_", 0) + 1


class Changed(Callback):
    """Has a state in its own parameter."""

    def __init__(self, seen=0):
        self.seen = seen

    def on_epoch_end(self, net, **kwargs):
        self.seen += 1


class Steps(LRScheduler):
    """A schedule with methods for its state, as the manual shows it."""

    def state_dict(self):
        return self.lr_scheduler_.state_dict()

    def load_state_dict(self, state):
        self.lr_scheduler_.load_state_dict(state)


class OfCode(Callback):
    """Has a parameter that cannot be saved."""

    def __init__(self, function=print):
        self.function = function


@pytest.fixture(scope="module")
def X() -> Spectrograms:
    rng = np.random.default_rng(0)
    return Spectrograms([rng.normal(size=(4, n)) + n % 3 for n in range(10, 28)])


@pytest.fixture(scope="module")
def y() -> np.ndarray:
    return np.array(["calm", "happy", "sad"])[np.arange(10, 28) % 3]


@pytest.fixture(scope="module")
def speakers() -> np.ndarray:
    return np.repeat(np.arange(6), 3)


@pytest.fixture
def kill():
    """End a training at its n-th checkpoint, after or before it is written."""
    with pytest.MonkeyPatch.context() as patch:

        def at(n, classifier, *data, written=True, **more):
            count = 0

            def write(path, content):
                nonlocal count
                count += 1
                if count < n or written:
                    _files.write_whole(path, content)
                if count == n:
                    raise KilledError

            patch.setattr(module, "write_whole", write)
            with pytest.raises(KilledError):
                clone(classifier).fit(*data, **more)
            patch.undo()

        yield at


@pytest.fixture
def epochs(monkeypatch):
    """Numbers of the epochs that are trained in this test."""
    numbers = []
    run = CenterLossNet.run_single_epoch

    def counted(self, iterator, training, **kwargs):
        if training:
            numbers.append(len(self.history))
        return run(self, iterator, training=training, **kwargs)

    monkeypatch.setattr(CenterLossNet, "run_single_epoch", counted)
    return numbers


@pytest.fixture
def one_thread():
    """Give this process as many threads as joblib's workers have."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with joblib.parallel_config(inner_max_num_threads=1, backend="loky"):
        yield
    torch.set_num_threads(before)


@pytest.fixture
def sigint():
    """Send this process what Ctrl-C sends."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs
    yield lambda: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def make(folder=None, **parameters) -> CenterLossClassifier:
    return CenterLossClassifier(**SMALL | {"checkpoint_dir": folder} | parameters)


def numbered(rows: list[dict]) -> list[dict]:
    """The same rows, as those of successive epochs."""
    return [{**row, "epoch": number} for number, row in enumerate(rows, start=1)]


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/checkpoint.pt"))


def everything(classifier: CenterLossClassifier) -> dict[str, object]:
    """The result of a training, except for the time that it took."""
    net = classifier.net_
    tensors = {**net.module_.state_dict(), **net.criterion_.state_dict()}
    for index, state in net.optimizer_.state_dict()["state"].items():
        tensors |= {
            f"{index}.{name}": value for name, value in state.items() if isinstance(value, torch.Tensor)
        }
    return {
        **{name: value.numpy().tobytes() for name, value in tensors.items()},
        "rates": net.optimizer_.state_dict()["param_groups"],
        "rows": [{name: row[name] for name in row if name not in ("dur", "batches")} for row in net.history],
        "history": classifier.history_,
        "n_iter": classifier.n_iter_,
        "best_epoch": getattr(classifier, "best_epoch_", None),
        "max_epochs": net.max_epochs,
        "callbacks": [name for name, _ in net.callbacks_],
    }


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> tuple[str | None, float]:
    """Fingerprint of a training that is not killed, and the seconds that it takes."""
    return kills.train(tmp_path_factory.mktemp("reference"))


class TestKilled:
    @pytest.mark.parametrize(
        "moment",
        [
            kills.Moment(0.6),
            kills.Moment(0.5, 3, "bytes"),
            kills.Moment(0.0, 2, "before the rename"),
            kills.Moment(0.0, kills.EPOCHS, "after the rename"),
        ],
        ids=str,
    )
    def test_a_killed_training_ends_with_the_same_model(self, reference, moment, tmp_path):
        outcome = kills.try_once(tmp_path, moment, reference[1], reference[0])
        # How far a training comes in a time is not certain.
        assert outcome["resumed"] or not moment.write
        assert outcome["same"]

    def test_moments_depend_on_the_seed_and_are_of_both_types(self):
        moments = kills.draw_moments(20, 0)
        assert moments == kills.draw_moments(20, 0) != kills.draw_moments(20, 1)
        assert sum(moment.write > 0 for moment in moments) == 10
        assert {moment.place for moment in moments} == {"", *kills.PLACES}

    def test_the_file_of_a_killed_writer_is_deleted_after_a_day(self, X, y, kill, tmp_path, monkeypatch):
        kill(1, make(tmp_path), X, y)
        old, new, other = (
            files(tmp_path)[0].with_name(n) for n in (f".{32 * 'a'}.tmp", f".{32 * 'b'}.tmp", "x")
        )
        for path in (old, new, other):
            path.touch()
        os.utime(old, (time.time() - 90_000,) * 2)
        os.utime(other, (time.time() - 90_000,) * 2)
        module.remove_abandoned.cache_clear()  # it runs once per process
        make(tmp_path).fit(X, y)
        assert [path.exists() for path in (old, new, other)] == [False, True, True]


TRAININGS = {
    "default": {},
    "random": {"schedule": "one-cycle", "dropout": 0.3, "augmentation": "moderate"},
    "no schedule": {"schedule": "constant", "augmentation": None},
    "ramp": {"center_ramp": (0.2, 0.8)},
    "other network": {"rnn": "lstm", "pooling": "attention", "class_weight": "balanced", "center_lambda": 0},
    "SGD": {"net_params": {"optimizer": SGD, "optimizer__momentum": 0.9}},
    "RMSprop": {"net_params": {"optimizer": RMSprop}, "class_weight": {"calm": 2, "happy": 1, "sad": 1}},
    "callback without state": {"callbacks": [GradientNormClipping(0.1)]},
    "callback with state": {"callbacks": [("rate", Steps(policy="StepLR", step_size=2))]},
}


class TestResumed:
    @pytest.mark.parametrize("parameters", TRAININGS.values(), ids=TRAININGS)
    @pytest.mark.parametrize(("n", "written"), [(1, False), (3, True)])
    def test_a_training_ends_as_one_without_checkpoints(self, X, y, kill, tmp_path, parameters, n, written):
        weights = np.linspace(0.5, 2, len(y))
        kill(n, make(tmp_path, **parameters), X, y, weights, written=written)
        resumed = make(tmp_path, **parameters).fit(X, y, weights)
        assert everything(resumed) == everything(make(**parameters).fit(X, y, weights))

    def test_the_comparison_sees_another_seed(self, X, y):
        first, second = (make(random_state=seed).fit(X, y) for seed in (0, 1))
        assert everything(first) != everything(second)

    @pytest.mark.parametrize("last", [False, True])
    def test_early_stopping_continues_with_its_best_epoch(self, X, y, speakers, kill, tmp_path, last):
        expected = make(**STOPPING).fit(X, y, groups=speakers)
        assert 1 < expected.n_iter_ < STOPPING["max_epochs"]
        assert expected.best_epoch_ == expected.n_iter_ - STOPPING["patience"]
        n = expected.n_iter_ - (0 if last else 1)  # the best epoch is before the kill
        kill(n, make(tmp_path, **STOPPING), X, y, groups=speakers, written=not last)
        resumed = make(tmp_path, **STOPPING).fit(X, y, groups=speakers)
        assert everything(resumed) == everything(expected)

    @pytest.mark.parametrize("parameters", [{}, STOPPING | {"validation": "random"}], ids=["", "stopping"])
    def test_a_finished_training_is_loaded(self, X, y, epochs, tmp_path, parameters):
        first = make(tmp_path, **parameters).fit(X, y)
        n, content = len(epochs), files(tmp_path)[0].read_bytes()
        again = make(str(tmp_path), **parameters).fit(X, y)
        assert len(epochs) == n > 0
        assert files(tmp_path)[0].read_bytes() == content
        assert everything(again) == everything(first)
        np.testing.assert_array_equal(again.predict_proba(X), first.predict_proba(X))

    def test_one_checkpoint_per_epoch_is_written(self, X, y, speakers, tmp_path, monkeypatch):
        written = []
        monkeypatch.setattr(module, "write_whole", lambda path, content: written.append(path))
        make(tmp_path).fit(X, y)
        assert len(written) == SMALL["max_epochs"]
        n = make(tmp_path, **STOPPING).fit(X, y, groups=speakers).n_iter_
        assert len(written) == SMALL["max_epochs"] + n

    def test_the_global_generators_do_not_matter(self, X, y, kill, tmp_path):
        kill(2, make(tmp_path, dropout=0.5), X, y)
        torch.manual_seed(1)
        np.random.seed(1)  # noqa: NPY002 - the global one is meant
        resumed = make(tmp_path, dropout=0.5).fit(X, y)
        assert everything(resumed) == everything(make(dropout=0.5).fit(X, y))

    def test_later_trainings_leave_the_checkpoint_unchanged(self, X, y, tmp_path):
        classifier = make(tmp_path).fit(X, y)
        content = files(tmp_path)[0].read_bytes()
        pickle.loads(pickle.dumps(classifier)).partial_fit(X, y)
        classifier.partial_fit(X, y)
        assert classifier.n_iter_ == SMALL["max_epochs"] + 1
        assert files(tmp_path)[0].read_bytes() == content
        assert len(files(tmp_path)) == 1

    def test_partial_fit_writes_no_checkpoint(self, X, y, tmp_path):
        make(tmp_path, random_state=None).partial_fit(X, y)
        assert not list(tmp_path.iterdir())

    def test_a_tilde_is_the_home_folder(self, X, y, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        make("~/checkpoints").fit(X, y)
        assert len(files(tmp_path / "checkpoints")) == 1


class TestFolders:
    @pytest.mark.parametrize(
        "parameters",
        [
            {"center_lambda": 0.1},
            {"max_epochs": 5},
            {"random_state": 1},
            {"net_params": {"optimizer__betas": (0.8, 0.9)}},
            {"callbacks": [GradientNormClipping(2.0)]},
        ],
        ids=lambda parameters: next(iter(parameters)),
    )
    def test_other_parameters_have_their_own_folder(self, X, y, tmp_path, parameters):
        make(tmp_path, callbacks=[GradientNormClipping(1.0)]).fit(X, y)
        other = make(tmp_path, **parameters).fit(X, y)
        assert len(files(tmp_path)) == 2
        assert everything(other) == everything(make(**parameters).fit(X, y))

    def test_a_callback_that_is_turned_off_has_a_description(self, X, y, tmp_path):
        make(tmp_path, callbacks=[("none", None)]).fit(X, y)
        make(tmp_path).fit(X, y)
        assert len(files(tmp_path)) == 2

    def test_other_data_have_their_own_folder(self, X, y, speakers, tmp_path):
        changed = [np.array(S) for S in X]
        changed[3][2, 5] += 1e-3  # one cell of one spectrogram
        more = [(X[::-1], y), (X, y[::-1]), (X, y, np.ones(18)), (X, y, np.arange(1.0, 19)), (X[:15], y[:15])]
        for data in [(X, y), (Spectrograms(changed), y), *more]:
            make(tmp_path, max_epochs=1).fit(*data)
        assert len(files(tmp_path)) == 7
        for groups in (speakers, speakers[::-1], -speakers):
            make(tmp_path, max_epochs=1).fit(X, y, groups=groups)
        assert len(files(tmp_path)) == 9  # reversed and negative speakers give the same split

    def test_device_folder_and_verbosity_do_not_count(self, X, y, tmp_path, monkeypatch, epochs):
        monkeypatch.chdir(tmp_path.parent)
        make(tmp_path).fit(X, y)
        make(tmp_path.name, device="auto", verbose=1).fit(X, y)
        make(tmp_path).fit([np.array(S) for S in X], list(y))
        assert len(files(tmp_path)) == 1
        assert epochs == [1, 2, 3, 4]

    @pytest.mark.parametrize("name", ["__version__", "FORMAT_VERSION"])
    def test_other_versions_have_their_own_folder(self, X, y, tmp_path, monkeypatch, name):
        make(tmp_path, max_epochs=1).fit(X, y)
        monkeypatch.setattr(f"skser.training._fingerprint.{name}", 99)
        make(tmp_path, max_epochs=1).fit(X, y)
        assert len(files(tmp_path)) == 2

    def test_a_search_continues_in_the_middle(self, X, y, tmp_path, monkeypatch, epochs):
        def search(folder, **parameters):
            grid = {"center_lambda": [0.0, 0.5], "center_alpha": [0.2, 0.8]}
            cv = StratifiedKFold(2)
            return GridSearchCV(make(folder, max_epochs=2), grid, cv=cv, **parameters).fit(X, y)

        expected, count = search(None), 0
        epochs.clear()

        def write(path, content):
            nonlocal count
            count += 1
            if count == 8:  # within the fourth of nine trainings
                raise SystemExit
            _files.write_whole(path, content)

        monkeypatch.setattr(module, "write_whole", write)
        with pytest.raises(SystemExit):
            search(tmp_path)
        monkeypatch.setattr(module, "write_whole", _files.write_whole)
        found = search(tmp_path)
        assert epochs == 4 * [1, 2] + [2] + 5 * [1, 2]
        assert everything(found.best_estimator_) == everything(expected.best_estimator_)
        for name in expected.cv_results_:
            if name.startswith(("split", "mean_test")):
                np.testing.assert_array_equal(found.cv_results_[name], expected.cv_results_[name])

    def test_processes_share_a_folder_and_a_training(self, X, y, tmp_path, one_thread):
        grid = {"center_lambda": [0.0, 0.5, 0.0, 0.5]}  # each twice, in two processes
        runs = [
            GridSearchCV(make(folder), grid, cv=StratifiedKFold(2), n_jobs=n_jobs).fit(X, y)
            for folder, n_jobs in ((tmp_path, 2), (None, 1))
        ]
        assert len(files(tmp_path)) == 2 * 2 + 1
        assert not list(tmp_path.rglob("*.tmp"))
        assert everything(runs[0].best_estimator_) == everything(runs[1].best_estimator_)


class TestRefused:
    def test_a_checkpoint_of_another_training_is_refused(self, X, y, tmp_path):
        make(tmp_path, max_epochs=2).fit(X, y)
        (path,) = files(tmp_path)
        make(tmp_path, max_epochs=2, lr=0.1).fit(X, y)
        (other,) = set(files(tmp_path)) - {path}
        content = other.read_bytes()
        path.write_bytes(content)
        classifier = make(tmp_path, max_epochs=2)
        with pytest.raises(ValueError, match="belongs to another training run: ") as caught:
            classifier.fit(X, y)
        assert str(caught.value).startswith(str(path))
        assert str(caught.value).endswith(CURE)
        assert not hasattr(classifier, "net_")
        assert path.read_bytes() == content
        path.unlink()
        classifier.fit(X, y)

    def assert_refused(self, X, y, tmp_path):
        with pytest.raises(ValueError, match="is damaged, or is not a checkpoint of skser: ") as caught:
            make(tmp_path, max_epochs=1).fit(X, y)
        assert str(caught.value).startswith(str(files(tmp_path)[0]))
        assert str(caught.value).endswith(CURE)

    def test_damaged_checkpoints_are_refused(self, X, y, tmp_path):
        expected = everything(make(tmp_path, max_epochs=1).fit(X, y))
        (path,) = files(tmp_path)
        content = path.read_bytes()
        rng = np.random.default_rng(0)
        for damaged in (b"", content[:20], content[:-1], content[: len(content) // 2], b"x" * 1000):
            path.write_bytes(damaged)
            self.assert_refused(X, y, tmp_path)
        with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
            archive.writestr("data.pkl", b"")
        path.with_suffix(".zip").replace(path)
        self.assert_refused(X, y, tmp_path)
        outcomes = []
        for _ in range(60):
            damaged = bytearray(content)
            damaged[rng.integers(len(content))] ^= 1 << rng.integers(8)
            path.write_bytes(damaged)
            try:
                found = make(tmp_path, max_epochs=1).fit(X, y)
            except ValueError as error:
                assert str(error).endswith(CURE)  # noqa: PT017
                outcomes.append("refused")
            else:  # a bit of the padding between the records
                assert everything(found) == expected
                outcomes.append("loaded")
        assert outcomes.count("refused") > 30

    @pytest.mark.parametrize(
        "forge",
        [
            lambda saved: saved["criterion"].pop("center_loss.centers"),
            lambda saved: saved["module"].update(more=torch.zeros(1)),
            lambda saved: saved.pop("history"),
            lambda saved: saved.update(history=[1]),
            lambda saved: saved.update(optimizer_settings=[]),
            lambda saved: saved.update(callbacks=3),
            lambda saved: saved.pop("finished"),
            lambda saved: saved.pop("fingerprint"),
            lambda saved: saved["module"]["classes.weight"].fill_(torch.nan),
            lambda saved: saved["module"]["bin_std"].zero_(),
            lambda saved: saved["module"]["convolutions.0.norm.running_var"].fill_(-1),
            lambda saved: saved["criterion"]["center_loss.centers"].fill_(torch.inf),
            lambda saved: saved.update(finished=False),
            lambda saved: saved.update(history=[]),
            lambda saved: saved.update(history=numbered(saved["history"] * 50)),
            lambda saved: saved["history"][0].update(epoch=3),
            lambda saved: saved["history"][0].update(train_loss="0.5"),
            lambda saved: saved["history"][0].update(train_loss={"$float": "nan"}),
            lambda saved: saved["history"][0].pop("train_loss"),
        ],
    )
    def test_forged_checkpoints_are_refused(self, X, y, tmp_path, forge):
        make(tmp_path, max_epochs=1).fit(X, y)
        (path,) = files(tmp_path)
        saved = torch.load(path, weights_only=True)
        forge(saved)
        torch.save(saved, path)
        self.assert_refused(X, y, tmp_path)

    @pytest.mark.parametrize(
        "forge",
        [
            lambda state: state["network.classes.weight"].fill_(torch.nan),
            lambda state: state["criterion.center_loss.centers"].fill_(torch.inf),
            lambda state: state.update({"network.classes.weight": torch.zeros(1)}),
            lambda state: state.pop("network.classes.weight"),
            lambda state: state.update(best_epoch=3),
            lambda state: state.update(best_epoch=0),
            lambda state: state.update(best_epoch="1"),
        ],
    )
    def test_a_forged_best_epoch_is_refused(self, X, y, speakers, tmp_path, kill, forge):
        classifier = make(tmp_path, **STOPPING)
        kill(2, classifier, X, y, groups=speakers)
        (path,) = files(tmp_path)
        saved = torch.load(path, weights_only=True)
        forge(saved["callbacks"]["early_stopping"])
        torch.save(saved, path)
        with pytest.raises(ValueError, match="is damaged, or is not a checkpoint of skser: "):
            classifier.fit(X, y, groups=speakers)

    @pytest.mark.parametrize("stopping", [{}, STOPPING])
    def test_a_checkpoint_cannot_end_a_training_early(self, X, y, speakers, tmp_path, kill, stopping):
        classifier = make(tmp_path, **stopping)
        kill(2, classifier, X, y, groups=speakers)
        (path,) = files(tmp_path)
        saved = torch.load(path, weights_only=True)
        torch.save({**saved, "finished": True}, path)
        with pytest.raises(ValueError, match="is damaged, or is not a checkpoint of skser: "):
            classifier.fit(X, y, groups=speakers)
        torch.save(saved, path)
        assert classifier.fit(X, y, groups=speakers).n_iter_ > 2

    @pytest.mark.parametrize("kind", ["pipe", "device"])
    def test_a_pipe_or_device_is_refused_without_waiting(self, X, y, tmp_path, kind):
        make(tmp_path, max_epochs=1).fit(X, y)
        (path,) = files(tmp_path)
        path.unlink()
        os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
        message = r"checkpoint_dir: .* cannot be read \(it is not a regular file\): .*delete it"
        with pytest.raises(OSError, match=message):
            make(tmp_path, max_epochs=1).fit(X, y)

    def test_a_compressed_checkpoint_is_refused_before_it_is_unpacked(self, X, y, tmp_path, monkeypatch):
        make(tmp_path, max_epochs=1).fit(X, y)
        (path,) = files(tmp_path)
        with zipfile.ZipFile(path.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("data.pkl", bytes(10**6))
        path.with_suffix(".zip").replace(path)
        monkeypatch.setattr(zipfile.ZipFile, "testzip", pytest.fail)
        self.assert_refused(X, y, tmp_path)

    def test_a_checkpoint_runs_no_code(self, X, y, tmp_path):
        class Bomb:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "run"),)

        make(tmp_path, max_epochs=1).fit(X, y)
        (path,) = files(tmp_path)
        saved = torch.load(path, weights_only=True)
        for content in (Bomb(), {**saved, "history": Bomb()}):
            torch.save(content, path)
            self.assert_refused(X, y, tmp_path)
        path.write_bytes(pickle.dumps(Bomb()))
        self.assert_refused(X, y, tmp_path)
        assert not (tmp_path / "run").exists()
        pickle.loads(pickle.dumps(Bomb()))  # it would have
        assert (tmp_path / "run").exists()

    @pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)], ids=["None", "generator"])
    def test_a_seed_that_each_call_draws_is_refused(self, X, y, tmp_path, random_state):
        before = None if random_state is None else random_state.get_state()[1].copy()
        with pytest.raises(ValueError, match="checkpoint_dir needs an integer as random_state"):
            make(tmp_path, random_state=random_state).fit(X, y)
        assert before is None or np.array_equal(random_state.get_state()[1], before)
        assert not list(tmp_path.iterdir())
        make(tmp_path, max_epochs=1, random_state=np.int64(3)).fit(X, y)
        assert len(files(tmp_path)) == 1

    def test_a_warm_start_is_refused(self, X, y, tmp_path):
        with pytest.raises(ValueError, match="checkpoint_dir cannot be used with warm_start=True"):
            make(tmp_path, warm_start=True).fit(X, y)

    @pytest.mark.parametrize(
        ("folder", "kind", "got"), [(3, TypeError, "3 of type int"), ("", ValueError, "''")]
    )
    def test_other_values_than_a_folder_are_refused(self, X, y, folder, kind, got):
        with pytest.raises(kind, match=f"checkpoint_dir must be None or the path of a folder, got {got}"):
            make(folder).fit(X, y)

    def test_parameters_that_are_code_are_refused(self, X, y, tmp_path):
        class Own(SGD):
            pass

        with pytest.raises(
            ValueError, match=r"checkpoint_dir cannot be used: net_params\['optimizer'\] is the class"
        ):
            make(tmp_path, net_params={"optimizer": Own}).fit(X, y)
        with pytest.raises(ValueError, match=r"checkpoint_dir cannot be used: function of OfCode is"):
            make(tmp_path, callbacks=[OfCode()]).fit(X, y)

    @pytest.mark.parametrize(
        ("callback", "message"),
        [
            (Counter(), "'Counter', which keeps 'epochs_'"),
            (Changed(), "'Changed', which keeps changes of its parameters"),
            (LRScheduler(policy="StepLR", step_size=2), "'LRScheduler', which keeps 'batch_idx_'"),
        ],
    )
    def test_a_callback_that_cannot_be_resumed_is_refused(self, X, y, tmp_path, callback, message):
        with pytest.raises(
            ValueError, match=rf"checkpoint_dir cannot be used with the callback {message}.*state_dict"
        ):
            make(tmp_path, callbacks=[callback]).fit(X, y)
        assert not files(tmp_path)


class TestUnwritable:
    def test_a_full_disk_leaves_the_last_checkpoint(self, X, y, kill, tmp_path):
        kill(2, make(tmp_path), X, y)
        (path,) = files(tmp_path)
        content = path.read_bytes()
        classifier = make(tmp_path)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
        try:
            with pytest.raises(
                OSError, match=r"^checkpoint_dir: .* cannot be written after epoch 3"
            ) as caught:
                classifier.fit(X, y)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert caught.value.errno == errno.EFBIG
        assert str(path) in str(caught.value)
        assert path.read_bytes() == content
        assert os.listdir(path.parent) == [path.name]
        assert not hasattr(classifier, "net_")
        assert everything(classifier.fit(X, y)) == everything(make().fit(X, y))

    def test_a_user_who_may_only_read_is_refused_and_the_checkpoint_stays(self, X, y, read_only):
        folder, error_of = read_only
        make(folder).fit(X, y)
        (path,) = files(folder)
        content = path.read_bytes()
        same = error_of(lambda: make(folder).fit(X, y))
        assert same.startswith(
            f"PermissionError: checkpoint_dir: {path.parent} cannot be written (it is read-"
        )
        other = error_of(lambda: make(folder, max_epochs=5).fit(X, y))
        assert other.startswith("PermissionError: checkpoint_dir: ")
        assert "cannot be written (Permission denied): free space there or grant write permission" in other
        assert files(folder) == [path]
        assert path.read_bytes() == content

    def test_a_file_in_the_place_of_the_folder_is_refused(self, X, y, tmp_path, epochs):
        (tmp_path / "file").touch()
        with pytest.raises(OSError, match=r"checkpoint_dir: .* cannot be written \("):
            make(tmp_path / "file").fit(X, y)
        assert epochs == []

    def test_a_checkpoint_that_cannot_be_read_is_named(self, X, y, tmp_path):
        make(tmp_path, max_epochs=1).fit(X, y)
        (path,) = files(tmp_path)
        path.unlink()
        path.mkdir()
        with pytest.raises(IsADirectoryError, match=r"checkpoint_dir: .* cannot be read \(.*delete it"):
            make(tmp_path, max_epochs=1).fit(X, y)


class TestInterruptedByHand:
    @pytest.fixture
    def in_epoch(self, monkeypatch, sigint):
        """Interrupt the next training within an epoch."""

        def at(n):
            step = CenterLossNet.train_step

            def interrupted(self, batch, **kwargs):
                if len(self.history) == n:
                    monkeypatch.setattr(CenterLossNet, "train_step", step)
                    sigint()
                return step(self, batch, **kwargs)

            monkeypatch.setattr(CenterLossNet, "train_step", interrupted)

        return at

    @pytest.mark.parametrize("keep", [False, True])
    @pytest.mark.parametrize("n", [1, 3])
    def test_the_estimator_is_fitted_and_a_warning_names_the_epoch(self, X, y, in_epoch, tmp_path, keep, n):
        in_epoch(n)
        with pytest.warns(UserWarning, match=f"training was interrupted in epoch {n}: the estimator keeps"):
            classifier = make(tmp_path if keep else None).fit(X, y)
        assert classifier.n_iter_ == n - 1
        assert classifier.predict(X).shape == (18,)

    def test_the_next_call_continues_from_the_checkpoint(self, X, y, in_epoch, epochs, tmp_path):
        in_epoch(3)
        with pytest.warns(UserWarning, match="interrupted in epoch 3"):
            classifier = make(tmp_path).fit(X, y)
        classifier.fit(X, y)
        assert epochs == [1, 2, 3, 3, 4]
        assert everything(classifier) == everything(make().fit(X, y))

    def test_the_best_epoch_is_kept_and_training_continues_afterwards(
        self, X, y, speakers, in_epoch, tmp_path
    ):
        parameters = STOPPING | {"patience": 20, "max_epochs": 6}
        in_epoch(5)
        with pytest.warns(UserWarning, match="interrupted in epoch 5"):
            classifier = make(tmp_path, **parameters).fit(X, y, groups=speakers)
        assert 1 <= classifier.best_epoch_ <= 4
        classifier.fit(X, y, groups=speakers)
        assert everything(classifier) == everything(make(**parameters).fit(X, y, groups=speakers))

    @pytest.mark.parametrize("n", [2, 4])
    def test_within_the_write_of_a_checkpoint(self, X, y, tmp_path, monkeypatch, sigint, n):
        count, fsync = 0, os.fsync

        def interrupted(number):
            nonlocal count
            count += 1
            if count == n:
                sigint()
            fsync(number)

        monkeypatch.setattr(_files.os, "fsync", interrupted)
        with pytest.warns(
            UserWarning, match=f"training was interrupted after epoch {n}: the estimator keeps"
        ) as caught:
            classifier = make(tmp_path, augmentation=None).fit(X, y)
        assert len(caught) == 1
        assert classifier.n_iter_ == n
        assert classifier.predict(X).shape == (18,)
        assert not list(tmp_path.rglob("*.tmp"))
        assert everything(classifier.fit(X, y)) == everything(make(augmentation=None).fit(X, y))


class TestParameter:
    def test_a_model_file_does_not_hold_the_folder(self, X, y, tmp_path):
        classifier = make(tmp_path / "folder-of-mine", max_epochs=1).fit(X, y)
        save_model(classifier, tmp_path / "model.safetensors")
        assert b"checkpoint" not in (tmp_path / "model.safetensors").read_bytes()
        assert load_model(tmp_path / "model.safetensors").checkpoint_dir is None

    def test_a_checkpoint_is_not_a_model_file(self, X, y, tmp_path):
        make(tmp_path, max_epochs=1).fit(X, y)
        with pytest.raises(ValueError, match="is not a model file of skser"):
            load_model(files(tmp_path)[0])

    def test_a_checkpoint_holds_the_parameters_of_its_training(self, X, y, tmp_path):
        make(tmp_path, max_epochs=1).fit(X, y)
        fingerprint = torch.load(files(tmp_path)[0], weights_only=True)["fingerprint"]
        assert fingerprint["skser"] == skser.__version__
        assert (fingerprint["lr"], fingerprint["channels"]) == (0.01, {"$tuple": [4, 4]})
        assert "happy" in str(fingerprint["classes_"])
