"""The classifier: learning, labels, weights, reproducibility, continuation, errors."""

from __future__ import annotations

import copy
import pickle
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from skorch.callbacks import Callback, EarlyStopping, EpochScoring, GradientNormClipping, LRScheduler
from skorch.callbacks import Checkpoint as SkorchCheckpoint

from skser import CenterLossClassifier, CenterLossCriterion, Spectrograms
from skser.nn import SpectrogramNetwork
from skser.training import CenterLossNet

# Every epoch as the one before it; what changes with the epochs is tested in test_recipe.py.
SMALL = {
    "channels": (8, 8),
    "rnn_units": 8,
    "embedding_dim": 4,
    "augmentation": None,
    "max_epochs": 4,
    "lr": 1e-2,
    "schedule": "constant",
    "random_state": 0,
}


def make(**parameters) -> CenterLossClassifier:
    return CenterLossClassifier(**{**SMALL, **parameters})


def state_of(classifier: CenterLossClassifier) -> dict[str, np.ndarray]:
    """Weights, statistics and centers of a fitted classifier."""
    state = {name: value.numpy() for name, value in classifier.net_.module_.state_dict().items()}
    return {**state, "centers": classifier.centers_}


def assert_same_state(first: CenterLossClassifier, second: CenterLossClassifier) -> None:
    one, other = state_of(first), state_of(second)
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


@pytest.fixture(scope="module")
def X() -> Spectrograms:
    """48 noisy ramps, falling, flat or rising over time, of unequal length."""
    rng = np.random.default_rng(0)
    return Spectrograms(
        [
            rng.normal(size=(6, n)) + (index % 3 - 1) * np.linspace(-2, 2, n)
            for index, n in enumerate(rng.integers(20, 60, 48))
        ]
    )


@pytest.fixture(scope="module")
def y() -> np.ndarray:
    return np.array(["fall", "level", "rise"])[np.arange(48) % 3]


@pytest.fixture(scope="module")
def speakers() -> np.ndarray:
    return np.repeat(np.arange(8), 6)


@pytest.fixture(scope="module")
def fitted(X, y) -> CenterLossClassifier:
    return make(max_epochs=15).fit(X, y)


class TestLearning:
    def test_learns_from_the_order_of_frames(self, fitted, X, y):
        assert fitted.score(X, y) > 0.9
        assert fitted.history_[-1]["train_loss"] < fitted.history_[0]["train_loss"]

    def test_all_views_rest_on_one_computation(self, fitted, X, y):
        proba, scores = fitted.predict_proba(X), fitted.decision_function(X)
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
        np.testing.assert_allclose(proba, np.exp(scores) / np.exp(scores).sum(1, keepdims=True), rtol=1e-5)
        np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[proba.argmax(axis=1)])
        weight = fitted.net_.module_.classes.weight.detach().numpy()
        bias = fitted.net_.module_.classes.bias.detach().numpy()
        np.testing.assert_allclose(fitted.transform(X) @ weight.T + bias, scores, rtol=1e-4, atol=1e-5)

    def test_results_are_float32(self, fitted, X):
        assert {fitted.predict_proba(X).dtype, fitted.transform(X).dtype} == {np.dtype(np.float32)}

    def test_attributes_have_the_documented_shapes(self, fitted):
        assert fitted.classes_.tolist() == ["fall", "level", "rise"]
        assert fitted.centers_.shape == (3, 4)
        assert fitted.n_features_in_ == 6
        assert fitted.n_iter_ == len(fitted.history_) == 15
        assert set(fitted.history_[3]) == {"epoch", "train_loss", "train_cross_entropy", "train_center_loss"}
        assert fitted.history_[3]["epoch"] == 4

    def test_joint_loss_in_the_history_is_the_sum_of_its_parts(self, fitted):
        for row in fitted.history_:
            expected = row["train_cross_entropy"] + 0.3 * row["train_center_loss"]
            np.testing.assert_allclose(row["train_loss"], expected, rtol=1e-5)

    def test_center_loss_draws_embeddings_to_the_center_of_their_class(self, X, y):
        def distance(center_lambda: float) -> float:
            classifier = make(max_epochs=15, center_lambda=center_lambda).fit(X, y)
            own = classifier.centers_[np.searchsorted(classifier.classes_, y)]
            return np.linalg.norm(classifier.transform(X) - own, axis=1).mean()

        assert distance(1) < 0.8 * distance(0)

    @pytest.mark.parametrize("center_lambda", [0, 0.3])
    def test_center_distances_are_those_of_the_embeddings(self, X, y, center_lambda):
        # The labels are not in the order of their first items, so that columns must follow `classes_`.
        classifier = make(center_lambda=center_lambda).fit(X, y[::-1])
        distances = classifier.center_distances(X)
        expected = euclidean_distances(classifier.transform(X), classifier.centers_)
        np.testing.assert_allclose(distances, expected, rtol=1e-4)
        assert distances.dtype == np.float32
        assert (classifier.centers_ != 0).any(axis=1).all()

    def test_center_distance_at_the_center_is_zero(self, fitted, X):
        classifier = copy.copy(fitted)
        classifier.centers_ = fitted.transform(X[:3])
        np.testing.assert_array_equal(classifier.center_distances(X[:3]).diagonal(), 0)

    def test_center_distances_of_one_item(self, fitted, X):
        np.testing.assert_allclose(fitted.center_distances(X[:1]), fitted.center_distances(X)[:1], rtol=1e-5)

    def test_center_distances_of_a_table(self):
        table = np.random.default_rng(0).normal(size=(20, 6))
        classifier = make().fit(table, ["a", "b"] * 10)
        expected = euclidean_distances(classifier.transform(table), classifier.centers_)
        np.testing.assert_allclose(classifier.center_distances(table), expected, rtol=1e-4)

    def test_center_distances_are_an_array_with_any_output_of_transform(self, X, y):
        classifier = make(max_epochs=1).set_output(transform="pandas").fit(X, y)
        assert type(classifier.center_distances(X)) is np.ndarray

    def test_embeddings_feed_another_classifier(self, X, y):
        assert make_pipeline(make(max_epochs=15), SVC()).fit(X, y).score(X, y) > 0.9

    def test_embeddings_become_a_named_table(self, fitted, X):
        table = clone(fitted).set_output(transform="pandas").fit(X, ["a", "b"] * 24).transform(X)
        assert isinstance(table, pd.DataFrame)
        assert table.columns.tolist() == [f"centerlossclassifier{index}" for index in range(4)]
        assert fitted.get_feature_names_out().tolist() == table.columns.tolist()

    @pytest.mark.parametrize("variant", [{"rnn": "lstm"}, {"pooling": "attention"}])
    def test_variants_of_the_network_learn(self, X, y, variant):
        assert make(max_epochs=20, **variant).fit(X, y).score(X, y) > 0.8


