import numpy as np
import pandas as pd
import pytest
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from scipy import stats
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV, learning_curve
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_toydnn import GaussianAugmenter, GaussianNoise


@pytest.mark.parametrize(
    "fraction, copies", [(0, 0), (0.1, 500), (0.2, 1000), (1.5, 7500)]
)
def test_augmenter_appends_a_fraction_of_copies(raw, fraction, copies):
    X, y = raw
    augmenter = GaussianAugmenter(fraction, std=2.0, random_state=0)
    X_new, y_new = augmenter.fit_resample(X, y)
    sources = augmenter.sample_indices_

    assert len(X_new) == len(y_new) == len(sources) == 5000 + copies
    np.testing.assert_array_equal(X_new[:5000], X)
    np.testing.assert_array_equal(sources[:5000], np.arange(5000))
    np.testing.assert_array_equal(y_new, y[sources])
    times_copied = np.bincount(sources[5000:], minlength=5000)
    assert times_copied.max() - times_copied.min() <= 1


def test_augmenter_adds_gaussian_noise_with_std(raw):
    X, y = raw
    augmenter = GaussianAugmenter(1.0, std=3.0, random_state=0)
    X_new, _ = augmenter.fit_resample(X, y)
    noise = (X_new - X[augmenter.sample_indices_])[5000:].ravel()
    assert stats.kstest(noise, stats.norm(scale=3.0).cdf).pvalue > 0.01


def test_augmenter_preserves_container_types(raw):
    X, y = (
        pd.DataFrame(raw[0], columns=["a", "b"]),
        pd.Series(raw[1], name="label"),
    )
    X_new, y_new = GaussianAugmenter(random_state=0).fit_resample(X, y)
    assert list(X_new.columns) == ["a", "b"] and y_new.name == "label"
    assert X_new.dtypes.unique() == [np.float64]
    X_float32, _ = GaussianAugmenter().fit_resample(raw[0].astype(np.float32), raw[1])
    assert X_float32.dtype == np.float32


def test_augmenter_is_inactive_at_prediction(raw):
    X, y = raw
    pipeline = make_sampling_pipeline(
        GaussianAugmenter(fraction=1.0, std=50.0), KNeighborsClassifier(1)
    ).fit(X, y)
    # The nearest neighbor of each point is the point itself, unless points are added
    # or moved before prediction.
    np.testing.assert_array_equal(pipeline.predict(X), y)


def test_augmenter_in_grid_search_and_learning_curve(raw):
    X, y = raw
    pipeline = make_sampling_pipeline(
        GaussianAugmenter(3.0, random_state=0),
        StandardScaler(),
        KNeighborsClassifier(),
    )
    search = GridSearchCV(pipeline, {"gaussianaugmenter__std": [0.0, 40.0]}, cv=3)
    assert search.fit(X, y).best_params_ == {"gaussianaugmenter__std": 0.0}
    sizes, _, scores = learning_curve(pipeline, X, y, cv=3, train_sizes=[100, 3000])
    assert list(sizes) == [100, 3000] and scores[1].mean() > scores[0].mean()


def test_noise_jitters_in_fit_transform_only(raw):
    X, _ = raw
    noise = GaussianNoise(std=2.0, random_state=0)
    jitter = (noise.fit_transform(X) - X).ravel()
    assert stats.kstest(jitter, stats.norm(scale=2.0).cdf).pvalue > 0.01
    np.testing.assert_array_equal(noise.transform(X), X)
    np.testing.assert_array_equal(GaussianNoise(2.0).fit(X).transform(X), X)


def test_noise_is_inactive_at_prediction(raw):
    X, y = raw
    pipeline = make_pipeline(GaussianNoise(std=1e-9), KNeighborsClassifier(1)).fit(X, y)
    np.testing.assert_array_equal(pipeline.predict(X), y)
    fitted = make_pipeline(GaussianNoise(std=5.0, random_state=0), _Recorder()).fit(
        X, y
    )
    assert (fitted[-1].X_fit_ != X).all()
    fitted.predict(X)
    np.testing.assert_array_equal(fitted[-1].X_predict_, X)


class _Recorder(DummyClassifier):
    def fit(self, X, y):
        self.X_fit_ = X
        return super().fit(X, y)

    def predict(self, X):
        self.X_predict_ = X
        return super().predict(X)


