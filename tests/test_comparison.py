"""Comparisons over repetitions: data and seeds, caching, parameters and errors."""

import importlib
import os
import pickle
import re
import signal
import subprocess
import sys
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
from joblib import Memory, parallel_config
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_wine,
    make_blobs,
    make_classification,
    make_gaussian_quantiles,
    make_moons,
    make_regression,
)
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import log_loss, make_scorer, zero_one_loss
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_score,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from sklearn_toydnn import (
    ComparisonDisplay,
    DNNClassifier,
    GaussianAugmenter,
    compare,
    make_triangle,
)
from sklearn_toydnn.comparison.estimators import LOOKS
from sklearn_toydnn.comparison.repetition import FreshData, with_seeds

TREES = {f"depth {n}": DecisionTreeClassifier(max_depth=n) for n in (1, 2, 4)}
FEW = {"train_size": 60, "test_size": 100, "n_repeats": 4, "random_state": 0}


class Recorder(ClassifierMixin, BaseEstimator):
    """Records the data on which it is fitted and scored, and its seed."""

    seen = []

    def __init__(self, name="", random_state=None):
        self.name = name
        self.random_state = random_state

    def fit(self, X, y, X_val=None, y_val=None):
        self.classes_ = np.unique(y)
        self.fitted_ = X, y, X_val, y_val
        return self

    def score(self, X, y):
        Recorder.seen.append((self.name, self.random_state, *self.fitted_, X, y))
        return float(self.name == "b") + np.mean(X)

    def predict(self, X):
        return np.zeros(len(X), int)


@pytest.fixture
def seen():
    Recorder.seen.clear()
    return Recorder.seen


# ---- data and seeds


def test_all_estimators_get_the_same_fresh_data_and_seed(seen):
    nets = {name: Recorder(name, random_state=7) for name in "ab"}
    compare(nets, make_triangle, val_size=30, **FEW)
    assert [name for name, *_ in seen] == ["a", "b"] * 4
    for (_, seed, *data), (_, other, *same) in zip(seen[::2], seen[1::2], strict=True):
        assert seed == other
        for array, equal in zip(data, same, strict=True):
            np.testing.assert_array_equal(array, equal)
    assert [len(array) for array in seen[0][2:]] == [60, 60, 30, 30, 100, 100]
    seeds = {seed for _, seed, *_ in seen}
    assert len(seeds) == 4 and 7 not in seeds
    # No point is drawn twice, within or between repetitions.
    points = np.concatenate([part for row in seen[::2] for part in row[2::2]])
    assert len(np.unique(points, axis=0)) == 4 * 190


def test_maker_must_use_random_state():
    def same(n_samples, random_state):
        return make_triangle(n_samples, random_state=0)

    def other(n_samples, random_state):
        return make_triangle(n_samples)

    with pytest.raises(ValueError, match="the same points and labels for two"):
        compare(TREES, same, **FEW)
    with pytest.warns(UserWarning, match="not reproducible"):
        compare(TREES, other, **FEW)


def test_fixed_points_with_random_labels_are_fresh_data():
    def make_grid(n_samples, random_state):
        generator = np.random.RandomState(random_state)
        X = np.linspace(-1, 1, 2 * n_samples).reshape(-1, 2)
        return X, (X[:, 0] + generator.normal(0, 0.5, n_samples) > 0).astype(int)

    result = compare(TREES, make_grid, **FEW)
    assert result.scores["score"].nunique() > 4


def test_maker_gets_n_samples_by_name():
    """`n_samples` need not be the first parameter, as for make_gaussian_quantiles."""
    nets = {name: DummyClassifier() for name in "ab"}
    maker = partial(make_gaussian_quantiles, n_classes=2)
    assert compare(nets, maker, **FEW).n_repeats == 4

    def make_of_kind(kind, n_samples, random_state):
        return make_triangle(n_samples, random_state=random_state)

    with pytest.raises(ValueError, match="'kind'.*functools.partial.maker"):
        compare(nets, make_of_kind, **FEW)
    assert compare(nets, partial(make_of_kind, "any"), **FEW).n_repeats == 4


def test_error_for_wrong_maker_output_does_not_print_data():
    with pytest.raises(
        ValueError, match="must return a tuple of X and y, got"
    ) as error:
        compare(TREES, partial(make_regression, coef=True), **FEW)
    message = str(error.value)
    assert "a tuple of 3" in message and len(message) < 150


def test_labels_stay_with_their_points(seen):
    compare({name: Recorder(name) for name in "ab"}, make_triangle, val_size=30, **FEW)
    from sklearn_toydnn.datasets import label_triangle

    for _, _, *data in seen:
        for X, y in zip(data[::2], data[1::2], strict=True):
            np.testing.assert_array_equal(label_triangle(X), y)


def test_training_and_test_points_come_from_one_maker_call():
    """Two calls of `make_classification` would draw two different problems."""
    nets = {"trees": DecisionTreeClassifier(), "none": DummyClassifier()}
    result = compare(nets, make_classification, **FEW | {"train_size": 300})
    means = result.scores.groupby("estimator")["score"].mean()
    assert means["trees"] > 0.75 and means["none"] < 0.6


def test_points_ordered_by_class_are_shuffled(seen):
    def make_ordered(n_samples, random_state):
        return make_moons(
            n_samples, shuffle=False, noise=0.1, random_state=random_state
        )

    compare({name: Recorder(name) for name in "ab"}, make_ordered, **FEW)
    for _, _, _, y, *_ in seen:
        assert 0.2 < np.mean(y) < 0.8