class TestCenters:
    def test_centers_follow_the_embeddings_before_each_step(self, X, y):
        net = make(max_epochs=2, center_alpha=0.3).fit(X, y)
        recorded = _fit_and_record(X, y)
        centers = np.zeros((3, 4))
        for z, labels in recorded:
            members = [z[labels == j].numpy() for j in range(3)]
            centers -= 0.3 * np.stack(
                [(c - m).sum(axis=0) / (1 + len(m)) for c, m in zip(centers, members, strict=True)]
            )
        np.testing.assert_allclose(net.centers_, centers, rtol=1e-4, atol=1e-6)

    def test_alpha_sets_how_far_they_move(self, X, y):
        norms = [np.linalg.norm(make(center_alpha=a, max_epochs=1).fit(X, y).centers_) for a in (0, 0.1, 0.9)]
        assert 0 == norms[0] < norms[1] < norms[2]

    def test_lambda_of_zero_trains_as_softmax_alone_bit_for_bit(self, X, y):
        class SoftmaxAlone(CenterLossCriterion):
            def parts(self, outputs, y, sample_weight=None):
                return torch.nn.functional.cross_entropy(outputs[0], y), torch.zeros(())

        plain = make(net_params={"criterion": SoftmaxAlone}, center_lambda=0.3).fit(X, y)
        ours, joint = make(center_lambda=0).fit(X, y), make(center_lambda=0.3).fit(X, y)
        np.testing.assert_array_equal(ours.predict_proba(X), plain.predict_proba(X))
        assert not np.array_equal(joint.predict_proba(X), plain.predict_proba(X))
        assert (ours.centers_ != 0).all()


class TestLabels:
    @pytest.mark.parametrize(
        "labels",
        [
            np.array(["angry", "calm"]),
            np.array(["angry", "calm"], dtype=object),
            np.array([3, 7]),
            np.array([False, True]),
            np.array([-1, 1]),
        ],
    )
    def test_labels_come_back_as_they_went_in(self, X, labels):
        y = labels[np.arange(48) % 2]
        classifier = make(max_epochs=2).fit(X, y)
        assert classifier.classes_.tolist() == labels.tolist()
        assert classifier.predict(X).dtype == y.dtype
        assert classifier.decision_function(X).shape == (48,)
        np.testing.assert_array_equal(classifier.predict(X) == labels[1], classifier.decision_function(X) > 0)

    def test_series_of_labels(self, X, y):
        assert make(max_epochs=1).fit(X, pd.Series(y)).classes_.tolist() == ["fall", "level", "rise"]


