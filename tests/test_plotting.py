import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.exceptions import NotFittedError
from sklearn.tree import DecisionTreeClassifier

from sklearn_toydnn.plotting import plot_dataset, plot_decision_regions, plot_history


def test_dataset_draws_every_point_in_its_labels_colour(raw):
    X, y = raw
    _, ax = plt.subplots()
    assert plot_dataset(X, y, ax=ax) is ax
    (points,) = ax.collections
    np.testing.assert_array_equal(points.get_offsets(), X)
    ends = plt.get_cmap("viridis")([0.0, 1.0])  # the paper's purple and yellow
    np.testing.assert_allclose(points.get_facecolors(), ends[y])


def test_history_draws_training_and_validation(raw):
    history = {"loss": [3.0, 2.0], "val_loss": [4.0, 1.0], "accuracy": [0.1, 0.2]}
    ax = plot_history(history)
    drawn = [(list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines[:2]]
    assert drawn == [([1, 2], [3.0, 2.0]), ([1, 2], [4.0, 1.0])]
    assert [text.get_text() for text in ax.get_legend().texts] == [
        "training",
        "validation",
    ]
    ax = plot_history(history, metric="accuracy", ax=plt.figure().gca())
    assert ax.get_ylabel() == "accuracy"
    assert [text.get_text() for text in ax.get_legend().texts] == ["training"]


def test_decision_regions_are_those_of_the_classifier(raw):
    X, y = raw
    tree = DecisionTreeClassifier(max_depth=1).fit(X, y)
    ax = plot_decision_regions(tree, X, y)
    # One split: the regions meet in a straight line at its threshold.
    boundary = [c for c in ax.collections if c.get_paths() and len(c.get_paths()) > 1]
    assert boundary and ax.get_legend() is not None
    corners = np.concatenate([path.vertices for path in boundary[0].get_paths()])
    threshold = tree.tree_.threshold[0]
    nearest = np.abs(corners[:, tree.tree_.feature[0]] - threshold).min()
    assert nearest < 2


def test_errors(raw):
    with pytest.raises(ValueError, match="metric='acc' is not in the history"):
        plot_history({"loss": [1.0]}, metric="acc")
    with pytest.raises(NotFittedError):
        plot_decision_regions(DecisionTreeClassifier(), *raw)


def test_decision_regions_of_lists_and_of_bad_points(raw):
    X, y = raw
    tree = DecisionTreeClassifier(max_depth=1).fit(X, y)
    plot_decision_regions(tree, X.tolist(), y.tolist())
    for bad, message in [(X[:, :1], "2 features"), (X * np.nan, "NaN")]:
        with pytest.raises(ValueError, match=message):
            plot_decision_regions(tree, bad, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        plot_decision_regions(tree, X, y[:-1])


def test_nothing_is_shown(raw, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: pytest.fail("a picture was shown"))
    plot_dataset(*raw)
