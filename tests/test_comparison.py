"""Estimators compared over repetitions: what is drawn, what is kept, what is asked."""

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
    """Remembers what it is fitted and scored on, and by which seed."""

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


# ---- what a repetition is


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
    # Nothing is drawn twice, within a repetition or between them.
    points = np.concatenate([part for row in seen[::2] for part in row[2::2]])
    assert len(np.unique(points, axis=0)) == 4 * 190


def test_makers_must_mind_their_random_state():
    def same(n_samples, random_state):
        return make_triangle(n_samples, random_state=0)

    def other(n_samples, random_state):
        return make_triangle(n_samples)

    with pytest.raises(ValueError, match="the same points and labels whatever its"):
        compare(TREES, same, **FEW)
    with pytest.warns(UserWarning, match="cannot be repeated"):
        compare(TREES, other, **FEW)


def test_a_designed_grid_with_fresh_labels_is_fresh():
    def make_grid(n_samples, random_state):
        generator = np.random.RandomState(random_state)
        X = np.linspace(-1, 1, 2 * n_samples).reshape(-1, 2)
        return X, (X[:, 0] + generator.normal(0, 0.5, n_samples) > 0).astype(int)

    found = compare(TREES, make_grid, **FEW)
    assert found.scores["score"].nunique() > 4


def test_makers_take_n_samples_by_name():
    """As make_gaussian_quantiles, whose first parameter is another."""
    nets = {name: DummyClassifier() for name in "ab"}
    maker = partial(make_gaussian_quantiles, n_classes=2)
    assert compare(nets, maker, **FEW).n_repeats == 4

    def make_of_kind(kind, n_samples, random_state):
        return make_triangle(n_samples, random_state=random_state)

    with pytest.raises(ValueError, match="'kind'.*functools.partial.maker"):
        compare(nets, make_of_kind, **FEW)
    assert compare(nets, partial(make_of_kind, "any"), **FEW).n_repeats == 4


def test_a_maker_of_three_things_is_named_without_its_data():
    with pytest.raises(ValueError, match="must return a tuple of X and y, got") as told:
        compare(TREES, partial(make_regression, coef=True), **FEW)
    assert "a tuple of 3" in str(told.value) and len(str(told.value)) < 150


def test_labels_stay_with_their_points(seen):
    compare({name: Recorder(name) for name in "ab"}, make_triangle, val_size=30, **FEW)
    from sklearn_toydnn.datasets import label_triangle

    for _, _, *data in seen:
        for X, y in zip(data[::2], data[1::2], strict=True):
            np.testing.assert_array_equal(label_triangle(X), y)


def test_a_problem_that_its_maker_draws_is_one_in_a_repetition():
    """Drawn apart, training and test points would be of two problems."""
    nets = {"trees": DecisionTreeClassifier(), "none": DummyClassifier()}
    found = compare(nets, make_classification, **FEW | {"train_size": 300})
    means = found.scores.groupby("estimator")["score"].mean()
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


def test_a_repetition_is_the_same_whatever_is_asked_beside_it():
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


def test_a_step_before_the_network_leaves_its_seed_alone():
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


def test_scores_are_those_of_a_plain_loop():
    nets = {"net": DNNClassifier((5,), epochs=2), "tree": DecisionTreeClassifier()}
    found = compare(nets, make_triangle, **FEW)
    assert found.scores.columns.tolist() == [*SCORED, "seconds"]
    assert (found.scores["seconds"] > 0).all()
    scores = found.scores.set_index(["repeat", "estimator"])["score"]
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max), 2

    X, y, (train, test), _ = FreshData(make_triangle, 60, 100, 0).draw(seed, 2)
    for name, estimator in nets.items():
        fitted = clone(with_seeds(estimator, seed)).fit(X[train], y[train])
        assert scores[2, name] == fitted.score(X[test], y[test])