class TestInputs:
    def test_forms_of_the_same_items_give_the_same_answers(self, fitted, X):
        expected = fitted.predict_proba(X)
        listed = list(X)
        boxed = np.empty(len(X), dtype=object)
        boxed[:] = listed
        for form in (listed, tuple(listed), boxed, np.asarray(X), np.asarray(X, dtype=np.float64)):
            np.testing.assert_allclose(fitted.predict_proba(form), expected, rtol=0, atol=1e-6)

    def test_prediction_does_not_depend_on_padding_batch_or_order(self, fitted, X):
        expected = fitted.predict_proba(X)
        alone = np.concatenate([fitted.predict_proba(X[[index]]) for index in range(len(X))])
        order = np.random.default_rng(0).permutation(len(X))
        dense, lengths = X.pad(1e6)
        garbage = fitted.predict_proba(Spectrograms.from_padded(dense, lengths))
        for got in (alone, fitted.predict_proba(X[order])[np.argsort(order)], garbage):
            np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)
            np.testing.assert_array_equal(got.argmax(axis=1), expected.argmax(axis=1))

    def test_table_holds_single_frames(self):
        rng = np.random.default_rng(0)
        table, y = rng.normal(size=(40, 5)) + 2 * (np.arange(40) % 2)[:, None], np.arange(40) % 2
        classifier = make(max_epochs=20).fit(table, y)
        assert classifier.score(table, y) > 0.9
        as_frames = classifier.predict_proba(table[:, :, None])
        np.testing.assert_allclose(as_frames, classifier.predict_proba(table), atol=1e-6)

    def test_single_frames_are_not_augmented(self, X, y):
        table = np.stack([item[:, 0] for item in X])
        assert_same_state(make(augmentation="moderate").fit(table, y), make().fit(table, y))
        augmented, plain = make(augmentation="moderate").fit(X, y), make().fit(X, y)
        assert not np.array_equal(augmented.transform(X), plain.transform(X))

    def test_two_items_of_one_frame_train(self):
        classifier = make().fit([np.zeros((3, 1)), np.ones((3, 1))], ["a", "b"])
        assert np.isfinite(classifier.predict_proba([np.zeros((3, 1))])).all()

    def test_silence_trains_and_predicts(self):
        silent = [np.full((6, n), -100.0) for n in (10, 20, 30, 40)]
        classifier = make().fit(silent, ["a", "b", "a", "b"])
        assert np.isfinite(classifier.predict_proba(silent)).all()
        assert np.isfinite(classifier.centers_).all()

    def test_two_minutes_of_frames(self, fitted):
        assert np.isfinite(fitted.predict_proba([np.zeros((6, 12_000)), np.zeros((6, 1))])).all()


class TestWeights:
    def test_balanced_weights_raise_the_recall_of_the_rare_class(self, X):
        rng = np.random.default_rng(1)
        y = np.where(np.arange(48) % 6 == 0, "rare", "common")
        noisy = [item + rng.normal(scale=2, size=item.shape) for item in X]
        recalls = [
            np.mean(make(class_weight=w, max_epochs=6).fit(noisy, y).predict_proba(noisy)[y == "rare", 1])
            for w in (None, "balanced")
        ]
        assert recalls[0] < recalls[1]

    def test_class_weights_go_by_label(self, X, y):
        weights = {"fall": 1.0, "level": 2.0, "rise": 4.0}
        criterion = make(max_epochs=1, class_weight=weights).fit(X, y).net_.criterion_
        assert criterion.class_weight.tolist() == [1, 2, 4]

    def test_items_of_weight_zero_teach_nothing(self, X, y):
        wrong = y.copy()
        wrong[::2] = "level"
        weight = np.ones(48)
        weight[::2] = 0
        taught_right = make().fit(X, y, sample_weight=weight)
        assert_same_state(make().fit(X, wrong, sample_weight=weight), taught_right)
        without_weights = make().fit(X, wrong).centers_
        assert not np.allclose(without_weights, taught_right.centers_, rtol=0, atol=1e-3)

    def test_item_of_weight_zero_is_left_out(self, X, y):
        weight = np.ones(48)
        weight[::4] = 0
        spoiled = [item * (1 if keep else 1000) for item, keep in zip(X, weight, strict=True)]
        weighted = make().fit(spoiled, y, sample_weight=weight)
        kept = make().fit(X[weight > 0], y[weight > 0], sample_weight=np.ones(36))
        assert_same_state(weighted, kept)

    def test_class_weights_that_are_all_zero_raise(self, X, y):
        with pytest.raises(ValueError, match="class_weight is zero for every class: give at least one"):
            make(class_weight=dict.fromkeys(("fall", "level", "rise"), 0)).fit(X, y)

    @pytest.mark.parametrize("weight", [np.nan, -1.0])
    def test_bad_class_weight_is_named(self, X, y, weight):
        with pytest.raises(
            ValueError, match=f"class_weight of 'fall' is {weight}: weights must be finite and"
        ):
            make(class_weight={"fall": weight, "level": 1, "rise": 1}).fit(X, y)

    def test_sample_weights_do_not_reach_the_module(self, X, y):
        classifier = make(max_epochs=1).fit(X, y, sample_weight=np.linspace(0.1, 2, 48))
        assert not np.array_equal(classifier.transform(X), make(max_epochs=1).fit(X, y).transform(X))

    @pytest.mark.parametrize(
        ("weight", "message"),
        [
            (np.ones(3), r"sample_weight must be of shape \(48,\)"),
            (np.full(48, -1.0), "sample_weight of item 0 is -1.0"),
            (np.r_[np.ones(47), np.nan], "sample_weight of item 47 is nan"),
            (np.zeros(48), "sample_weight is zero for every item"),
        ],
    )
    def test_bad_weights_are_named(self, X, y, weight, message):
        with pytest.raises(ValueError, match=message):
            make().fit(X, y, sample_weight=weight)