SCORED = ["repeat", "estimator", "metric", "score"]


def test_repetition_does_not_depend_on_other_arguments():
    first = compare(TREES, make_triangle, **FEW).scores
    more = compare(TREES, make_triangle, **FEW | {"n_repeats": 6}).scores
    pd.testing.assert_frame_equal(first[SCORED], more[SCORED][: len(first)])
    two = {name: TREES[name] for name in ("depth 4", "depth 1")}
    fewer = compare(two, make_triangle, **FEW).scores
    both = first[first["estimator"] != "depth 2"]
    by = ["repeat", "estimator"]
    pd.testing.assert_frame_equal(
        fewer[SCORED].sort_values(by, ignore_index=True),
        both[SCORED].sort_values(by, ignore_index=True),
    )
    other = compare(TREES, make_triangle, **FEW | {"random_state": 1}).scores
    assert (other["score"] != first["score"]).any()


def test_every_random_state_gets_a_seed():
    splitter = StratifiedKFold(3, shuffle=True, random_state=0)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), DNNClassifier(random_state=3)),
        {"dnnclassifier__epochs": [1, 2]},
        cv=splitter,
    )
    one, other = (with_seeds(search, (0, repeat)).get_params() for repeat in (0, 1))
    for params in (one, other):
        assert params["estimator__dnnclassifier__random_state"] not in (3, None)
        assert params["cv"].random_state not in (0, None)
    key = "estimator__dnnclassifier__random_state"
    assert one[key] != other[key]
    assert one["cv"].random_state != other["cv"].random_state
    assert splitter.random_state == 0 and search.estimator[-1].random_state == 3
    unshuffled = GridSearchCV(DecisionTreeClassifier(), {}, cv=KFold(3))
    assert with_seeds(unshuffled, (0, 0)).cv.random_state is None


def test_seed_of_network_does_not_depend_on_pipeline_steps():
    def seeds(estimator):
        params = with_seeds(estimator, (0, 5)).get_params()
        return {n: v for n, v in params.items() if n.endswith("random_state")}

    from imblearn.pipeline import make_pipeline

    alone = seeds(DNNClassifier())
    behind = seeds(make_pipeline(GaussianAugmenter(), DNNClassifier()))
    assert behind["dnnclassifier__random_state"] == alone["random_state"]
    assert behind["gaussianaugmenter__random_state"] != alone["random_state"]
    twice = seeds(make_pipeline(GaussianAugmenter(), GaussianAugmenter()))
    assert len(set(twice.values())) == 2


def test_scores_equal_those_of_a_plain_loop():
    nets = {"net": DNNClassifier((5,), epochs=2), "tree": DecisionTreeClassifier()}
    result = compare(nets, make_triangle, **FEW)
    assert result.scores.columns.tolist() == [*SCORED, "seconds"]
    assert (result.scores["seconds"] > 0).all()
    scores = result.scores.set_index(["repeat", "estimator"])["score"]
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max), 2

    X, y, (train, test), _ = FreshData(make_triangle, 60, 100, 0).draw(seed, 2)
    for name, estimator in nets.items():
        fitted = clone(with_seeds(estimator, seed)).fit(X[train], y[train])
        assert scores[2, name] == fitted.score(X[test], y[test])


def test_estimators_may_be_a_list_of_pairs():
    """Pipeline and VotingClassifier accept the same."""
    pairs, named = (compare(t, make_triangle, **FEW) for t in ([*TREES.items()], TREES))
    pd.testing.assert_frame_equal(pairs.scores[SCORED], named.scores[SCORED])


# ---- one data set


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer, load_digits])
def test_fold_sizes_may_differ_by_one_point(load):
    X, y = load(return_X_y=True)
    result = compare(NETS, X=X, y=y, cv=10, baseline="none", random_state=0)
    assert result.test_size == pytest.approx(len(y) / 10)
    assert result.overlap == pytest.approx(1 / 9)
    row = result.summary().iloc[1]
    assert row["verdict"] == "better" and "approximation" in row["note"]


def test_unequal_splits_use_mean_sizes():
    X, y = make_triangle(60, random_state=0)
    result = compare(NETS, X=X, y=y, cv=TimeSeriesSplit(4), random_state=0)
    assert result.overlap == pytest.approx(2 / 5) and result.test_size == 12


def test_groups_stay_together():
    X, y = make_triangle(60, random_state=0)
    groups, seen = np.arange(60) % 5, []

    class Seen(DummyClassifier):
        def fit(self, X, y):
            seen.append(len(X))
            return super().fit(X, y)

    kwargs = {"X": X, "y": y, "groups": groups, "random_state": 0}
    result = compare(
        {"a": Seen(), "b": DummyClassifier()}, cv=LeaveOneGroupOut(), **kwargs
    )
    assert result.n_repeats == 5 and seen == [48] * 5


