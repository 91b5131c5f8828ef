import inspect
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from sklearn_toydnn import make_gaussian, make_sinusoidal, make_triangle
from sklearn_toydnn.datasets import label_gaussian, label_sinusoidal, label_triangle

MAKERS = [make_triangle, make_sinusoidal, make_gaussian]
LABELS = [label_triangle, label_sinusoidal, label_gaussian]
PI2 = np.pi**2

# Labels calculated by hand from the formulas in the paper's Methods. Points on the
# decision boundary have label 0, because the inequalities are strict.
BY_HAND = {
    label_triangle: [
        ((0, 0), 1),
        ((-20, 0), 0),
        ((-19.999, 0), 1),
        ((0, -40), 0),
        ((0, -39.999), 1),
        ((20, 20), 0),
        ((20, 19.999), 1),
        ((-30, 50), 0),
        ((30, 30), 0),
    ],
    label_sinusoidal: [
        # cos(|x| / 2 pi) is positive up to |x| = pi^2, then negative up to 3 pi^2.
        ((5, 1), 1),
        ((PI2 - 0.001, 0), 1),
        ((PI2 + 0.001, 0), 0),
        ((-5, -1), 1),
        ((-5, 6), 0),
        ((5, -6), 0),
        ((15, -20), 1),
        ((0, 5), 0),
        ((5, -5), 0),
        ((0, 0), 0),
        ((0, 15), 0),
        ((-15, -1), 0),
    ],
    label_gaussian: [
        ((0, 49.999), 1),
        ((0, 50), 0),
        ((np.sqrt(50), 50 / np.e - 0.001), 1),
        ((np.sqrt(50), 50 / np.e + 0.001), 0),
        ((-np.sqrt(50), 50 / np.e - 0.001), 1),
        ((40, -0.001), 1),
        ((40, 0.001), 0),
    ],
}


@pytest.mark.parametrize(
    "label, point, expected",
    [(label, *case) for label, cases in BY_HAND.items() for case in cases],
)
def test_label_functions_agree_with_the_paper(label, point, expected):
    assert label([point]) == [expected]


@pytest.mark.parametrize(
    "make, share", list(zip(MAKERS, [0.45, 0.51, 0.56], strict=True))
)
def test_class_shares_agree_with_the_paper(make, share):
    _, y = make(n_samples=200_000, random_state=0)
    assert y.mean() == pytest.approx(share, abs=0.006)


@pytest.mark.parametrize("make, label", list(zip(MAKERS, LABELS, strict=True)))
def test_points_are_uniform_in_the_box_and_labeled_by_the_formula(make, label):
    X, y = make(n_samples=50_000, box=(-30, 60), random_state=0)
    assert X.shape == (50_000, 2) and X.dtype == np.float64
    assert y.shape == (50_000,) and y.dtype.kind == "i"
    assert X.min() >= -30 and X.max() < 60
    counts = np.histogram2d(*X.T, bins=5, range=[(-30, 60)] * 2)[0]
    assert np.abs(counts - 2000).max() < 5 * np.sqrt(2000)
    np.testing.assert_array_equal(y, label(X))


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("low", [1.0, -1.0, 0.0, -5e-324, 1e16, 1e308])
def test_the_box_is_half_open_even_if_very_narrow(make, low):
    for high in [np.nextafter(low, np.inf), low + 4 * np.spacing(abs(low))]:
        X, _ = make(n_samples=200, box=(low, high), random_state=0)
        assert ((low <= X) & (high > X)).all()


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    "box",
    [
        (Fraction(-1, 3), Fraction(1, 3)),
        (Fraction(-1, 3), np.float32(2)),
        (np.int8(-3), np.longdouble(3)),
    ],
)
def test_the_box_accepts_any_real_numbers(make, box):
    X, _ = make(n_samples=50, box=box, random_state=0)
    low, high = map(float, box)
    np.testing.assert_array_equal(
        X, np.random.RandomState(0).uniform(low, high, size=(50, 2))
    )


@pytest.mark.parametrize("make", MAKERS)
def test_large_noise_is_allowed_if_all_points_are_finite(make):
    X, _ = make(n_samples=50, noise=1e306, random_state=0)
    assert np.isfinite(X).all() and np.abs(X).max() > 1e306