class TestReproducibility:
    def test_two_fits_agree_bit_for_bit(self, X, y):
        first, second = make().fit(X, y), make().fit(X, y)
        assert_same_state(first, second)
        assert first.history_ == second.history_
        assert not np.array_equal(first.transform(X), make(random_state=1).fit(X, y).transform(X))

    def test_global_generators_are_untouched(self, X, y):
        np.random.seed(5)  # noqa: NPY002 - the global generator is the point
        torch.manual_seed(5)
        before = np.random.get_state()[1].copy(), torch.get_rng_state().clone()  # noqa: NPY002
        make().fit(X, y).predict(X)
        make().partial_fit(X, y)
        np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
        assert torch.equal(torch.get_rng_state(), before[1])

    def test_fits_in_threads_agree_and_leave_the_generator_alone(self, X, y):
        before = torch.get_rng_state().clone()
        with ThreadPoolExecutor(3) as executor:
            results = list(executor.map(lambda _: make().fit(X, y).predict_proba(X), range(6)))
        for result in results[1:]:
            np.testing.assert_array_equal(result, results[0])
        assert torch.equal(torch.get_rng_state(), before)

    def test_no_other_device_is_seeded(self, X, y, monkeypatch):
        seeded = []
        monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
        make(device="cpu").fit(X, y)
        assert not seeded

    def test_result_does_not_depend_on_the_global_generators(self, X, y):
        torch.manual_seed(1)
        first = make().fit(X, y)
        torch.manual_seed(2)
        assert_same_state(first, make().fit(X, y))

    @pytest.mark.parametrize("way", ["pickle", "joblib", "deepcopy"])
    def test_copies_answer_alike_and_train_on_alike(self, fitted, X, y, way, tmp_path):
        if way == "joblib":
            joblib.dump(fitted, tmp_path / "model.joblib")
            twin = joblib.load(tmp_path / "model.joblib")
        else:
            twin = pickle.loads(pickle.dumps(fitted)) if way == "pickle" else copy.deepcopy(fitted)
        np.testing.assert_array_equal(twin.predict_proba(X), fitted.predict_proba(X))
        original = copy.deepcopy(fitted)
        assert_same_state(twin.partial_fit(X, y), original.partial_fit(X, y))

    def test_stored_copies_answer_alike_in_a_fresh_process(self, fitted, X, y, tmp_path):
        (tmp_path / "model.pkl").write_bytes(pickle.dumps((fitted, X, y)))
        joblib.dump(copy.deepcopy(fitted), tmp_path / "model.joblib")
        code = """
            import copy, pickle, sys, joblib, numpy as np, torch
            from sklearn.base import clone
            torch.set_num_threads(int(sys.argv[2]))
            classifier, X, y = pickle.load(open(sys.argv[1] + "/model.pkl", "rb"))
            copies = classifier, copy.deepcopy(classifier), joblib.load(sys.argv[1] + "/model.joblib")
            refit = clone(classifier).fit(X, y)
            np.save(sys.argv[1] + "/proba.npy", [model.predict_proba(X) for model in (*copies, refit)])
        """
        command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path), str(torch.get_num_threads())]
        subprocess.run(command, check=True)
        for proba in np.load(tmp_path / "proba.npy"):
            np.testing.assert_allclose(proba, fitted.predict_proba(X), rtol=0, atol=1e-6)

    def test_fitted_model_carries_no_training_data(self, X, y):
        small = len(pickle.dumps(make(max_epochs=1, early_stopping=True, validation="random").fit(X, y)))
        many, labels = Spectrograms(list(X) * 20), np.tile(y, 20)
        large = len(
            pickle.dumps(make(max_epochs=1, early_stopping=True, validation="random").fit(many, labels))
        )
        assert large - small < 0.1 * sum(item.nbytes for item in many)

    def test_clone_is_unfitted_with_the_same_parameters(self, fitted):
        twin = clone(fitted)
        assert twin.get_params() == fitted.get_params()
        with pytest.raises(NotFittedError):
            twin.predict([np.zeros((6, 3))])


class TestContinuation:
    def test_partial_fits_end_where_one_fit_ends(self, X, y):
        parts = make()
        for _ in range(4):
            parts.partial_fit(X, y)
        assert_same_state(parts, make(max_epochs=4).fit(X, y))
        assert parts.n_iter_ == 4

    def test_warm_start_goes_on_and_a_new_fit_begins_anew(self, X, y):
        warm = make(max_epochs=2, warm_start=True).fit(X, y)
        warm.fit(X, y)
        assert warm.n_iter_ == 4
        assert_same_state(warm, make(max_epochs=4).fit(X, y))
        cold = make(max_epochs=2).fit(X, y)
        assert cold.fit(X, y).n_iter_ == 2

    def test_warm_start_takes_up_changed_parameters(self, X, y):
        warm = make(max_epochs=1, warm_start=True).fit(X, y)
        warm.set_params(lr=1e-5, center_lambda=0, center_alpha=0).fit(X, y)
        assert warm.net_.optimizer_.param_groups[0]["lr"] == 1e-5
        assert warm.net_.criterion_.center_lambda == 0

    def test_warm_start_refuses_another_network(self, X, y):
        warm = make(max_epochs=1, warm_start=True).fit(X, y)
        with pytest.raises(ValueError, match="made with other channels, rnn"):
            warm.set_params(rnn_units=9).fit(X, y)

    def test_first_partial_fit_may_lack_classes_that_are_named(self, X, y):
        classifier = make().partial_fit(X[:2], y[:2], classes=["rise", "level", "fall"])
        assert classifier.classes_.tolist() == ["fall", "level", "rise"]
        assert (classifier.centers_[2] == 0).all()
        assert classifier.partial_fit(X[2:3], y[2:3]).n_iter_ == 2

    def test_other_classes_than_at_first_are_refused(self, X, y):
        classifier = make().partial_fit(X, y)
        with pytest.raises(ValueError, match=r"classes=\['a', 'b'\] differ from those of the first call"):
            classifier.partial_fit(X, y, classes=["a", "b"])

    def test_unknown_label_is_named(self, X, y):
        classifier = make().partial_fit(X, y)
        with pytest.raises(ValueError, match=r"not among the classes .*\['bored'\]"):
            classifier.partial_fit(X[:1], ["bored"])