def test_a_list_of_pairs_will_do():
    """As Pipeline and VotingClassifier take them."""
    pairs, named = (compare(t, make_triangle, **FEW) for t in ([*TREES.items()], TREES))
    pd.testing.assert_frame_equal(pairs.scores[SCORED], named.scores[SCORED])


# ---- one data set


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer, load_digits])
def test_folds_may_differ_by_a_point(load):
    X, y = load(return_X_y=True)
    found = compare(NETS, X=X, y=y, cv=10, baseline="none", random_state=0)
    assert found.test_size == pytest.approx(len(y) / 10)
    assert found.overlap == pytest.approx(1 / 9)
    row = found.summary().iloc[1]
    assert row["verdict"] == "better" and "approximation" in row["note"]


def test_splits_of_any_sizes_are_judged_by_their_means():
    X, y = make_triangle(60, random_state=0)
    found = compare(NETS, X=X, y=y, cv=TimeSeriesSplit(4), random_state=0)
    assert found.overlap == pytest.approx(2 / 5) and found.test_size == 12


def test_groups_stay_together():
    X, y = make_triangle(60, random_state=0)
    groups, seen = np.arange(60) % 5, []

    class Seen(DummyClassifier):
        def fit(self, X, y):
            seen.append(len(X))
            return super().fit(X, y)

    how = {"X": X, "y": y, "groups": groups, "random_state": 0}
    found = compare({"a": Seen(), "b": DummyClassifier()}, cv=LeaveOneGroupOut(), **how)
    assert found.n_repeats == 5 and seen == [48] * 5


@pytest.mark.parametrize("routing", [False, True])
def test_params_go_to_fit_row_by_row(routing):
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
        how = {"X": X, "y": y, "cv": KFold(3), "random_state": 0}
        compare(nets, **how, params={"sample_weight": weights})
    np.testing.assert_array_equal(seen[0], weights[20:])
    assert len(seen) == 6


def test_frames_go_through():
    def make_frame(n_samples, random_state):
        X, y = make_triangle(n_samples, random_state=random_state)
        return pd.DataFrame(X, columns=["x0", "x1"]), pd.Series(y).map({0: "a", 1: "b"})

    plain = compare(TREES, make_triangle, **FEW)
    frames = compare(TREES, make_frame, **FEW)
    pd.testing.assert_frame_equal(plain.scores[SCORED], frames.scores[SCORED])


@pytest.mark.slow
@pytest.mark.parametrize("random_state", [3, np.random.RandomState(3)])
def test_processes_give_the_same_scores(random_state):
    how = FEW | {"random_state": 3}
    nets = {"net": DNNClassifier((5,), epochs=2), "tree": ExtraTreeClassifier()}
    one = compare(nets, make_triangle, **how)
    how["random_state"] = random_state
    two = compare(nets, make_triangle, **how, n_jobs=2)
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
        there = compare(TREES, make_triangle, **FEW)
    pd.testing.assert_frame_equal(alone.scores[SCORED], there.scores[SCORED])


def test_searches_and_pipelines_are_estimators_too():
    nets = {
        "search": GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 4]}, cv=3),
        "pipeline": make_pipeline(StandardScaler(), KNeighborsClassifier()),
    }
    found = compare(nets, make_blobs, **FEW)
    assert found.scores["score"].between(0.5, 1).all()


# ---- metrics


def a_log_loss(estimator, X, y):
    return log_loss(y, estimator.predict_proba(X))


@pytest.mark.parametrize(
    "scorer", [a_log_loss, make_scorer(log_loss, response_method="predict_proba")]
)
def test_a_loss_by_another_name_is_warned_of(scorer):
    how = FEW | {"scoring": {"ll": scorer}}
    with pytest.warns(UserWarning, match="ll counts as a score.*give losses="):
        compare(NETS, make_triangle, **how)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare(NETS, make_triangle, **how, losses=["ll"])
        compare(NETS, make_triangle, **FEW, scoring={"ll": "neg_log_loss"})