@pytest.mark.parametrize("make", MAKERS)
def test_the_seed_determines_the_output(make):
    def draw(seed):
        X, y = make(n_samples=50, noise=1.0, flip_y=0.3, random_state=seed)
        return X.tobytes() + y.tobytes()

    assert draw(3) == draw(3)
    assert draw(3) == draw(np.random.RandomState(3))
    assert draw(3) != draw(4)


@pytest.mark.parametrize("make, label", list(zip(MAKERS, LABELS, strict=True)))
def test_noise_is_added_after_labeling(make, label):
    clean, y = make(n_samples=20_000, random_state=0)
    noisy, y_noisy = make(n_samples=20_000, noise=2.5, random_state=0)
    np.testing.assert_array_equal(y, y_noisy)
    assert (noisy - clean).std() == pytest.approx(2.5, rel=0.02)
    assert (label(noisy) != y_noisy).any()


@pytest.mark.parametrize("make", MAKERS)
def test_flip_y_is_the_share_of_labels_flipped(make):
    X, y = make(n_samples=20_000, random_state=0)
    X_flipped, flipped = make(n_samples=20_000, flip_y=0.2, random_state=0)
    np.testing.assert_array_equal(X, X_flipped)
    assert (y != flipped).mean() == pytest.approx(0.2, abs=0.015)
    _, all_flipped = make(n_samples=20_000, flip_y=1.0, random_state=0)
    np.testing.assert_array_equal(all_flipped, 1 - y)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    "params, message",
    [
        ({"n_samples": 0}, "'n_samples' parameter of make_"),
        ({"n_samples": 10.5}, "'n_samples' parameter of make_"),
        ({"n_samples": True}, "n_samples must be an int"),
        ({"n_samples": np.True_}, "'n_samples' parameter of make_"),
        (
            {"n_samples": 10**15},
            "n_samples is too large: the points do not fit",
        ),
        (
            {"n_samples": 10**400},
            "n_samples is too large: the points do not fit",
        ),
        ({"noise": -1.0}, "'noise' parameter of make_"),
        ({"noise": np.inf}, "'noise' parameter of make_"),
        ({"noise": 1e308}, "noise is too large"),
        ({"noise": 10**400}, "noise is too large"),
        ({"flip_y": 1.5}, "'flip_y' parameter of make_"),
        ({"random_state": "a"}, "'random_state' parameter of make_"),
        ({"box": 3}, "'box' parameter of make_"),
        ({"box": (1, 2, 3)}, "box must be two numbers"),
        ({"box": ("a", "b")}, "box must be two numbers"),
        ({"box": (5, -5)}, "box must be finite and have low < high"),
        ({"box": (0, np.inf)}, "box must be finite and have low < high"),
        ({"box": (np.nan, 1)}, "box must be finite and have low < high"),
        ({"box": (0, 10**5000)}, "box must be finite and have low < high"),
        ({"box": (-(10**400), 0)}, "box must be finite and have low < high"),
        ({"box": (-1e308, 1e308)}, "box must be finite and have low < high"),
        ({"box": (2**53, 2**53 + 1)}, "box must be finite and have low < high"),
        ({"box": (Decimal(0), Decimal(1))}, "box must be two numbers"),
    ],
)
def test_bad_parameters_are_named(make, params, message):
    with pytest.raises(ValueError, match=message):
        make(**params)


@pytest.mark.parametrize("label", LABELS)
def test_label_functions_require_2_features(label):
    with pytest.raises(ValueError, match="X must have 2 features, got 3"):
        label([[1, 2, 3]])


@pytest.mark.parametrize("maker", MAKERS)
def test_every_parameter_is_documented(maker):
    """Makers share a docstring. Its indentation depends on the Python version."""
    lines = maker.__doc__.splitlines()
    described = [line.partition(" : ")[0] for line in lines if " : " in line]
    assert described == [*inspect.signature(maker).parameters, "X", "y"]
    for section in ("Parameters", "Returns", "Raises", "References", "Examples"):
        at = lines.index(section)
        assert lines[at + 1] == "-" * len(section)
