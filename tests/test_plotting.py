import numpy as np
import pandas as pd
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
    regions, _ = ax.collections
    assert ax.get_legend() is not None
    first, second = (path.vertices for path in regions.get_paths())
    feature, threshold = tree.tree_.feature[0], tree.tree_.threshold[0]
    for corners in (first, second):
        assert np.abs(corners[:, feature] - threshold).min() < 2


@pytest.mark.parametrize("names", ["ab", "abc"], ids=["two", "three"])
def test_regions_have_the_colours_of_their_labels(names, raw):
    X, _ = raw
    y = np.array([*names])[np.digitize(X[:, 0], [0, 25][: len(names) - 1])]
    ax = plot_decision_regions(DecisionTreeClassifier().fit(X, y), X, y)
    expected = plt.get_cmap("viridis")(np.linspace(0, 1, len(names)))[:, :3].round(3)
    drawn = np.concatenate([c.get_facecolors()[:, :3] for c in ax.collections[:-1]])
    for color in expected:
        assert (np.abs(drawn - color) < 0.01).all(axis=1).any()


def test_the_only_region_has_the_colour_of_its_label(raw):
    X, y = raw
    tree = DecisionTreeClassifier(max_depth=1).fit(X, y)
    tree.tree_.value[:] = [[[0.0, 1.0]]]
    ax = plot_decision_regions(tree, X, y)
    regions, _ = ax.collections
    drawn = [
        color
        for color, path in zip(
            regions.get_facecolors(), regions.get_paths(), strict=True
        )
        if len(path.vertices)
    ]
    np.testing.assert_allclose([drawn[0][:3]], [plt.get_cmap("viridis")(1.0)[:3]])


def test_axes_have_the_names_of_a_frame(raw):
    X, y = raw
    frame = pd.DataFrame(X, columns=["length", "width"])
    tree = DecisionTreeClassifier(max_depth=1).fit(frame, y)
    for draw in (plot_dataset, lambda X, y: plot_decision_regions(tree, X, y)):
        ax = draw(frame, y)
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("length", "width")


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