@pytest.mark.parametrize("routing", [False, True])
def test_params_are_split_and_passed_to_fit(routing):
    X, y = make_triangle(60, random_state=0)
    weights, seen = np.arange(60.0), []

    class Weighted(DummyClassifier):
        def fit(self, X, y, sample_weight=None):
            seen.append(sample_weight)
            return super().fit(X, y, sample_weight)

    with config_context(enable_metadata_routing=routing):
        nets = {name: Weighted() for name in "ab"}
        if routing:
            for net in nets.values():
                net.set_fit_request(sample_weight=True)
                net.set_score_request(sample_weight=False)
        kwargs = {"X": X, "y": y, "cv": KFold(3), "random_state": 0}
        compare(nets, **kwargs, params={"sample_weight": weights})
    np.testing.assert_array_equal(seen[0], weights[20:])
    assert len(seen) == 6


def test_data_frames_are_accepted():
    def make_frame(n_samples, random_state):
        X, y = make_triangle(n_samples, random_state=random_state)
        return pd.DataFrame(X, columns=["x0", "x1"]), pd.Series(y).map({0: "a", 1: "b"})

    plain = compare(TREES, make_triangle, **FEW)
    frames = compare(TREES, make_frame, **FEW)
    pd.testing.assert_frame_equal(plain.scores[SCORED], frames.scores[SCORED])


@pytest.mark.slow
@pytest.mark.parametrize("random_state", [3, np.random.RandomState(3)])
def test_worker_processes_give_the_same_scores(random_state):
    kwargs = FEW | {"random_state": 3}
    nets = {"net": DNNClassifier((5,), epochs=2), "tree": ExtraTreeClassifier()}
    one = compare(nets, make_triangle, **kwargs)
    kwargs["random_state"] = random_state
    two = compare(nets, make_triangle, **kwargs, n_jobs=2)
    pd.testing.assert_frame_equal(one.scores[SCORED], two.scores[SCORED])


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_scores(distributed):
    alone = compare(TREES, make_triangle, **FEW)
    one_thread_each = {"n_workers": 2, "threads_per_worker": 1}
    with (
        distributed.LocalCluster(**one_thread_each, dashboard_address=None) as dask,
        distributed.Client(dask),
        parallel_config("dask"),
    ):
        on_cluster = compare(TREES, make_triangle, **FEW)
    pd.testing.assert_frame_equal(alone.scores[SCORED], on_cluster.scores[SCORED])


def test_searches_and_pipelines_are_accepted():
    nets = {
        "search": GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 4]}, cv=3),
        "pipeline": make_pipeline(StandardScaler(), KNeighborsClassifier()),
    }
    result = compare(nets, make_blobs, **FEW)
    assert result.scores["score"].between(0.5, 1).all()


# ---- metrics


def custom_log_loss(estimator, X, y):
    return log_loss(y, estimator.predict_proba(X))