class TestEarlyStopping:
    def test_keeps_network_and_centers_of_the_best_epoch(self, X, y, speakers):
        stopped = make(max_epochs=30, early_stopping=True, patience=3).fit(X, y, groups=speakers)
        scores = [(row["valid_unweighted_accuracy"], -row["valid_loss"]) for row in stopped.history_]
        assert stopped.best_epoch_ == 1 + scores.index(max(scores))
        assert stopped.n_iter_ == min(stopped.best_epoch_ + 3, 30)
        until = make(max_epochs=stopped.best_epoch_, early_stopping=True, patience=99).fit(
            X, y, groups=speakers
        )
        assert_same_state(stopped, until)

    def test_whole_speakers_are_held_out(self, X, y, speakers, monkeypatch):
        parts = []
        fit_loop = CenterLossNet.fit_loop

        def spy(net, dataset, *args, **kwargs):
            parts.append((dataset.X, net.train_split.keywords["valid_ds"].X))
            return fit_loop(net, dataset, *args, **kwargs)

        monkeypatch.setattr(CenterLossNet, "fit_loop", spy)
        make(early_stopping=True, validation="groups", validation_fraction=0.25).fit(X, y, groups=speakers)
        train, valid = ({speakers[start_index(X, item)] for item in part} for part in parts[0])
        assert train.isdisjoint(valid)
        assert len(valid) == 2
        assert train | valid == set(range(8))

    def test_standardisation_comes_from_the_training_part(self, X, y, speakers):
        stopped = make(max_epochs=1, early_stopping=True).fit(X, y, groups=speakers)
        mean = stopped.net_.module_.bin_mean.numpy()
        assert not np.allclose(mean, X.mean_and_std()[0], rtol=1e-6, atol=0)
        np.testing.assert_array_equal(make(max_epochs=1).fit(X, y).net_.module_.bin_mean, X.mean_and_std()[0])

    def test_without_groups_it_warns(self, X, y):
        with pytest.warns(UserWarning, match="whose speakers may also be in the training set"):
            make(max_epochs=1, early_stopping=True).fit(X, y)

    def test_groups_that_are_asked_for_must_be_there(self, X, y):
        with pytest.raises(ValueError, match='validation="groups" needs groups: pass groups=speakers to fit'):
            make(early_stopping=True, validation="groups").fit(X, y)

    def test_random_part_is_taken_without_a_word(self, X, y, recwarn):
        make(max_epochs=1, early_stopping=True, validation="random").fit(X, y)
        assert not recwarn.list

    def test_one_group_is_not_enough(self, X, y):
        with pytest.raises(ValueError, match="needs at least 2 of them, got 1"):
            make(early_stopping=True).fit(X, y, groups=np.zeros(48))

    def test_classes_bound_to_speakers_are_reported(self, X, y):
        with pytest.raises(
            ValueError, match="found no choice of 1 of 3 groups for validation that leaves every class"
        ):
            make(early_stopping=True).fit(X, y, groups=np.arange(48) % 3)

    def test_too_few_items_are_reported(self, X):
        with pytest.raises(
            ValueError,
            match="cannot take a validation set from 3 items of 2 classes, of which the rarest has 1",
        ):
            make(early_stopping=True, validation="random").fit(X[:3], ["a", "a", "b"])

    def test_number_of_groups_must_match(self, X, y):
        with pytest.raises(ValueError, match="groups has 3 values for 48 items"):
            make(early_stopping=True).fit(X, y, groups=[1, 2, 3])

    def test_missing_group_is_named(self, X, y):
        with pytest.raises(ValueError, match="groups has no value for item 2, got None"):
            make(early_stopping=True).fit(X, y, groups=np.array(["a", "b", None] * 16, dtype=object))

    def test_later_fit_without_it_forgets_the_best_epoch(self, X, y, speakers):
        stopped = make(early_stopping=True).fit(X, y, groups=speakers)
        assert not hasattr(stopped.set_params(early_stopping=False).fit(X, y), "best_epoch_")

    def test_partial_fit_goes_on_after_it(self, X, y, speakers):
        stopped = make(early_stopping=True).fit(X, y, groups=speakers)
        assert stopped.partial_fit(X, y).n_iter_ == 5


