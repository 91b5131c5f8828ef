"""One repetition of a comparison: draw data and seeds, fit and score estimators."""

import inspect
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from rich.progress import track
from sklearn import get_config
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import cross_validate
from sklearn.utils import check_consistent_length, check_random_state, shuffle
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.parallel import Parallel, delayed

from .metrics import (
    check_losses,
    is_plain_function,
    negated_losses,
    scorers_of,
    warn_about_undeclared_losses,
)
from .scale import RATIO, check_margin, errors

# ---- data


class Sample(NamedTuple):
    """Points with labels, training and test indices, and metadata for `fit`."""

    X: Any
    y: Any
    split: tuple[np.ndarray, np.ndarray]
    metadata: dict[str, Any]


@dataclass(frozen=True)
class FreshData:
    """Data sets that a maker draws, a new one for each repetition."""

    maker: Callable
    train_size: int
    test_size: int
    val_size: int

    def check(self, entropy: int) -> None:
        """Check that the maker's data depend on `random_state`, and on nothing else."""
        first, again, second = (self._make((entropy, n), n) for n in (0, 0, 1))
        if _is_same_data(first, second):
            raise ValueError(
                "maker returned the same points and labels for two values of "
                "random_state, but each repetition needs new data. To compare on one "
                "data set, pass X, y and cv."
            )
        if not _is_same_data(first, again):
            warnings.warn(
                "maker returned different points for the same random_state: the "
                "comparison is not reproducible.",
                stacklevel=5,
            )

    def draw(self, seed: tuple[int, int], repeat: int) -> Sample:
        """Draw all points of a repetition in one call of the maker.

        Some makers draw a random problem in each call. Training and test points must
        come from the same one.
        """
        n, n_val = self.train_size + self.test_size, self.val_size
        data = self._make(seed, repeat)
        # Some makers order points by class.
        X, y = shuffle(*data, random_state=_seed(seed, "shuffle"))
        classes = np.unique(y[: self.train_size])
        if len(classes) == 1:
            raise ValueError(
                f"maker returned only one class, {classes.item()!r}, in the training "
                f"set of repetition {repeat}. At least two are required: increase "
                "train_size or change maker."
            )
        split = np.arange(self.train_size), np.arange(self.train_size, n)
        metadata = {"X_val": X[n:], "y_val": y[n:]} if n_val else {}
        return Sample(X[:n], y[:n], split, metadata)

    def _make(self, seed, repeat):
        n = self.train_size + self.test_size + self.val_size
        try:
            data = call_maker(self.maker, n, _seed(seed, "maker"))
        except Exception as error:
            hint = _HINT if isinstance(error, TypeError) else ""
            raise ValueError(
                f"maker failed in repetition {repeat}: {error}{hint}"
            ) from error
        if not isinstance(data, tuple) or len(data) != 2:
            raise ValueError(
                f"maker must return a tuple of X and y, got {_describe_type(data)}. "
                "Wrap it in a function that returns only X and y."
            )
        check_consistent_length(*data)
        if len(data[1]) != n:
            raise ValueError(f"maker must return {n} points, got {len(data[1])}.")
        return data


_HINT = (
    ". It is called as maker(n_samples, random_state=...). Pass other arguments with "
    "functools.partial(maker, ...), or wrap it in a function."
)


def call_maker(maker: Callable, n_samples: int, random_state: int) -> tuple:
    """Call a maker. Pass `n_samples` by name if possible: it may not come first."""
    try:
        by_name = "n_samples" in inspect.signature(maker).parameters
    except (TypeError, ValueError):  # some callables have no signature
        by_name = False
    if by_name:
        return maker(n_samples=n_samples, random_state=random_state)
    return maker(n_samples, random_state=random_state)


def _is_same_data(one, other):
    return all(np.array_equal(*arrays) for arrays in zip(one, other, strict=True))


def _describe_type(value):
    """Return the type of a maker's return value, and the length of a tuple."""
    kind = type(value).__name__
    return f"a {kind} of {len(value)}" if isinstance(value, tuple) else f"a {kind}"


@dataclass(frozen=True)
class FixedData:
    """One data set with its splits, and other parameters of `fit` and scorers."""

    X: Any
    y: Any
    splits: list[tuple[np.ndarray, np.ndarray]]
    params: dict[str, Any]

    def draw(self, seed: tuple[int, int], repeat: int) -> Sample:
        """Return the data with the split of a repetition."""
        return Sample(self.X, self.y, self.splits[repeat], self.params)


# ---- seeds


def draw_entropy(random_state: Any) -> int:
    """Draw the number from which all seeds of a comparison are derived."""
    return check_random_state(random_state).randint(np.iinfo(np.int32).max)


def _seed(seed, name, index=0):
    """Return a separate seed for one purpose, derived from a repetition's seed."""
    words = np.random.SeedSequence([*seed, zlib.crc32(name.encode()), index])
    return int(words.generate_state(1)[0] >> 1)