@pytest.mark.parametrize(
    "scorer", [custom_log_loss, make_scorer(log_loss, response_method="predict_proba")]
)
def test_warning_for_undeclared_loss_function(scorer):
    kwargs = FEW | {"scoring": {"ll": scorer}}
    with pytest.warns(UserWarning, match="ll is treated as a score.*pass losses="):
        compare(NETS, make_triangle, **kwargs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare(NETS, make_triangle, **kwargs, losses=["ll"])
        compare(NETS, make_triangle, **FEW, scoring={"ll": "neg_log_loss"})


def test_several_metrics_at_once():
    result = compare(
        TREES, make_triangle, scoring=["accuracy", "neg_log_loss", "roc_auc"], **FEW
    )
    assert result.metrics == ["accuracy", "neg_log_loss", "roc_auc"]
    assert len(result.scores) == 4 * 3 * 3
    scorers = {"wrong": make_scorer(zero_one_loss, greater_is_better=False)}
    result = compare(TREES, make_triangle, scoring=scorers | {"ok": "accuracy"}, **FEW)
    wide = result.scores.pivot(
        index=["repeat", "estimator"], columns="metric", values="score"
    )
    np.testing.assert_allclose(wide["ok"], 1 + wide["wrong"])


def error_rate(estimator, X, y):
    return np.mean(estimator.predict(X) != y)


def my_log_loss(estimator, X, y):
    """A scorer in the sense of scikit-learn: greater is better."""
    return -log_loss(y, estimator.predict_proba(X))


def neg_error_rate(estimator, X, y):
    return -error_rate(estimator, X, y)


NETS = {"none": DummyClassifier(), "tree": TREES["depth 4"]}


@pytest.mark.parametrize(
    "scoring, losses, warns",
    [
        ({"log_loss": "neg_log_loss", "accuracy": "accuracy"}, [], False),
        (make_scorer(zero_one_loss, greater_is_better=False), [], False),
        (my_log_loss, [], True),
        ({"my_log_loss": my_log_loss, "acc": "accuracy"}, [], True),
        (lambda *args: {"my_error": -error_rate(*args)}, [], True),
        (neg_error_rate, [], False),
        ({"neg_error": neg_error_rate}, [], False),
        (error_rate, ["error_rate"], False),
        ({"wrong": error_rate, "acc": "accuracy"}, ["wrong"], False),
        (lambda *args: {"zero_one_loss": error_rate(*args)}, {"zero_one_loss"}, False),
    ],
)
def test_greater_is_better_unless_a_loss_is_declared(scoring, losses, warns):
    kwargs = FEW | {"train_size": 400, "scoring": scoring, "losses": losses}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = compare(NETS, make_triangle, baseline="none", **kwargs)
    assert (result.summary()["effect"].dropna() > 0).all()
    assert result.losses == tuple(losses)
    about = [w for w in caught if "is treated as a score (greater is" in str(w.message)]
    assert len(about) == warns and all(w.filename == __file__ for w in about)


@pytest.mark.parametrize(
    "scoring, losses, message",
    [
        (
            "accuracy",
            ["auc"],
            "losses contains .'auc'., but the metrics are .'accuracy'.",
        ),
        ("neg_log_loss", ["neg_log_loss"], "losses contains .*, which are negated"),
        (
            {"loss": "neg_log_loss"},
            ["loss"],
            "losses contains .'loss'., which are negated",
        ),
        ("accuracy", "accuracy", "'losses' parameter .* must be"),
    ],
)
def test_invalid_losses_raise(scoring, losses, message):
    with pytest.raises(ValueError, match=message):
        compare(NETS, make_triangle, **FEW, scoring=scoring, losses=losses)


@pytest.mark.parametrize(
    "scoring, losses",
    [
        ("accuracy", ()),
        ("neg_brier_score", ()),
        ({"brier": "neg_brier_score"}, ()),
        (make_scorer(zero_one_loss, greater_is_better=False), ()),
        (error_rate, ("error_rate",)),
    ],
)
def test_ratios_use_the_sign_of_the_scorer(scoring, losses):
    kwargs = FEW | {"train_size": 400, "scoring": scoring, "losses": losses}
    result = compare(NETS, make_triangle, baseline="none", scale="ratio", **kwargs)
    assert result.summary()["effect"][1] > 2


def test_ratio_of_other_scores_raises():
    def loss(estimator, X, y):
        return 3 * error_rate(estimator, X, y)

    kwargs = FEW | {"scoring": {"three": loss}, "scale": "ratio"}
    with pytest.raises(
        ValueError, match="from 0 to 1, got .* for 'three'.*losses=.'three'."
    ):
        compare(NETS, make_triangle, **kwargs)
    assert compare(NETS, make_triangle, **kwargs, losses=["three"]).n_repeats == 4


def test_set_of_metrics_is_sorted_in_all_processes():
    metrics = {"accuracy", "roc_auc", "f1", "precision", "recall"}
    result = compare(TREES, make_triangle, scoring=metrics, **FEW, n_jobs=2)
    assert result.metrics == sorted(metrics)


def test_metric_is_named_by_its_function():
    result = compare(TREES, make_triangle, scoring=error_rate, **FEW)
    assert result.metrics == ["error_rate"] and result.losses == ()


@pytest.mark.parametrize(
    "scoring, needs",
    [
        ("recall", True),
        (["accuracy", "f1"], True),
        ({"r": "recall"}, True),
        ("accuracy", False),
        ("f1_weighted", False),
    ],
)
def test_score_without_test_points_of_a_label_raises(scoring, needs):
    """Without test points of a label, recall is undefined, not 0."""
    X, y = make_triangle(60, random_state=0)
    order = np.argsort(y, kind="stable")
    kwargs = {"X": X[order], "y": y[order], "cv": KFold(5), "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not needs:
            assert compare(NETS, **kwargs, scoring=scoring).n_repeats == 5
            return
        with pytest.raises(
            ValueError, match="not defined in repetition 0, because no test"
        ):
            compare(NETS, **kwargs, scoring=scoring)
    kwargs["cv"] = StratifiedKFold(5)
    assert compare(NETS, **kwargs, scoring=scoring).n_repeats == 5


def extremes(estimator, X, y):
    history = estimator.history_
    return {
        "min_val_loss": min(history["val_loss"]),
        "max_val_accuracy": max(history["val_accuracy"]),
        "test_accuracy": estimator.score(X, y),
    }


def test_scorer_may_read_the_learning_curve():
    nets = {f"{n} units": DNNClassifier((n,), epochs=3) for n in (1, 20)}
    kwargs = FEW | {"val_size": 50, "losses": ["min_val_loss"]}
    result = compare(
        nets, make_triangle, scoring=extremes, baseline="1 units", **kwargs
    )
    assert result.metrics == ["min_val_loss", "max_val_accuracy", "test_accuracy"]
    # For a loss, less is better.
    loss = result.differences().query("metric == 'min_val_loss'")["difference"]
    wide = result.scores.pivot(
        index="repeat", columns=["metric", "estimator"], values="score"
    )["min_val_loss"]
    np.testing.assert_allclose(loss, wide["1 units"] - wide["20 units"])


def test_validation_points_are_routed():
    """Only estimators that request validation points get them, scaled."""
    scaled = make_pipeline(
        StandardScaler(), DNNClassifier(epochs=2), transform_input=["X_val"]
    )

    with config_context(enable_metadata_routing=True):
        scaled[-1].set_fit_request(X_val=True, y_val=True)
        nets = {"net": scaled, "mlp": MLPClassifier(max_iter=2)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the MLP does not converge
            result = compare(
                nets, make_triangle, val_size=20, scoring=has_validation, **FEW
            )
        scores = result.scores.groupby("estimator")["score"].unique()
        assert scores["net"] == [1] and scores["mlp"] == [0]
        with pytest.raises(ValueError, match="no estimator requests X_val"):
            compare(TREES, make_triangle, val_size=20, **FEW)
    with pytest.raises(ValueError, match="'net' failed in repetition 0: .*routing"):
        compare(nets, make_triangle, val_size=20, **FEW)


# ---- n_repeats="auto"


def test_auto_stops_when_all_comparisons_are_decided():
    kwargs = FEW | {"n_repeats": "auto", "train_size": 300}
    result = compare(TREES, make_triangle, baseline="depth 1", **kwargs)
    assert result.n_repeats == LOOKS[0] and result.is_decided
    assert (result.alpha, result.looks) == (0.05, len(LOOKS))
    assert (result.summary()["level"].dropna() <= 0.0125).all()
    assert result.summary()["note"].str.contains("slightly overestimated").all()
    same = {name: DummyClassifier() for name in "ab"}
    result = compare(same, make_triangle, **FEW | {"n_repeats": "auto"})
    assert result.n_repeats == LOOKS[-1] == 80
    assert result.summary()["verdict"].tolist() == ["", "undecided"]
    assert "80 repetitions" in repr(result)
    result = compare(same, make_triangle, margin=0.1, **FEW | {"n_repeats": "auto"})
    assert result.n_repeats == 10
    assert result.summary()["verdict"].tolist() == ["", "equivalent"]


def test_auto_continues_while_differences_are_skewed(monkeypatch):
    """A few repetitions that differ strongly decide nothing."""

    class Collapses(DecisionTreeClassifier):
        def fit(self, X, y):
            return super().fit(X, y if self.random_state % 7 else 1 - y)

    nets = {"tree": TREES["depth 4"], "collapses": Collapses(max_depth=4)}
    kwargs = FEW | {"n_repeats": "auto", "train_size": 300, "margin": 0.5}
    result = compare(nets, make_triangle, **kwargs)
    assert result.is_skewed and result.n_repeats > LOOKS[0]
    assert "skewed differences" in result.summary()["note"][1]


def test_auto_tests_at_a_quarter_of_alpha():
    nets = {name: TREES[name] for name in ("depth 2", "depth 4")}
    kwargs = FEW | {"train_size": 10, "test_size": 20}
    result = compare(nets, make_triangle, **kwargs | {"n_repeats": "auto"})
    n = result.n_repeats
    fixed = compare(nets, make_triangle, **kwargs | {"n_repeats": n}, alpha=0.0125)
    looked, once = (f.summary().drop(columns="note") for f in (result, fixed))
    once["p_value"] *= 4  # p-values are multiplied by the number of looks
    pd.testing.assert_frame_equal(looked, once)


def test_extended_comparison_has_a_note():
    result = compare(TREES, make_triangle, **FEW)
    more = result.extend(2)
    whole = compare(TREES, make_triangle, **FEW | {"n_repeats": 6})
    pd.testing.assert_frame_equal(more.scores[SCORED], whole.scores[SCORED])
    assert more.summary()["note"].str.startswith("repetitions were added").all()
    assert (whole.summary()["note"] == "").all()
    assert more.extend(1).summary()["note"].equals(more.summary()["note"])
    with pytest.raises(ValueError, match="n_repeats must be 1 or more"):
        result.extend(0)
    with pytest.raises(ValueError, match="extend requires a maker"):
        pickle.loads(pickle.dumps(result)).extend(1)


# ---- fixed data


def test_splits_of_fixed_data_are_repetitions():
    X, y = make_triangle(120, random_state=0)
    cv = RepeatedStratifiedKFold(n_splits=4, n_repeats=3, random_state=0)
    nets = {"a": KNeighborsClassifier(1), "b": KNeighborsClassifier(9)}
    result = compare(nets, X=X, y=y, cv=cv, baseline="a", random_state=0)
    assert result.n_repeats == 12 and result.overlap == pytest.approx(1 / 3)
    wide = result.scores.pivot(index="repeat", columns="estimator", values="score")
    for name, net in nets.items():
        np.testing.assert_array_equal(wide[name], cross_val_score(net, X, y, cv=cv))
    assert result.summary()["note"].str.contains("corrected resampled t-test").all()
    with pytest.raises(ValueError, match="overlapping training sets"):
        result.n_repeats_for(0.01)
    with pytest.raises(ValueError, match="extend requires a maker"):
        result.extend(1)


# ---- caching


@pytest.fixture
def fits(monkeypatch):
    """Count the fits of trees."""
    counted = []
    fit = DecisionTreeClassifier.fit

    def counting(self, *args, **kwargs):
        counted.append(self)
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(DecisionTreeClassifier, "fit", counting)
    return counted


def test_finished_fits_are_not_repeated(tmp_path, fits):
    kwargs = FEW | {"memory": str(tmp_path)}
    first = compare(TREES, make_triangle, **kwargs)
    assert len(fits) == 12
    again = compare(TREES, make_triangle, **kwargs)
    assert len(fits) == 12
    pd.testing.assert_frame_equal(first.scores, again.scores)
    compare(TREES, make_triangle, **kwargs | {"n_repeats": 5})
    assert len(fits) == 15
    compare(TREES | {"new": DecisionTreeClassifier()}, make_triangle, **kwargs)
    assert len(fits) == 19
    for other in [
        {"random_state": 1},
        {"train_size": 61},
        {"scoring": "balanced_accuracy"},
        {"maker": make_moons},
    ]:
        before = len(fits)
        compare(TREES, **{"maker": make_triangle} | kwargs | other)
        assert len(fits) == before + 12, other
    Memory(tmp_path, verbose=0).clear(warn=False)
    compare(TREES, make_triangle, **kwargs | {"memory": Memory(tmp_path, verbose=0)})
    assert len(fits) == before + 24
    X, y = make_triangle(90, random_state=0)
    for _ in "12":
        compare(TREES, X=X, y=y, cv=KFold(3), random_state=0, memory=str(tmp_path))
        assert len(fits) == before + 33


def test_cache_key_of_memory_mapped_data_is_the_same(tmp_path):
    """joblib passes large arrays to worker processes as memory-mapped files."""
    X, y = make_triangle(72_000, random_state=0)
    kwargs = {"X": X, "y": y, "cv": KFold(2), "memory": str(tmp_path)}
    one = compare(TREES, **kwargs, random_state=0)
    two = compare(TREES, **kwargs, random_state=0, n_jobs=2)
    pd.testing.assert_frame_equal(one.scores, two.scores)
    assert len(list(tmp_path.rglob("output.pkl"))) == 6


@pytest.mark.parametrize(
    "changes, reason",
    [
        (
            {"maker": lambda n, random_state: make_moons(n, random_state=random_state)},
            "no cache key can be computed for maker: .*lambda",
        ),
        ({"random_state": None}, "random_state=None"),
        (
            {"scoring": lambda net, X, y: 1.0 * len(X)},
            "no cache key .* for scoring: .*lambda",
        ),
    ],
)
def test_scores_without_fingerprint_are_not_cached(changes, reason, tmp_path, fits):
    kwargs = {"maker": make_triangle, "memory": str(tmp_path)} | FEW | changes
    for n in (12, 24):
        with pytest.warns(UserWarning, match=f"scores are not cached.*{reason}"):
            compare(TREES, **kwargs)
        assert len(fits) == n
    assert not list(tmp_path.rglob("output.pkl"))


SOURCE = """
import functools
from abc import ABC
import numpy as np
from sklearn.tree import DecisionTreeClassifier as Tree
DEPTH, LEAVES, WEIGHTS = 2, {"most": 8}, np.ones(3)
@functools.lru_cache
def depth(least=0):
    return max(least, DEPTH, *WEIGHTS, *LEAVES.values()) - 6
class MyTree(Tree, ABC):
    def fit(self, X, y):
        return super().fit(X, y).set_params(max_depth=int(depth()))
"""


def test_cache_key_contains_loaded_user_code(tmp_path, fits, monkeypatch):
    """The key includes what the code uses, but not the current source file."""
    folder, module = tmp_path / "memory", tmp_path / "my_trees.py"
    module.write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    import my_trees

    def compare_mine():
        before = len(fits)
        nets = {"plain": TREES["depth 1"], "mine": my_trees.MyTree()}
        compare(nets, make_triangle, **FEW, memory=str(folder))
        return len(fits) - before

    assert [compare_mine(), compare_mine()] == [8, 0]
    for i, changed in enumerate(
        [
            SOURCE + "# a comment\n",
            SOURCE.replace("= 2, {", "= 3, {"),
            SOURCE.replace("8", "9"),
            SOURCE.replace("ones(3)", "ones(2)"),
            SOURCE.replace("least=0", "least=1"),
            SOURCE.replace(" - 6", " - 7"),
            SOURCE.replace("max_depth=int(depth())", "max_depth=1"),
        ]
    ):
        module.write_text(changed)
        assert compare_mine() == 0
        os.utime(module, (i, i))  # a new mtime, so that Python recompiles the module
        importlib.reload(my_trees)
        assert compare_mine() == (4 if i else 0)


def test_cache_key_contains_routing_of_validation_data(tmp_path):
    kwargs = {"memory": str(tmp_path), "val_size": 20, "scoring": has_validation} | FEW
    nets = {"a": DNNClassifier((2,), epochs=1), "b": DNNClassifier((3,), epochs=1)}

    results = []
    for routing in (True, False):
        with config_context(enable_metadata_routing=routing):
            if routing:
                nets["a"].set_fit_request(X_val=True, y_val=True)
            results.append(compare(nets, make_triangle, **kwargs))
    means = [one.scores.groupby("estimator")["score"].mean() for one in results]
    assert [[mean["a"], mean["b"]] for mean in means] == [[1, 0], [1, 1]]


def has_validation(estimator, X, y):
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    return {"has": float("val_loss" in getattr(last, "history_", {}))}


SCRIPT = """
import os
import signal
import sys
from pathlib import Path

from sklearn_toydnn import DNNClassifier, compare, make_triangle

class Mine(DNNClassifier):
    pass

def make_points(n_samples, random_state):
    return make_triangle(n_samples, random_state=random_state)

def score(net, X, y):
    killed = os.environ.get("KILLED")
    if killed and len([*Path(killed).rglob("output.pkl")]) >= 8:
        os.killpg(os.getpgid(0), signal.SIGKILL)
    return {"min_loss": min(net.history_["loss"]), "accuracy": net.score(X, y)}

if __name__ == "__main__":
    nets = {f"{n} units": Mine((n,), epochs=20) for n in (2, 8)}
    result = compare(nets, make_points, train_size=100, n_repeats=30, random_state=0,
                     scoring=score, n_jobs=2, memory=sys.argv[1])
    result.scores.drop(columns="seconds").to_csv(sys.argv[2])
"""


@pytest.mark.slow
def test_killed_comparison_resumes_with_the_same_scores(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)

    def start(run, **environment):
        command = [sys.executable, script, tmp_path / run, tmp_path / f"{run}.csv"]
        return subprocess.call(
            command,
            env=os.environ | environment,
            start_new_session=True,  # a process group, to kill its workers too
        )

    assert start("never") == 0
    assert start("killed", KILLED=str(tmp_path / "killed")) == -signal.SIGKILL
    cached = {path: path.stat().st_mtime_ns
            for path in (tmp_path / "killed").rglob("output.pkl")}  # fmt: skip
    assert 8 <= len(cached) < 60 and not (tmp_path / "killed.csv").exists()
    assert start("killed") == 0
    assert all(path.stat().st_mtime_ns == then for path, then in cached.items())
    one, other = (tmp_path / f"{run}.csv" for run in ("never", "killed"))
    assert one.read_bytes() == other.read_bytes()


def test_verbose_shows_a_progress_bar(capsys):
    compare(TREES, make_triangle, **FEW)
    assert capsys.readouterr().out == ""
    compare(TREES, make_triangle, verbose=1, **FEW)
    assert "repetitions 0 to 3" in capsys.readouterr().out


def test_a_result_is_printed_as_a_table():
    result = compare(TREES, make_triangle, baseline="depth 1", **FEW)
    printed = repr(result)
    for row in result.summary().itertuples():
        line = re.search(rf"{row.estimator} .*", printed)[0]
        assert f"{row.mean:.4f}" in line and line.endswith(row.verdict)
    assert "4 repetitions" in printed
    with pytest.raises(TypeError, match="must be a Comparison, as returned by compare"):
        ComparisonDisplay(result.summary())


def test_printed_table_has_effects():
    result = compare(TREES, make_triangle, **FEW | {"baseline": [*TREES][0]})
    pair = compare(
        dict([*TREES.items()][:2]), make_triangle, baseline=[*TREES][0], **FEW
    )
    for one in (result, pair):
        assert "effect_ci_low" in repr(one) and "p_value" in repr(one)
        effect = one.summary()["effect"][1]
        assert f"{effect:.4f}" in repr(one)


def test_a_result_can_be_pickled_and_written(tmp_path):
    result = compare(
        TREES, lambda n, random_state: make_moons(n, random_state=random_state), **FEW
    )
    again = pickle.loads(pickle.dumps(result))
    pd.testing.assert_frame_equal(result.summary(), again.summary())
    result.scores.to_csv(tmp_path / "scores.csv", index=False)
    pd.testing.assert_frame_equal(result.scores, pd.read_csv(tmp_path / "scores.csv"))


# ---- invalid parameters and failures


class Failing(DecisionTreeClassifier):
    """An estimator whose fit fails in some repetitions."""

    def fit(self, X, y):
        if self.random_state % 3 == 0:
            raise ValueError("no luck")
        return super().fit(X, y)


def test_failing_estimator_is_named():
    nets = TREES | {"unlucky": Failing()}
    with pytest.raises(ValueError, match="'unlucky' failed in repetition .: no luck"):
        compare(nets, make_triangle, **FEW)
    with pytest.warns(FitFailedWarning, match="set to 0.25: .*'unlucky' .*: no luck"):
        result = compare(nets, make_triangle, error_score=0.25, **FEW)
    scores = result.scores.query("estimator == 'unlucky'")
    failed = scores["seconds"].isna()
    assert 0 < failed.sum() < 4
    assert (scores["score"][failed] == 0.25).all()
    with (
        pytest.warns(FitFailedWarning),
        pytest.raises(ValueError, match="No estimator could be scored.*n_neighbors"),
    ):
        nets = {name: KNeighborsClassifier(61) for name in "ab"}
        kwargs = {"scoring": lambda net, X, y: {"a": net.score(X, y)}}
        compare(nets, make_triangle, **kwargs, error_score=0.0, **FEW)


def test_all_may_fail_in_the_first_repetition():
    def score(net, X, y):
        return {"accuracy": net.score(X, y)}

    def fails(seed):
        entropy = np.random.RandomState(seed).randint(np.iinfo(np.int32).max)
        return with_seeds(Failing(), (entropy, 0)).random_state % 3 == 0

    nets = {"a": Failing(max_depth=1), "b": Failing(max_depth=4)}
    kwargs = FEW | {"random_state": next(filter(fails, range(99))), "n_repeats": 8}
    with pytest.warns(FitFailedWarning):
        result = compare(nets, make_triangle, scoring=score, error_score=0.0, **kwargs)
    failed = result.scores.groupby("repeat")["score"].max() == 0
    assert failed[0] and not failed.all()


def test_invalid_memory_raises_despite_error_score(tmp_path):
    (tmp_path / "file").write_text("")
    kwargs = {"memory": str(tmp_path / "file"), "error_score": 0.0} | FEW
    with pytest.raises(ValueError, match="^memory=.* cannot be used as a folder"):
        compare(TREES, make_triangle, **kwargs)


def make_one_class(n_samples, random_state):
    X, _ = make_triangle(n_samples, random_state=random_state)
    return X, np.full(n_samples, "x")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"estimators": {"a": DecisionTreeClassifier()}}, "estimators must be two"),
        ({"maker": lambda n: make_triangle(n)}, "maker failed in repetition 0: .*rand"),
        ({"estimators": {}}, "estimators must be two"),
        ({"estimators": list(TREES.values())}, "or a list of pairs .name, estimator."),
        ({"estimators": [*TREES.items()] * 2}, "unique names, got 'depth 1' twice"),
        ({"estimators": "trees"}, "'estimators' parameter .* must be"),
        (
            {"estimators": {"a": DecisionTreeClassifier, "b": 3}},
            "must map names .str. to estimator instances",
        ),
        ({"groups": [1, 2]}, "groups and params require X, y and cv"),
        ({"params": {}}, "groups and params require X, y and cv"),
        (
            {"estimators": TREES | {5: DummyClassifier()}},
            "must map names .str. to estimator",
        ),
        ({"baseline": "depth 3"}, "baseline must be one of .*, got 'depth 3'"),
        ({"n_repeats": 1}, "'n_repeats' parameter .* must be"),
        ({"n_repeats": "all"}, "'n_repeats' parameter .* must be"),
        ({"train_size": None}, "train_size must be given"),
        ({"train_size": 0}, "'train_size' parameter .* must be"),
        ({"test_size": 0}, "'test_size' parameter .* must be"),
        ({"val_size": 160}, "val_size=160 is not supported"),
        (
            {
                "estimators": TREES | {"s": GridSearchCV(TREES["depth 1"], {})},
                "val_size": 60,
            },
            "val_size=60 is not supported",
        ),
        ({"maker": None}, "Pass either maker, or X, y and cv"),
        ({"X": [[0, 1]]}, "Pass either maker, or X, y and cv"),
        ({"cv": 5}, "Pass either maker, or X, y and cv"),
        ({"maker": 5}, "maker must be a function that draws points.*X=X, y=y"),
        ({"margin": 0}, "'margin' parameter .* must be"),
        ({"margin": {"auc": 0.1}}, "margin contains .'auc'., but the metrics are"),
        ({"margin": {"score": -1}}, "margin must be more than 0, got -1"),
        ({"margin": {"score": "1"}}, "margin must be more than 0, got '1'"),
        ({"scale": "log"}, "'scale' parameter .* must be"),
        ({"alpha": 0.0}, "'alpha' parameter .* must be"),
        ({"error_score": np.nan}, "error_score must be finite"),
        ({"scoring": "acc", "error_score": 0.0}, "scoring.*'acc'"),
        ({"random_state": "x"}, "'random_state' parameter .* must be"),
        ({"maker": lambda n, random_state: np.zeros(n)}, "maker must return a tuple"),
        (
            {"maker": lambda n, random_state: make_triangle(n - 1)},
            "maker must return 160 points, got 159",
        ),
        (
            {"maker": make_one_class},
            "maker returned only one class, 'x', in .* of repetition 0",
        ),
        (
            {"scoring": lambda net, X, y: np.nan},
            "the score of estimator 'depth 1' in repetition 0 is nan",
        ),
        (
            {"scoring": lambda net, X, y: {f"depth {net.max_depth}": 1.0}},
            "same metrics, .'depth 1'., got .'depth 2'. for estimator 'depth 2'",
        ),
    ],
)
def test_invalid_parameters_raise(changes, message):
    kwargs = {"estimators": TREES, "maker": make_triangle} | FEW | changes
    with pytest.raises((ValueError, TypeError), match=message):
        compare(**kwargs)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"n_repeats": "auto"}, "n_repeats require a maker"),
        ({"n_repeats": 10}, "n_repeats require a maker"),
        ({"train_size": 10}, "train_size, .* require a maker"),
        ({"val_size": 10}, "val_size .* require a maker"),
        ({"cv": None}, "cv must be given with X and y"),
        ({"y": None}, "Pass either maker, or X, y and cv"),
        ({"y": [1, 2]}, "inconsistent numbers of samples"),
        ({"groups": [1, 2]}, "inconsistent numbers of samples"),
        ({"cv": GroupKFold(3)}, "The 'groups' parameter should not be None"),
        ({"cv": ShuffleSplit(1)}, "cv must have at least two splits, got 1"),
    ],
)
def test_invalid_splits_raise(changes, message):
    X, y = make_triangle(100, random_state=0)
    kwargs = {"X": X, "y": y, "cv": 5, "random_state": 0} | changes
    with pytest.raises(ValueError, match=message):
        compare(TREES, **kwargs)