class TestSkorch:
    def test_callbacks_are_copied_and_called(self, X, y):
        clipping = GradientNormClipping(1e-8)
        callbacks = [("clip", clipping)]
        clipped = make(callbacks=callbacks).fit(X, y)
        assert clipped.callbacks is callbacks
        assert dict(clipped.net_.callbacks)["clip"] is not clipping
        assert not np.array_equal(clipped.transform(X), make().fit(X, y).transform(X))

    @pytest.mark.parametrize("entry", [("none", None), ["clip", GradientNormClipping(1.0)]])
    def test_entries_of_callbacks_are_those_of_skorch(self, X, y, entry):
        assert make(callbacks=[entry], max_epochs=1).fit(X, y).n_iter_ == 1

    def test_net_params_reach_the_net(self, X, y):
        classifier = make(net_params={"optimizer": torch.optim.SGD, "optimizer__momentum": 0.9}).fit(X, y)
        assert classifier.net_.optimizer_.param_groups[0]["momentum"] == 0.9

    def test_verbose_prints_a_line_an_epoch(self, X, y, capsys):
        make(max_epochs=3, verbose=1).fit(X, y)
        assert len([line for line in capsys.readouterr().out.splitlines() if line.strip()[:1].isdigit()]) == 3

    def test_interruption_leaves_a_usable_estimator_and_a_warning(self, X, y):
        class Interrupt(Callback):
            def on_epoch_begin(self, net, **kwargs):
                if len(net.history) == 3:
                    raise KeyboardInterrupt

        with pytest.warns(UserWarning, match="interrupted in epoch 3"):
            classifier = make(callbacks=[Interrupt()]).fit(X, y)
        assert classifier.n_iter_ == 2
        assert_same_state(classifier, make(max_epochs=2).fit(X, y))
        classifier.set_params(callbacks=None).partial_fit(X, y)
        assert_same_state(classifier, make(max_epochs=3).fit(X, y))

    @pytest.mark.parametrize("early_stopping", [False, True])
    def test_interruption_between_two_epochs_is_named(self, X, y, early_stopping, monkeypatch):
        notify = CenterLossNet.notify

        def interrupt(net, name, **kwargs):
            notify(net, name, **kwargs)
            if name == "on_epoch_end" and len(net.history) == 2:
                signal.raise_signal(signal.SIGINT)

        options = {"early_stopping": early_stopping, "validation": "random"}
        monkeypatch.setattr(CenterLossNet, "notify", interrupt)
        with pytest.warns(UserWarning, match="training was interrupted after epoch 2: the estimator keeps"):
            classifier = make(max_epochs=4, **options).fit(X, y)
        monkeypatch.undo()
        assert_same_state(classifier, make(max_epochs=2, **options).fit(X, y))

    def test_interruption_before_the_first_epoch_is_named(self, X, y, monkeypatch):
        def interrupt(*args, **kwargs):
            signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(CenterLossNet, "get_split_datasets", interrupt)
        with pytest.warns(UserWarning, match="training was interrupted in epoch 1: the estimator keeps"):
            make().fit(X, y)

    def test_stopping_by_a_callback_is_no_interruption(self, X, y, recwarn):
        stopping = EarlyStopping("train_loss", patience=1, threshold=10)
        assert make(max_epochs=6, callbacks=[stopping]).fit(X, y).n_iter_ < 6
        assert not recwarn.list

    @pytest.mark.parametrize("callback", [EarlyStopping(), SkorchCheckpoint(f_params=None, f_history=None)])
    def test_callback_that_needs_a_validation_set_names_the_cure(self, X, y, callback):
        message = r"needs the results of a validation set \(Key 'valid_loss.*early_stopping=True, or let .*"
        with pytest.raises(ValueError, match=message + 'monitor "train_loss"'):
            make(callbacks=[callback]).fit(X, y)
        with pytest.raises(ValueError, match=message):
            make(callbacks=[callback]).partial_fit(X, y)

    def test_early_stopping_of_skorch_works_with_a_validation_set(self, X, y):
        stopping = EarlyStopping(patience=1, threshold=10)
        classifier = make(early_stopping=True, validation="random", callbacks=[stopping]).fit(X, y)
        assert classifier.n_iter_ == 2

    def test_other_errors_of_a_callback_stay(self, X, y):
        with pytest.raises(KeyError, match="'train_f1' was not found in history"):
            make(callbacks=[EarlyStopping("train_f1")]).fit(X, y)

    def test_schedule_of_the_learning_rate_goes_on(self, X, y):
        classifier = make(callbacks=[LRScheduler("StepLR", step_size=1)])
        assert classifier.partial_fit(X, y).partial_fit(X, y).n_iter_ == 2

    def test_scores_of_probabilities_work_as_callbacks(self, X, y):
        scoring = EpochScoring("neg_log_loss")
        classifier = make(early_stopping=True, validation="random", callbacks=[scoring]).fit(X, y)
        assert all(row["neg_log_loss"] <= 0 for row in classifier.net_.history)

    @pytest.mark.parametrize(
        "name",
        [
            *("callbacks", "max_epochs", "train_split", "module", "lr", "module__rnn_units", "optimizer__lr"),
            *("optimizer__weight_decay", "criterion__center_lambda", "iterator_train__by_length"),
            *("warm_start", "dataset", "dataset__length"),
        ],
    )
    def test_net_params_cannot_undo_what_the_estimator_sets(self, X, y, name):
        with pytest.raises(ValueError, match=f"net_params cannot set '{name}': use"):
            make(net_params={name: None}).fit(X, y)

    @pytest.mark.parametrize("net_params", [{"optimizer__foo": 1}, {"iterator_train__num_workers": 1}])
    def test_settings_that_make_no_net_are_named(self, X, y, net_params):
        with pytest.raises(TypeError, match=r": correct net_params or network_params\.$"):
            make(net_params=net_params).fit(X, y)

    def test_parameter_of_the_network_is_named_instead_of_its_setting_in_the_net(self, X, y):
        with pytest.raises(ValueError, match="cannot set 'module__rnn_units': use rnn_units instead"):
            make(net_params={"module__rnn_units": 4}).fit(X, y)