def with_seeds(estimator: Any, seed: tuple[int, int]) -> Any:
    """Return a clone with a new seed for every `random_state` parameter in it.

    Seeds depend on the class that has the parameter, so that a network starts from the
    same initial weights regardless of the other steps of its pipeline.
    """
    estimator = clone(estimator)
    params = estimator.get_params(deep=True)
    seeds, seen = {}, Counter()
    for name in sorted(params):
        value = params[name]
        owner, _, last = name.rpartition("__")
        if last == "random_state":
            kind = type(params[owner] if owner else estimator).__name__
            seeds[name] = _seed(seed, kind, seen[kind])
            seen[kind] += 1
        elif _is_random_splitter(value):
            seeds[name] = copy(value)
            seeds[name].random_state = _seed(seed, type(value).__name__)
    return estimator.set_params(**seeds)


def _is_random_splitter(value):
    return (
        hasattr(value, "split")
        and hasattr(value, "random_state")
        and getattr(value, "shuffle", True)
    )


# ---- fits and scores


class EstimatorScores(NamedTuple):
    """The scores of an estimator in a repetition; if it failed, a message instead."""

    repeat: int
    estimator: str
    scores: dict[str, float]
    seconds: float
    failure: str = ""


@dataclass(frozen=True)
class Repetitions:
    """Measures repetitions: repetition `n` is the same in every call."""

    estimators: dict[str, Any]
    data: FreshData | FixedData
    scoring: Any
    entropy: int
    error_score: Any = "raise"
    memory: Any = None
    fingerprints: dict[str, str] | None = None  # by estimator; None: no caching
    losses: tuple[str, ...] = ()

    def score(
        self,
        repeats: range | list[int],
        scale: str,
        margin: float | dict | None,
        n_jobs: int | None,
        verbose: int,
    ) -> pd.DataFrame:
        """Return the scores of repetitions in long format.

        Invalid scores raise an error after the first repetition that has them.
        """
        parallel = Parallel(n_jobs=n_jobs, return_as="generator")
        results = parallel(delayed(self.measure)(repeat) for repeat in repeats)
        rows, metrics = [], self._metrics_of_scoring()
        label = f"repetitions {repeats[0]} to {repeats[-1]}"
        for new_rows in track(results, label, len(repeats), disable=not verbose):
            were_checked = bool(metrics) and bool(rows)
            for row in new_rows:
                metrics = metrics or [*row.scores]
                if row.failure:
                    message = f"Scores are set to {self.error_score}: {row.failure}"
                    warnings.warn(message, FitFailedWarning, stacklevel=6)
                else:
                    self._check_scores(row, metrics, scale)
            if metrics and not were_checked:
                self._check_parameters(metrics, margin, is_first=repeats[0] == 0)
            rows += new_rows
        if not metrics:
            raise ValueError(
                "No estimator could be scored, so the names of the metrics are "
                f"unknown: {rows[0].failure}"
            )
        for row in rows:
            if row.failure:
                row.scores.update(dict.fromkeys(metrics, self.error_score))
                self._check_scores(row, metrics, scale)
        return pd.DataFrame(
            [
                (row.repeat, row.estimator, metric, row.scores[metric], row.seconds)
                for row in rows
                for metric in metrics
            ],
            columns=["repeat", "estimator", "metric", "score", "seconds"],
        )

    def _check_parameters(self, metrics, margin, is_first):
        """Check the parameters that name metrics, once the metrics are known."""
        check_margin(margin, metrics)
        check_losses(self.losses, self.negated(metrics), metrics)
        if is_first:
            warn_about_undeclared_losses(
                self.scoring, metrics, self.losses, stacklevel=7
            )

    def _metrics_of_scoring(self):
        """Return the metrics that `scoring` names; none if it is a function."""
        if self.scoring is None or isinstance(self.scoring, str):
            return [_metric_name(self.scoring)]
        return [] if callable(self.scoring) else [*self.scoring]

    def negated(self, metrics: Iterable[str]) -> tuple[str, ...]:
        """Return the metrics that are the negative of a loss."""
        return negated_losses(self.scoring, metrics)

    def _check_scores(self, row, metrics, scale):
        """Raise a ValueError for scores that cannot be compared."""
        where = f"estimator {row.estimator!r} in repetition {row.repeat}"
        if set(row.scores) != set(metrics):
            raise ValueError(
                f"scoring must always return the same metrics, {metrics}, got "
                f"{[*row.scores]} for {where}."
            )
        for metric, score in row.scores.items():
            if not np.isfinite(score):
                raise ValueError(
                    f"All scores must be finite, but the {metric} of {where} is "
                    f"{score}."
                )
            if scale == RATIO:
                is_loss = metric in self.losses
                errors(metric, [score], is_loss, metric in self.negated(metrics))

    @property
    def is_extendable(self) -> bool:
        """Whether repetitions can be added: only a maker draws more data."""
        return isinstance(self.data, FreshData)

    def measure(self, repeat: int) -> list[EstimatorScores]:
        """Return the scores of each estimator in a repetition."""
        seed = self.entropy, repeat
        sample = self.data.draw(seed, repeat)
        self._check_labels(sample, repeat)
        return [
            self._load_or_score(name, with_seeds(estimator, seed), sample, repeat)
            for name, estimator in self.estimators.items()
        ]

    def _check_labels(self, sample, repeat):
        """Raise a ValueError if a score needs a label that no test point has.

        scikit-learn would warn and return 0 for any prediction.
        """
        scorers = scorers_of(self.scoring, self._metrics_of_scoring())
        names = [s if isinstance(s, str) else n for n, s in scorers.items()]
        per_label = [
            name
            for name in names
            if name.startswith(_PER_LABEL) and not name.endswith(_PER_POINT)
        ]
        labels = np.asarray(sample.y)
        if not per_label or labels.ndim > 1:
            return
        missing = np.setdiff1d(labels, labels[sample.split[1]])
        if len(missing):
            raise ValueError(
                f"scoring: {per_label[0]!r} is not defined in repetition {repeat}, "
                f"because no test point has the label {missing[0].item()!r}. Use more "
                "test points or stratified splits."
            )

    def _load_or_score(self, name, estimator, sample, repeat):
        """Load scores from the cache, or fit and score."""
        metadata = _metadata_for(estimator, sample.metadata)
        sample = Sample(sample.X, sample.y, sample.split, metadata)
        compute = partial(self._fit_and_score, name, estimator, sample, repeat)
        if self.fingerprints is None:
            return compute()
        # Imported here because TensorFlow takes seconds to import.
        from ..memory import NotCacheable, load_or_compute

        def compute_cacheable():
            scores = compute()
            if scores.failure:
                raise NotCacheable(scores[2:])
            return scores[2:]

        # The cache key contains no estimator, which cannot be pickled in every process.
        # Its fingerprint and the seed define it.
        seed = self.entropy, repeat
        key = self.fingerprints[name]
        cached = load_or_compute(self.memory, compute_cacheable, key, seed, *sample)
        return EstimatorScores(repeat, name, *cached)

    def _fit_and_score(self, name, estimator, sample, repeat):
        """Fit and score; on failure, return a message or raise an error."""
        where = f"estimator {name!r} failed in repetition {repeat}"
        try:
            scores, seconds = _cross_validate(estimator, sample, self.scoring)
        except OSError as error:  # such as a full disk: not the estimator's failure
            error.add_note(where)
            raise
        except Exception as error:
            reason = error
            if isinstance(error, InvalidParameterError) and error.__cause__:
                reason = error.__cause__  # its message does not name cross_validate
            if self.error_score == "raise":
                raise ValueError(f"{where}: {reason}") from error
            return EstimatorScores(repeat, name, {}, np.nan, f"{where}: {reason}")
        return EstimatorScores(repeat, name, scores, seconds)