def test_os_error_is_raised_despite_error_score():
    class Full(DecisionTreeClassifier):
        def fit(self, X, y):
            raise OSError(28, "No space left on device")

    nets = TREES | {"full": Full()}
    with pytest.raises(OSError, match="No space left") as error:
        compare(nets, make_triangle, error_score=0.0, **FEW)
    assert error.value.__notes__ == ["estimator 'full' failed in repetition 0"]


def test_parameters_of_estimators_are_checked():
    nets = TREES | {"bad": DecisionTreeClassifier(max_depth=-3)}
    with pytest.raises(ValueError, match="'bad' .* 'max_depth' parameter of Decision"):
        compare(nets, make_triangle, **FEW)


def test_error_score_must_be_valid_for_the_scale():
    nets = TREES | {"unlucky": Failing()}
    kwargs = {"scale": "ratio", "error_score": -1.0} | FEW
    with (
        pytest.warns(FitFailedWarning),
        pytest.raises(ValueError, match="from 0 to 1, got -1 for 'score'"),
    ):
        compare(nets, make_triangle, **kwargs)


def test_errors_are_raised_early(fits):
    """Invalid scores raise before all repetitions have run."""
    for bad in ({"margin": {"auc": 0.1}}, {"scoring": lambda *_: np.inf}):
        with pytest.raises(ValueError):
            compare(TREES, make_triangle, **FEW | {"n_repeats": 1000} | bad)
    assert len(fits) <= 3 * 10
