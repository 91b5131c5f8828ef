import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_toydnn import DNNClassifier
from sklearn_toydnn.plotting import plot_dataset, plot_decision_regions, plot_history


def test_dataset_draws_every_point_in_the_color_of_its_label(raw):
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


def test_decision_regions_match_the_classifier(raw):
    X, y = raw
    tree = DecisionTreeClassifier(max_depth=1).fit(X, y)
    ax = plot_decision_regions(tree, X, y)
    # The tree has one split. The regions meet at its threshold, in a straight line.
    regions, _ = ax.collections
    assert ax.get_legend() is not None
    first, second = (path.vertices for path in regions.get_paths())
    feature, threshold = tree.tree_.feature[0], tree.tree_.threshold[0]
    for corners in (first, second):
        assert np.abs(corners[:, feature] - threshold).min() < 2


def drawn_colors(ax):
    """Return the colors of the regions and those of the points."""
    *regions, points = ax.collections
    colors = [
        color[:3]
        for region in regions
        for color, path in zip(region.get_facecolors(), region.get_paths(), strict=True)
        if len(path.vertices)
    ]
    return colors, points.get_facecolors()[:, :3]


def assert_same_colors(colors, expected):
    expected = np.unique(np.round(expected, 2), axis=0)
    np.testing.assert_array_equal(np.unique(np.round(colors, 2), axis=0), expected)


@pytest.mark.parametrize("n_classes", [1, 2, 3, 4])
def test_regions_and_points_have_the_colors_of_their_labels(n_classes, raw):
    X, _ = raw
    y = np.array([*"abcd"])[np.digitize(X[:, 0], [-25, 0, 25][: n_classes - 1])]
    ax = plot_decision_regions(DecisionTreeClassifier().fit(X, y), X, y)
    viridis = plt.get_cmap("viridis")(np.linspace(0, 1, n_classes))[:, :3]
    for colors in drawn_colors(ax):
        assert_same_colors(colors, viridis)


@pytest.mark.parametrize("classes", [[0, 1], [0, 1, 2]])
@pytest.mark.parametrize("label", [0, 1])
def test_points_of_a_single_label_have_its_color(label, classes, raw):
    X, _ = raw
    y = np.digitize(X[:, 0], [0, 25][: len(classes) - 1])
    ax = plot_decision_regions(
        DecisionTreeClassifier().fit(X, y), X[y == label], y[y == label]
    )
    viridis = plt.get_cmap("viridis")(np.linspace(0, 1, len(classes)))[:, :3]
    assert_same_colors(drawn_colors(ax)[1], viridis[[label]])


def test_the_region_of_a_single_predicted_label_has_its_color(raw):
    X, y = raw
    tree = DecisionTreeClassifier(max_depth=1).fit(X, y)
    tree.tree_.value[:] = [[[0.0, 1.0]]]
    regions, _ = drawn_colors(plot_decision_regions(tree, X, y))
    assert_same_colors(regions, plt.get_cmap("viridis")([1.0])[:, :3])


def test_points_with_labels_outside_the_classes_are_drawn(raw):
    X, y = raw
    tree = DecisionTreeClassifier().fit(X, np.array(["a", "b"])[y])
    _, colors = drawn_colors(plot_decision_regions(tree, X, y))
    viridis = plt.get_cmap("viridis")(np.linspace(0, 1, 4))[:, :3]
    assert_same_colors(colors, viridis[:2])


def test_decision_regions_of_a_clusterer(raw):
    X, y = raw
    plot_decision_regions(KMeans(3, random_state=0).fit(X), X, y)


@pytest.mark.parametrize("center, span", [(0, 0.1), (0, 1e-6), (1e6, 0.05), (0, 1e4)])
def test_regions_have_padding_in_proportion_to_the_range(center, span, raw):
    X, y = raw
    X = center + span * X / np.ptp(X, axis=0)
    net = make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=2))
    ax = plot_decision_regions(net.fit(X, y), X, y)
    for limits, column in zip((ax.get_xlim(), ax.get_ylim()), X.T, strict=True):
        share = np.ptp(column) / np.ptp(limits)
        assert 0.85 < share < 0.95
    (points,) = ax.collections[-1:]
    np.testing.assert_array_equal(points.get_offsets(), X)


def test_decision_regions_with_a_constant_feature(raw):
    X, y = raw
    X = X * [1, 0]
    ax = plot_decision_regions(DecisionTreeClassifier(max_depth=2).fit(X, y), X, y)
    assert ax.get_ylim() == (-1, 1)


def test_axes_have_equal_scales_only_for_similar_ranges(raw):
    X, y = raw
    for scales, aspect in [([1, 1], 1), ([1, 0.5], 1), ([1000, 0.01], "auto")]:
        ax = plot_dataset(X * scales, y, ax=plt.figure().gca())
        assert ax.get_aspect() == aspect
        ax.figure.canvas.draw()
        box = ax.get_position()
        assert min(box.width, box.height) > 0.2


def test_axes_have_the_column_names_of_a_polars_frame(raw):
    polars = pytest.importorskip("polars")
    X, y = raw
    X = polars.DataFrame(X, schema=["income", "share"])
    tree = DecisionTreeClassifier(max_depth=2).fit(X, y)
    for ax in (plot_dataset(X, y), plot_decision_regions(tree, X, y)):
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("income", "share")


def test_arguments_in_the_wrong_order_are_refused(raw):
    X, y = raw
    with pytest.raises(TypeError, match=r"got ndarray. Use plot_decision_regions\("):
        plot_decision_regions(X, y, DecisionTreeClassifier())


def test_history_accepts_objects_with_a_history(raw):
    X, y = (array[:100] for array in raw)
    net = DNNClassifier(epochs=3, random_state=0)
    pipeline = make_pipeline(StandardScaler(), net).fit(X, y)
    search = GridSearchCV(pipeline, {"dnnclassifier__epochs": [3]}, cv=2).fit(X, y)
    history = pipeline[-1].model_.fit(X, y, epochs=3, verbose=0)
    for source in (pipeline[-1], pipeline, search, history):
        ax = plot_history(source, metric="accuracy", ax=plt.figure().gca())
        assert len(ax.lines[0].get_xdata()) == 3
    with pytest.raises(NotFittedError):
        plot_history(DNNClassifier())
    with pytest.raises(TypeError, match="a fitted DNNClassifier, a pipeline.*got list"):
        plot_history([0.1, 0.2])
    with pytest.raises(TypeError, match="got DecisionTreeClassifier"):
        plot_history(DecisionTreeClassifier().fit(X, y))


def test_axes_have_the_column_names_of_a_pandas_frame(raw):
    X, y = raw
    frame = pd.DataFrame(X, columns=["length", "x$_y^$"])
    tree = DecisionTreeClassifier(max_depth=1).fit(frame, y)
    for draw in (plot_dataset, lambda X, y: plot_decision_regions(tree, X, y)):
        ax = draw(frame, y)
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("length", r"x\$_y^\$")
        ax.figure.canvas.draw()


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
    monkeypatch.setattr(plt, "show", lambda: pytest.fail("a figure was shown"))
    plot_dataset(*raw)