def test_several_metrics_at_once():
    found = compare(
        TREES, make_triangle, scoring=["accuracy", "neg_log_loss", "roc_auc"], **FEW
    )
    assert found.metrics == ["accuracy", "neg_log_loss", "roc_auc"]
    assert len(found.scores) == 4 * 3 * 3
    scorers = {"wrong": make_scorer(zero_one_loss, greater_is_better=False)}
    found = compare(TREES, make_triangle, scoring=scorers | {"ok": "accuracy"}, **FEW)
    wide = found.scores.pivot(
        index=["repeat", "estimator"], columns="metric", values="score"
    )
    np.testing.assert_allclose(wide["ok"], 1 + wide["wrong"])


def error_rate(estimator, X, y):
    return np.mean(estimator.predict(X) != y)


def my_log_loss(estimator, X, y):
    """A scorer, as scikit-learn has them: greater is better."""
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
    how = FEW | {"train_size": 400, "scoring": scoring, "losses": losses}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = compare(NETS, make_triangle, baseline="none", **how)
    assert (found.summary()["effect"].dropna() > 0).all()
    assert found.losses == tuple(losses)
    about = [w for w in told if "counts as a score, of which greater" in str(w.message)]
    assert len(about) == warns and all(w.filename == __file__ for w in about)


@pytest.mark.parametrize(
    "scoring, losses, message",
    [
        ("accuracy", ["auc"], "losses names .'auc'., but the metrics are .'accuracy'."),
        ("neg_log_loss", ["neg_log_loss"], "losses names .*, which are negated"),
        (
            {"loss": "neg_log_loss"},
            ["loss"],
            "losses names .'loss'., which are negated",
        ),
        ("accuracy", "accuracy", "'losses' parameter .* must be"),
    ],
)
def test_losses_that_are_none_are_named(scoring, losses, message):
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
def test_ratios_are_of_what_the_scorer_says(scoring, losses):
    how = FEW | {"train_size": 400, "scoring": scoring, "losses": losses}
    found = compare(NETS, make_triangle, baseline="none", scale="ratio", **how)
    assert found.summary()["effect"][1] > 2


def test_what_is_no_error_is_asked_for():
    def loss(estimator, X, y):
        return 3 * error_rate(estimator, X, y)

    how = FEW | {"scoring": {"three": loss}, "scale": "ratio"}
    with pytest.raises(ValueError, match="the error behind 'three'.*losses=.'three'."):
        compare(NETS, make_triangle, **how)
    assert compare(NETS, make_triangle, **how, losses=["three"]).n_repeats == 4


def test_a_set_of_metrics_is_in_one_order_in_all_processes():
    metrics = {"accuracy", "roc_auc", "f1", "precision", "recall"}
    found = compare(TREES, make_triangle, scoring=metrics, **FEW, n_jobs=2)
    assert found.metrics == sorted(metrics)