# Scores that need test points of each label, except for averages over all points.
_PER_LABEL = (
    *("recall", "precision", "f1", "jaccard", "balanced_accuracy", "roc_auc"),
    "average_precision",
)
_PER_POINT = ("micro", "weighted", "samples")


def _metric_name(scoring):
    """Return the name of the metric if `scoring` is not a collection."""
    if isinstance(scoring, str):
        return scoring
    is_function = is_plain_function(scoring)
    name = getattr(scoring, "__name__", "score") if is_function else "score"
    return name if name.isidentifier() else "score"  # a lambda has no identifier


def _metadata_for(estimator, metadata):
    """Return the metadata; drop validation points that `fit` does not request."""
    if not get_config()["enable_metadata_routing"]:
        return metadata
    requested = get_routing_for_object(estimator).consumes("fit", metadata)
    dropped = {"X_val", "y_val"} - set(requested)
    return {name: metadata[name] for name in sorted(metadata) if name not in dropped}


def _cross_validate(estimator, sample, scoring):
    results = cross_validate(
        estimator,
        sample.X,
        sample.y,
        cv=[sample.split],
        scoring=scoring,
        params=sample.metadata,
        error_score="raise",
    )
    scores = {
        name.removeprefix("test_"): float(score)
        for name, (score,) in results.items()
        if name.startswith("test_")
    }
    if [*scores] == ["score"]:
        scores = {_metric_name(scoring): scores["score"]}
    return scores, float(results["fit_time"][0])


def takes_validation(estimators: Iterable) -> bool:
    """Return whether an estimator requests validation points, if routing is enabled.

    Without metadata routing, requests are unknown: return True.
    """
    if not get_config()["enable_metadata_routing"]:
        return True
    routings = map(get_routing_for_object, estimators)
    return any(routing.consumes("fit", ["X_val"]) for routing in routings)