@pytest.mark.parametrize("cls", [GaussianNoise, GaussianAugmenter])
def test_the_seed_determines_the_noise(cls, raw):
    def draw(random_state):
        step = cls(random_state=random_state)
        if cls is GaussianNoise:
            return step.fit_transform(raw[0])
        return step.fit_resample(*raw)[0]

    np.testing.assert_array_equal(draw(1), draw(1))
    assert (draw(1) != draw(2)).any()


@pytest.mark.parametrize(
    "step, message",
    [
        (GaussianAugmenter(fraction=-0.1), "'fraction' parameter of GaussianAugmenter"),
        (GaussianAugmenter(fraction="a"), "'fraction' parameter of GaussianAugmenter"),
        (GaussianAugmenter(np.inf), "'fraction' parameter of GaussianAugmenter"),
        (GaussianAugmenter(np.nan), "'fraction' parameter of GaussianAugmenter"),
        (GaussianAugmenter(std=-1), "'std' parameter of GaussianAugmenter"),
        (GaussianAugmenter(random_state=1.5), "'random_state' parameter of Gaussian"),
        (GaussianNoise(std=-1), "'std' parameter of GaussianNoise"),
        (GaussianNoise(std=None), "'std' parameter of GaussianNoise"),
        (GaussianNoise(random_state="a"), "'random_state' parameter of GaussianNoise"),
    ],
)
def test_bad_parameters_are_named(step, message, raw):
    fit = (
        step.fit_resample if isinstance(step, GaussianAugmenter) else step.fit_transform
    )
    with pytest.raises(ValueError, match=message):
        fit(*raw)


LARGE = np.full((20, 2), 1e308)


@pytest.mark.parametrize("cls", [GaussianNoise, GaussianAugmenter])
@pytest.mark.parametrize(
    "X, std",
    [
        (np.zeros((20, 2), np.float32), 1e39),
        (np.zeros((20, 2)), 1e308),
        (np.zeros((20, 2)), 10**400),
        (LARGE, 1e308),
        ((LARGE / 1e270).astype(np.float32), 3e38),
        (pd.DataFrame({"a": np.zeros(20), "b": np.zeros(20)}), 1e308),
    ],
)
def test_noise_that_makes_a_point_infinite_is_refused(cls, X, std):
    with pytest.raises(ValueError, match="std is too large"):
        _add_noise(cls, X, std)


@pytest.mark.parametrize("cls", [GaussianNoise, GaussianAugmenter])
@pytest.mark.parametrize("dtype, std", [(np.float32, 1e37), (np.float64, 1e307)])
def test_large_noise_is_allowed_if_all_points_are_finite(cls, dtype, std):
    X = _add_noise(cls, np.zeros((20, 2), dtype), std)
    assert X.dtype == dtype and np.isfinite(X).all() and np.abs(X).max() > std


def test_noise_too_large_for_one_column_of_a_frame_is_refused():
    X = pd.DataFrame({"narrow": np.zeros(20, np.float32), "wide": np.zeros(20)})
    with pytest.raises(ValueError, match="std is too large"):
        _add_noise(GaussianAugmenter, X, 1e39)


def _add_noise(cls, X, std):
    if cls is GaussianNoise:
        return cls(std, random_state=0).fit_transform(X)
    return cls(1.0, std, random_state=0).fit_resample(X, [0, 1] * 10)[0]


@pytest.mark.parametrize(
    "fraction, copies",
    [
        (1e300, r"5e\+303"),
        (1.7e308, "inf"),
        (np.float64(1e15), r"5e\+18"),
        (1e12, r"5e\+15"),
        pytest.param(10**400, "inf", id="10**400"),
    ],
)
def test_copies_that_do_not_fit_into_memory_are_refused(fraction, copies, raw):
    message = f"fraction is too large: {copies} copies of 5000 points do not fit"
    with pytest.raises(ValueError, match=message):
        GaussianAugmenter(fraction).fit_resample(*raw)


def test_fraction_may_be_float16():
    X = np.zeros((70_000, 1))
    augmenter = GaussianAugmenter(np.float16(1))  # np.float16(70_000) is infinite
    assert len(augmenter.fit_resample(X, np.arange(70_000) % 2)[0]) == 140_000


@pytest.mark.parametrize(
    "X, message", [([[np.nan, 0.0]], "contains NaN"), ([0.0, 1.0], "Expected 2D array")]
)
def test_bad_points_are_refused(X, message):
    with pytest.raises(ValueError, match=message):
        GaussianNoise().fit_transform(X)
    with pytest.raises(ValueError, match=message):
        GaussianAugmenter().fit_resample(X, [0] * len(X))