def test_a_function_gives_its_name_to_its_score():
    found = compare(TREES, make_triangle, scoring=error_rate, **FEW)
    assert found.metrics == ["error_rate"] and found.losses == ()


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
def test_labels_that_no_test_point_has(scoring, needs):
    """Recall without positives is no 0 that both score."""
    X, y = make_triangle(60, random_state=0)
    order = np.argsort(y, kind="stable")
    how = {"X": X[order], "y": y[order], "cv": KFold(5), "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not needs:
            assert compare(NETS, **how, scoring=scoring).n_repeats == 5
            return
        with pytest.raises(
            ValueError, match="not defined in repetition 0: no test poi"
        ):
            compare(NETS, **how, scoring=scoring)
    how["cv"] = StratifiedKFold(5)
    assert compare(NETS, **how, scoring=scoring).n_repeats == 5


def extremes(estimator, X, y):
    history = estimator.history_
    return {
        "min_val_loss": min(history["val_loss"]),
        "max_val_accuracy": max(history["val_accuracy"]),
        "test_accuracy": estimator.score(X, y),
    }


def test_a_scorer_may_read_the_history():
    nets = {f"{n} units": DNNClassifier((n,), epochs=3) for n in (1, 20)}
    how = FEW | {"val_size": 50, "losses": ["min_val_loss"]}
    found = compare(nets, make_triangle, scoring=extremes, baseline="1 units", **how)
    assert found.metrics == ["min_val_loss", "max_val_accuracy", "test_accuracy"]
    # Of a loss, less is better.
    loss = found.differences().query("metric == 'min_val_loss'")["difference"]
    wide = found.scores.pivot(
        index="repeat", columns=["metric", "estimator"], values="score"
    )["min_val_loss"]
    np.testing.assert_allclose(loss, wide["1 units"] - wide["20 units"])


def test_validation_points_are_routed():
    """To those that ask for them, through their scalers; others do without."""
    scaled = make_pipeline(
        StandardScaler(), DNNClassifier(epochs=2), transform_input=["X_val"]
    )

    with config_context(enable_metadata_routing=True):
        scaled[-1].set_fit_request(X_val=True, y_val=True)
        nets = {"net": scaled, "mlp": MLPClassifier(max_iter=2)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the other one has not converged
            found = compare(
                nets, make_triangle, val_size=20, scoring=has_validation, **FEW
            )
        scores = found.scores.groupby("estimator")["score"].unique()
        assert scores["net"] == [1] and scores["mlp"] == [0]
        with pytest.raises(ValueError, match="val_size: no estimator requests X_val"):
            compare(TREES, make_triangle, val_size=20, **FEW)
    with pytest.raises(ValueError, match="'net' failed in repetition 0: .*routing"):
        compare(nets, make_triangle, val_size=20, **FEW)


# ---- as many repetitions as it takes


def test_auto_stops_when_all_is_decided():
    how = FEW | {"n_repeats": "auto", "train_size": 300}
    found = compare(TREES, make_triangle, baseline="depth 1", **how)
    assert found.n_repeats == LOOKS[0] and found.is_decided
    assert (found.alpha, found.looks) == (0.05, len(LOOKS))
    assert (found.summary()["level"].dropna() <= 0.0125).all()
    assert found.summary()["note"].str.contains("a little too large").all()
    same = {name: DummyClassifier() for name in "ab"}
    found = compare(same, make_triangle, **FEW | {"n_repeats": "auto"})
    assert found.n_repeats == LOOKS[-1] == 80
    assert found.summary()["verdict"].tolist() == ["", "undecided"]
    assert "80 repetitions" in repr(found)
    found = compare(same, make_triangle, margin=0.1, **FEW | {"n_repeats": "auto"})
    assert found.n_repeats == 10
    assert found.summary()["verdict"].tolist() == ["", "equivalent"]


def test_auto_goes_on_where_differences_are_skewed(monkeypatch):
    """One of thirty repetitions that differs decides nothing."""

    class Collapses(DecisionTreeClassifier):
        def fit(self, X, y):
            return super().fit(X, y if self.random_state % 7 else 1 - y)

    nets = {"tree": TREES["depth 4"], "collapses": Collapses(max_depth=4)}
    how = FEW | {"n_repeats": "auto", "train_size": 300, "margin": 0.5}
    found = compare(nets, make_triangle, **how)
    assert found.is_skewed and found.n_repeats > LOOKS[0]
    assert "skewed differences" in found.summary()["note"][1]


def test_auto_tests_at_a_quarter_of_the_level():
    nets = {name: TREES[name] for name in ("depth 2", "depth 4")}
    how = FEW | {"train_size": 10, "test_size": 20}
    found = compare(nets, make_triangle, **how | {"n_repeats": "auto"})
    n = found.n_repeats
    fixed = compare(nets, make_triangle, **how | {"n_repeats": n}, alpha=0.0125)
    looked, once = (f.summary().drop(columns="note") for f in (found, fixed))
    once["p_value"] *= 4  # so that it is compared with `alpha` as it was given
    pd.testing.assert_frame_equal(looked, once)


def test_a_continued_comparison_says_that_its_level_is_not_exact():
    found = compare(TREES, make_triangle, **FEW)
    more = found.extend(2)
    whole = compare(TREES, make_triangle, **FEW | {"n_repeats": 6})
    pd.testing.assert_frame_equal(more.scores[SCORED], whole.scores[SCORED])
    assert (more.summary()["note"].str.startswith("level not exact")).all()
    assert (whole.summary()["note"] == "").all()
    assert more.extend(1).summary()["note"].equals(more.summary()["note"])
    with pytest.raises(ValueError, match="n_repeats must be 1 or more"):
        found.extend(0)
    with pytest.raises(ValueError, match="no maker at hand"):
        pickle.loads(pickle.dumps(found)).extend(1)


# ---- fixed data


def test_splits_of_fixed_data_are_repetitions():
    X, y = make_triangle(120, random_state=0)
    cv = RepeatedStratifiedKFold(n_splits=4, n_repeats=3, random_state=0)
    nets = {"a": KNeighborsClassifier(1), "b": KNeighborsClassifier(9)}
    found = compare(nets, X=X, y=y, cv=cv, baseline="a", random_state=0)
    assert found.n_repeats == 12 and found.overlap == pytest.approx(1 / 3)
    wide = found.scores.pivot(index="repeat", columns="estimator", values="score")
    for name, net in nets.items():
        np.testing.assert_array_equal(wide[name], cross_val_score(net, X, y, cv=cv))
    assert found.summary()["note"].str.contains("corrected resampled t-test").all()
    with pytest.raises(ValueError, match="Training sets overlap"):
        found.n_repeats_for(0.01)
    with pytest.raises(ValueError, match="no maker at hand"):
        found.extend(1)


# ---- long ones


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


def test_what_is_finished_is_not_done_again(tmp_path, fits):
    how = FEW | {"memory": str(tmp_path)}
    first = compare(TREES, make_triangle, **how)
    assert len(fits) == 12
    again = compare(TREES, make_triangle, **how)
    assert len(fits) == 12
    pd.testing.assert_frame_equal(first.scores, again.scores)
    compare(TREES, make_triangle, **how | {"n_repeats": 5})
    assert len(fits) == 15
    compare(TREES | {"new": DecisionTreeClassifier()}, make_triangle, **how)
    assert len(fits) == 19
    for other in [
        {"random_state": 1},
        {"train_size": 61},
        {"scoring": "balanced_accuracy"},
        {"maker": make_moons},
    ]:
        before = len(fits)
        compare(TREES, **{"maker": make_triangle} | how | other)
        assert len(fits) == before + 12, other
    Memory(tmp_path, verbose=0).clear(warn=False)
    compare(TREES, make_triangle, **how | {"memory": Memory(tmp_path, verbose=0)})
    assert len(fits) == before + 24
    X, y = make_triangle(90, random_state=0)
    for _ in "12":
        compare(TREES, X=X, y=y, cv=KFold(3), random_state=0, memory=str(tmp_path))
        assert len(fits) == before + 33


def test_large_data_is_known_in_other_processes(tmp_path):
    """joblib hands it to them as a file."""
    X, y = make_triangle(72_000, random_state=0)
    how = {"X": X, "y": y, "cv": KFold(2), "random_state": 0, "memory": str(tmp_path)}
    one = compare(TREES, **how)
    two = compare(TREES, **how, n_jobs=2)
    pd.testing.assert_frame_equal(one.scores, two.scores)
    assert len(list(tmp_path.rglob("output.pkl"))) == 6


@pytest.mark.parametrize(
    "changes, reason",
    [
        (
            {"maker": lambda n, random_state: make_moons(n, random_state=random_state)},
            "maker cannot be known again.*lambda",
        ),
        ({"random_state": None}, "random_state=None"),
        ({"scoring": lambda net, X, y: 1.0 * len(X)}, "scoring cannot be .*lambda"),
    ],
)
def test_what_cannot_be_known_again_is_not_kept(changes, reason, tmp_path, fits):
    how = {"maker": make_triangle, "memory": str(tmp_path)} | FEW | changes
    for n in (12, 24):
        with pytest.warns(UserWarning, match=f"memory: nothing is kept.*{reason}"):
            compare(TREES, **how)
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


def test_code_of_ones_own_is_known_as_it_is_loaded(tmp_path, fits, monkeypatch):
    """With what it uses, whatever the file says by now."""
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
        os.utime(module, (i, i))  # of another second, so that it is compiled again
        importlib.reload(my_trees)
        assert compare_mine() == (4 if i else 0)


def test_where_validation_points_go_is_known(tmp_path):
    how = FEW | {"memory": str(tmp_path), "val_size": 20}
    nets = {"a": DNNClassifier((2,), epochs=1), "b": DNNClassifier((3,), epochs=1)}

    found = []
    for routing in (True, False):
        with config_context(enable_metadata_routing=routing):
            if routing:
                nets["a"].set_fit_request(X_val=True, y_val=True)
            found.append(compare(nets, make_triangle, scoring=has_validation, **how))
    means = [one.scores.groupby("estimator")["score"].mean() for one in found]
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
    found = compare(nets, make_points, train_size=100, n_repeats=30, random_state=0,
                    scoring=score, n_jobs=2, memory=sys.argv[1])
    found.scores.drop(columns="seconds").to_csv(sys.argv[2])
"""


@pytest.mark.slow
def test_a_killed_comparison_goes_on_and_ends_in_the_same_scores(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)

    def start(run, **environment):
        command = [sys.executable, script, tmp_path / run, tmp_path / f"{run}.csv"]
        return subprocess.call(
            command,
            env=os.environ | environment,
            start_new_session=True,  # so that its workers are killed with it
        )

    assert start("never") == 0
    assert start("killed", KILLED=str(tmp_path / "killed")) == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns
            for path in (tmp_path / "killed").rglob("output.pkl")}  # fmt: skip
    assert 8 <= len(kept) < 60 and not (tmp_path / "killed.csv").exists()
    assert start("killed") == 0
    assert all(path.stat().st_mtime_ns == then for path, then in kept.items())
    one, other = (tmp_path / f"{run}.csv" for run in ("never", "killed"))
    assert one.read_bytes() == other.read_bytes()


def test_a_bar_shows_the_time_left(capsys):
    compare(TREES, make_triangle, **FEW)
    assert capsys.readouterr().out == ""
    compare(TREES, make_triangle, verbose=1, **FEW)
    assert "repetitions 1 to 4" in capsys.readouterr().out


def test_a_result_is_printed_as_a_table():
    found = compare(TREES, make_triangle, baseline="depth 1", **FEW)
    printed = repr(found)
    for row in found.summary().itertuples():
        line = re.search(rf"{row.estimator} .*", printed)[0]
        assert f"{row.mean:.4f}" in line and line.endswith(row.verdict)
    assert "4 repetitions" in printed
    with pytest.raises(TypeError, match="must be what compare returns"):
        ComparisonDisplay(found.summary())


def test_the_table_of_a_pair_has_its_difference():
    found = compare(TREES, make_triangle, **FEW | {"baseline": [*TREES][0]})
    pair = compare(
        dict([*TREES.items()][:2]), make_triangle, baseline=[*TREES][0], **FEW
    )
    for result in (found, pair):
        assert "effect_ci_low" in repr(result) and "p_value" in repr(result)
        difference = result.summary()["effect"][1]
        assert f"{difference:.4f}" in repr(result)


def test_a_result_can_be_pickled_and_written(tmp_path):
    found = compare(
        TREES, lambda n, random_state: make_moons(n, random_state=random_state), **FEW
    )
    again = pickle.loads(pickle.dumps(found))
    pd.testing.assert_frame_equal(found.summary(), again.summary())
    found.scores.to_csv(tmp_path / "scores.csv", index=False)
    pd.testing.assert_frame_equal(found.scores, pd.read_csv(tmp_path / "scores.csv"))


# ---- bad input


class Failing(DecisionTreeClassifier):
    """Cannot be fitted in some repetitions."""

    def fit(self, X, y):
        if self.random_state % 3 == 0:
            raise ValueError("no luck")
        return super().fit(X, y)


def test_an_estimator_that_fails_is_named():
    nets = TREES | {"unlucky": Failing()}
    with pytest.raises(ValueError, match="'unlucky' failed in repetition .: no luck"):
        compare(nets, make_triangle, **FEW)
    with pytest.warns(FitFailedWarning, match="'unlucky' failed in rep.*0.25: no luck"):
        found = compare(nets, make_triangle, error_score=0.25, **FEW)
    scores = found.scores.query("estimator == 'unlucky'")
    failed = scores["seconds"].isna()
    assert 0 < failed.sum() < 4
    assert (scores["score"][failed] == 0.25).all()
    with (
        pytest.warns(FitFailedWarning),
        pytest.raises(ValueError, match="No estimator could be scored.*n_neighbors"),
    ):
        nets = {name: KNeighborsClassifier(61) for name in "ab"}
        how = {"scoring": lambda net, X, y: {"a": net.score(X, y)}, "error_score": 0.0}
        compare(nets, make_triangle, **how, **FEW)


def test_all_may_fail_in_the_first_repetition():
    def score(net, X, y):
        return {"accuracy": net.score(X, y)}

    def fails(seed):
        entropy = np.random.RandomState(seed).randint(np.iinfo(np.int32).max)
        return with_seeds(Failing(), (entropy, 0)).random_state % 3 == 0

    nets = {"a": Failing(max_depth=1), "b": Failing(max_depth=4)}
    how = FEW | {"random_state": next(filter(fails, range(99))), "n_repeats": 8}
    with pytest.warns(FitFailedWarning):
        found = compare(nets, make_triangle, scoring=score, error_score=0.0, **how)
    failed = found.scores.groupby("repeat")["score"].max() == 0
    assert failed[0] and not failed.all()


def test_what_is_not_the_estimators_fault_is_no_score(tmp_path):
    (tmp_path / "file").write_text("")
    how = {"memory": str(tmp_path / "file"), "error_score": 0.0} | FEW
    with pytest.raises(ValueError, match="^memory=.* cannot be used as a folder"):
        compare(TREES, make_triangle, **how)


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
        ({"estimators": [*TREES.items()] * 2}, "different names, got 'depth 1' twice"),
        ({"estimators": "trees"}, "'estimators' parameter .* must be"),
        (
            {"estimators": {"a": DecisionTreeClassifier, "b": 3}},
            "must have names, whic",
        ),
        ({"groups": [1, 2]}, "groups and params are for X, y and cv"),
        ({"params": {}}, "groups and params are for X, y and cv"),
        ({"estimators": TREES | {5: DummyClassifier()}}, "names, which are str"),
        ({"baseline": "depth 3"}, "baseline='depth 3' is none of the estimators"),
        ({"n_repeats": 1}, "'n_repeats' parameter .* must be"),
        ({"n_repeats": "all"}, "'n_repeats' parameter .* must be"),
        ({"train_size": None}, "train_size must be given"),
        ({"train_size": 0}, "'train_size' parameter .* must be"),
        ({"test_size": 0}, "'test_size' parameter .* must be"),
        ({"val_size": 160}, "val_size=160: as many validation points"),
        (
            {
                "estimators": TREES | {"s": GridSearchCV(TREES["depth 1"], {})},
                "val_size": 60,
            },
            "val_size=60: as many validation points",
        ),
        ({"maker": None}, "Either a maker must be given, or X, y and cv"),
        ({"X": [[0, 1]]}, "Either a maker must be given, or X, y and cv"),
        ({"cv": 5}, "Either a maker must be given, or X, y and cv"),
        ({"maker": 5}, "maker must be a function that draws points.*X=X, y=y"),
        ({"margin": 0}, "'margin' parameter .* must be"),
        ({"margin": {"auc": 0.1}}, "margin names .'auc'., but the metrics are"),
        ({"margin": {"score": -1}}, "margin must be more than 0, not -1"),
        ({"margin": {"score": "1"}}, "margin must be more than 0, not '1'"),
        ({"scale": "log"}, "'scale' parameter .* must be"),
        ({"alpha": 0.0}, "'alpha' parameter .* must be"),
        ({"error_score": np.nan}, "error_score must be finite"),
        ({"scoring": "acc", "error_score": 0.0}, "scoring.*'acc'"),
        ({"random_state": "x"}, "'random_state' parameter .* must be"),
        ({"maker": lambda n, random_state: np.zeros(n)}, "maker must return a tuple"),
        (
            {"maker": lambda n, random_state: make_triangle(n - 1)},
            "maker made 159 points of 160",
        ),
        (
            {"maker": make_one_class},
            "maker gives one class only, 'x', among .* of repetition 0",
        ),
        (
            {"scoring": lambda net, X, y: np.nan},
            "The score of estimator 'depth 1' in repetition 0 is nan",
        ),
        (
            {"scoring": lambda net, X, y: {f"depth {net.max_depth}": 1.0}},
            "scoring gives .'depth 2'. of estimator 'depth 2' .*'depth 1'. elsewhere",
        ),
    ],
)
def test_bad_parameters_are_named(changes, message):
    how = {"estimators": TREES, "maker": make_triangle} | FEW | changes
    with pytest.raises((ValueError, TypeError), match=message):
        compare(**how)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"n_repeats": "auto"}, "n_repeats .also 'auto'. are for a maker"),
        ({"n_repeats": 10}, "n_repeats .also 'auto'. are for a maker"),
        ({"train_size": 10}, "train_size, .* are for a maker"),
        ({"val_size": 10}, "val_size .* are for a maker"),
        ({"cv": None}, "cv must be given with X and y"),
        ({"y": None}, "Either a maker must be given, or X, y and cv"),
        ({"y": [1, 2]}, "inconsistent numbers of samples"),
        ({"groups": [1, 2]}, "inconsistent numbers of samples"),
        ({"cv": GroupKFold(3)}, "The 'groups' parameter should not be None"),
        ({"cv": ShuffleSplit(1)}, "fewer than two splits"),
    ],
)
def test_bad_splits_are_named(changes, message):
    X, y = make_triangle(100, random_state=0)
    how = {"X": X, "y": y, "cv": 5, "random_state": 0} | changes
    with pytest.raises(ValueError, match=message):
        compare(TREES, **how)


def test_a_full_disk_is_not_scored():
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


def test_the_score_of_failures_is_compared_as_the_others_are():
    nets = TREES | {"unlucky": Failing()}
    how = {"scale": "ratio", "error_score": -1.0} | FEW
    with (
        pytest.warns(FitFailedWarning),
        pytest.raises(ValueError, match="the error behind 'score'"),
    ):
        compare(nets, make_triangle, **how)


def test_what_is_wrong_is_said_at_once(fits):
    """Not after hours."""
    for bad in ({"margin": {"auc": 0.1}}, {"scoring": lambda *_: np.inf}):
        with pytest.raises(ValueError):
            compare(TREES, make_triangle, **FEW | {"n_repeats": 1000} | bad)
    assert len(fits) <= 3 * 10