class TestNumPyIntegers:
    """Parameters from a grid over an array, whose small types overflow."""

    @pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint64])
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("batch_size", 7),
            ("rnn_units", 100),
            ("embedding_dim", 100),
            ("max_epochs", 3),
            ("patience", 1),
            ("random_state", 3),
            ("verbose", 0),
        ],
    )
    def test_model_is_that_of_a_python_integer(self, X, y, name, value, dtype):
        settings = {"max_epochs": 2, "pooling": "attention", "early_stopping": True, "validation": "random"}
        expected = make(**{**settings, name: value}).fit(X, y)
        found = make(**{**settings, name: dtype(value)}).fit(X, y)
        assert type(found.get_params()[name]) is dtype
        assert_same_state(found, expected)
        np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))

    def test_channels_and_their_product_with_the_bins_may_exceed_the_type(self, X, y):
        channels = (np.uint8(4), np.uint8(200))
        wide = Spectrograms([np.tile(item, (6, 1)) for item in X])
        assert_same_state(
            make(max_epochs=1, channels=channels).fit(wide, y),
            make(max_epochs=1, channels=(4, 200)).fit(wide, y),
        )

    def test_network_takes_them_too(self):
        small, large = np.uint8(8), np.uint8(130)
        sizes = {"channels": (large,), "rnn_units": large, "embedding_dim": large, "pooling": "attention"}
        network = SpectrogramNetwork(n_bins=small, n_classes=small, **sizes)
        sizes |= {"channels": (130,), "rnn_units": 130, "embedding_dim": 130}
        expected = SpectrogramNetwork(n_bins=8, n_classes=8, **sizes)
        for found, wanted in zip(network.parameters(), expected.parameters(), strict=True):
            assert found.shape == wanted.shape

    def test_search_over_an_array_is_that_over_a_list(self, X, y):
        settings = {"cv": 2, "refit": False, "error_score": "raise"}
        found, expected = (
            GridSearchCV(make(max_epochs=1), {"batch_size": sizes}, **settings).fit(X, y)
            for sizes in (np.array([5, 9], dtype=np.uint8), [5, 9])
        )
        scores = [search.cv_results_["mean_test_score"].tolist() for search in (found, expected)]
        assert scores[0] == scores[1]


class TestErrors:
    def test_nan_loss_names_epoch_and_cure_and_leaves_the_estimator_as_it_was(self, X, y):
        classifier = make().fit(X, y)
        before = copy.deepcopy(vars(classifier))
        classifier.set_params(lr=1e30)
        with pytest.raises(ValueError, match=r"became .* in epoch \d+: lower lr \(now 1e\+30\)"):
            classifier.fit(X, y)
        assert vars(classifier).keys() == before.keys()
        classifier.set_params(lr=1e-2)
        assert_same_state(classifier, make().fit(X, y))

    def test_failed_first_fit_leaves_nothing(self, X, y):
        classifier = make(lr=1e30)
        with pytest.raises(ValueError, match="lower lr"):
            classifier.fit(X, y)
        assert not [name for name in vars(classifier) if name.endswith("_")]

    def test_failed_partial_fit_keeps_the_network(self, X, y):
        classifier = make().fit(X, y)
        expected = classifier.predict_proba(X)
        with pytest.raises(ValueError, match="lower lr"):
            classifier.set_params(lr=1e30).partial_fit(X, y)
        np.testing.assert_array_equal(classifier.predict_proba(X), expected)

    @pytest.mark.parametrize(
        ("parameters", "error", "message"),
        [
            ({"center_lambda": -1}, ValueError, "center_lambda must be a number in"),
            ({"center_lambda": "0.3"}, TypeError, "center_lambda must be a number, got '0.3'"),
            ({"center_alpha": 2}, ValueError, r"center_alpha must be a number in \[0, 1\], got 2"),
            ({"max_epochs": 0}, ValueError, "max_epochs must be an integer"),
            ({"batch_size": 1.5}, TypeError, "batch_size must be an integer"),
            ({"lr": 0}, ValueError, r"lr must be a number in \(0, inf\)"),
            ({"weight_decay": -1}, ValueError, "weight_decay"),
            ({"validation": "speaker"}, ValueError, "validation must be one of 'auto', 'groups', 'random'"),
            ({"validation_fraction": 1.0}, ValueError, r"validation_fraction must be a number in \(0, 1\)"),
            ({"patience": 0}, ValueError, "patience"),
            ({"rnn": "tcn"}, ValueError, "rnn must be one of"),
            ({"early_stopping": "no"}, TypeError, "early_stopping must be True or False, got 'no'"),
            ({"warm_start": 2}, TypeError, "warm_start must be True or False"),
            ({"callbacks": "disable"}, TypeError, "callbacks must be a list of skorch callbacks or None"),
            (
                {"class_weight": "balance"},
                ValueError,
                'class_weight must be "balanced", None or a dict of labe',
            ),
            ({"class_weight": [1, 2]}, ValueError, r"class_weight must be .*, got \[1, 2\]"),
            ({"callbacks": [3]}, TypeError, r"callbacks\[0\] is 3: each must be a skorch callback, such as"),
            ({"callbacks": [("clip", 3)]}, TypeError, r"callbacks\[0\] is \('clip', 3\): each must be"),
            ({"callbacks": [object]}, TypeError, r"callbacks\[0\] is <class 'object'>: each must be"),
            ({"net_params": ["a"]}, TypeError, "net_params must be a dict or None"),
            ({"net_params": {3: 3}}, TypeError, "the names in net_params must be str, got 3"),
            (
                {"net_params": {"optimizer": "adam"}},
                TypeError,
                r"net_params\['optimizer'\] must be a class, such as torch.optim.SGD, got 'adam'",
            ),
            ({"device": "meta"}, ValueError, "device='meta' cannot compute here"),
            ({"device": "abacus"}, ValueError, 'device must be "auto" or a device that torch knows'),
            ({"class_weight": "even"}, ValueError, "class_weight"),
        ],
    )
    def test_bad_parameters_are_named(self, X, y, parameters, error, message):
        with pytest.raises(error, match=message):
            make(**parameters).fit(X, y)

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    def test_missing_gpu_is_named(self, X, y):
        with pytest.raises(ValueError, match="device='cuda' needs a GPU"):
            make(device="cuda").fit(X, y)

    @pytest.mark.parametrize(
        ("y", "message"),
        [
            (None, "requires y to be passed, but the target y is None"),
            (["a"] * 48, r"needs at least 2 classes, got one class: \['a'\]"),
            (["a", "b"], "y has 2 values for 48 items"),
            (np.linspace(0, 1, 48), "Unknown label type"),
            (np.array(["a", None, "b"] * 16, dtype=object), "y has no value for item 1, got None"),
            (
                np.array(["a", 3, "b"] * 16, dtype=object),
                r"y mixes text and integers \(item 0 is 'a', item 1",
            ),
        ],
    )
    def test_bad_labels_are_named(self, X, y, message):
        with pytest.raises(ValueError, match=message):
            make().fit(X, y)

    def test_predict_before_fit_raises(self, X):
        for method in ("predict", "predict_proba", "decision_function", "transform", "center_distances"):
            with pytest.raises(NotFittedError):
                getattr(make(), method)(X)

    def test_another_number_of_bins_is_named(self, fitted):
        with pytest.raises(ValueError, match=r"7 features, but .* expecting 6 features .* frequency bins"):
            fitted.predict([np.zeros((7, 4))])

    @pytest.mark.parametrize(
        ("bad", "error", "message"),
        [
            (
                ["a.wav", "b.wav"],
                TypeError,
                "item 0 is the path 'a.wav', not a spectrogram or features: put a trans",
            ),
            (np.array(["a.wav", "b.wav"]), TypeError, "item 0 is the path 'a.wav'"),
            (pd.Series(["a.wav", "b.wav"]), TypeError, "item 0 is the path 'a.wav'"),
            (np.array(["a.wav"], np.dtypes.StringDType()), TypeError, "item 0 is the path 'a.wav'"),
            ("a.wav", TypeError, "X is the path 'a.wav', not a spectrogram or features: put a transformer"),
            (None, TypeError, r"X must be Spectrograms, .* an array or a table, got NoneType\."),
            (bytes(9), TypeError, r"X must be Spectrograms, .* an array or a table, got bytes\."),
            ({"a": np.zeros((6, 3))}, TypeError, r"X must be Spectrograms, .* a table, got dict\."),
            (iter([]), TypeError, r"X must be Spectrograms, .* got list_iterator: pass list\(X\)\."),
            ([np.full((6, 3), 1e39)], ValueError, "item 0 contains NaN or infinity as float32"),
            ([[[1.0, 2.0], [1.0]]], ValueError, "item 0 must be an array, but its parts differ in length"),
            ([], ValueError, r"0 sample\(s\)"),
            ([np.zeros(9), np.zeros(8)], ValueError, "item 0 must be a spectrogram of shape"),
            ([np.zeros((6, 3)), np.zeros(8)], ValueError, "item 1 must be a spectrogram of shape"),
            (Spectrograms([np.zeros((6, 3))])[[]], ValueError, r"0 sample\(s\)"),
            (np.zeros((0, 6, 3)), ValueError, "at least one item"),
            ([np.full((6, 2), np.nan)], ValueError, "item 0 contains NaN"),
            (np.zeros(6), ValueError, "Expected 2D array"),
            (
                np.zeros((2, 1, 6, 3)),
                ValueError,
                r"X has 4 dimensions, of shape \(2, 1, 6, 3\): pass spectro",
            ),
            (torch.zeros(2, 1, 6, 3), ValueError, "X has 4 dimensions"),
        ],
    )
    def test_bad_input_is_named(self, fitted, bad, error, message):
        with pytest.raises(error, match=message):
            fitted.predict(bad)
        with pytest.raises(error, match=message):
            fitted.center_distances(bad)


def start_index(X: Spectrograms, item: np.ndarray) -> int:
    """Find an item of a selection in the whole."""
    return next(index for index, candidate in enumerate(X) if np.shares_memory(candidate, item))


def _fit_and_record(X: Spectrograms, y: np.ndarray) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Fit and give the embeddings and labels of each training batch, from before the step."""
    batches: list[tuple[torch.Tensor, torch.Tensor]] = []

    class Recording(CenterLossCriterion):
        def parts(self, outputs, y, sample_weight=None):
            batches.append((outputs[1].detach().clone(), y.clone()))
            return super().parts(outputs, y, sample_weight)

    make(max_epochs=2, center_alpha=0.3, net_params={"criterion": Recording}).fit(X, y)
    return batches
