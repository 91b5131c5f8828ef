"""One repetition of a comparison: data, seeds, every estimator fitted and scored."""

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
    is_plain,
    negated_losses,
    scorers_of,
    warn_of_suspects,
)
from .scale import RATIO, check_margin, errors

# ---- data


class Sample(NamedTuple):
    """Points, which of them are for training and for testing, validation points."""

    X: Any
    y: Any
    split: tuple[np.ndarray, np.ndarray]
    metadata: dict[str, Any]


@dataclass(frozen=True)
class FreshData:
    """Data that a maker draws anew for each repetition."""

    maker: Callable
    train_size: int
    test_size: int
    val_size: int

    def check(self, entropy: int) -> None:
        """Say so if the maker does not do as its `random_state` tells it to."""
        first, again, second = (self._make((entropy, n), n) for n in (0, 0, 1))
        if _are_equal(first, second):
            raise ValueError(
                "maker gives the same points and labels whatever its random_state: "
                "repetitions need fresh ones. For one data set there are X, y and cv."
            )
        if not _are_equal(first, again):
            warnings.warn(
                "maker gives other points for the same random_state: the comparison "
                "cannot be repeated.",
                stacklevel=5,
            )

    def draw(self, seed: tuple[int, int], repeat: int) -> Sample:
        """Draw a sample, at once: where a maker draws the problem too, it is one."""
        n, n_val = self.train_size + self.test_size, self.val_size
        made = self._make(seed, repeat)
        # Some makers order their points by class.
        X, y = shuffle(*made, random_state=_seed(seed, "shuffle"))
        classes = np.unique(y[: self.train_size])
        if len(classes) == 1:
            raise ValueError(
                f"maker gives one class only, {classes.item()!r}, among the training "
                f"points of repetition {repeat}: it must give two, or more points."
            )
        split = np.arange(self.train_size), np.arange(self.train_size, n)
        metadata = {"X_val": X[n:], "y_val": y[n:]} if n_val else {}
        return Sample(X[:n], y[:n], split, metadata)

    def _make(self, seed, repeat):
        n = self.train_size + self.test_size + self.val_size
        try:
            made = call_maker(self.maker, n, _seed(seed, "maker"))
        except Exception as error:
            hint = _HINT if isinstance(error, TypeError) else ""
            raise ValueError(
                f"maker failed in repetition {repeat}: {error}{hint}"
            ) from error
        if not isinstance(made, tuple) or len(made) != 2:
            raise ValueError(
                f"maker must return a tuple of X and y, got "
                f"{_in_few_words(made)}. Write a function that returns these two."
            )
        check_consistent_length(*made)
        if len(made[1]) != n:
            raise ValueError(f"maker made {len(made[1])} points of {n}.")
        return made


_HINT = (
    ". It is called as maker(n_samples, random_state=...): give it other arguments by "
    "functools.partial(maker, ...), or wrap it in a function."
)


def call_maker(maker: Callable, n_samples: int, random_state: int) -> tuple:
    """Call a maker, by name where it has an `n_samples` that may not come first."""
    try:
        by_name = "n_samples" in inspect.signature(maker).parameters
    except (TypeError, ValueError):  # it has no signature that can be read
        by_name = False
    if by_name:
        return maker(n_samples=n_samples, random_state=random_state)
    return maker(n_samples, random_state=random_state)


def _are_equal(one, other):
    return all(np.array_equal(*arrays) for arrays in zip(one, other, strict=True))


def _in_few_words(made):
    """Return what a maker has made in a few words, without the data."""
    kind = type(made).__name__
    return f"a {kind} of {len(made)}" if isinstance(made, tuple) else f"a {kind}"


@dataclass(frozen=True)
class FixedData:
    """The splits of one data set, and what else goes to `fit` and scorers."""

    X: Any
    y: Any
    splits: list[tuple[np.ndarray, np.ndarray]]
    params: dict[str, Any]

    def draw(self, seed: tuple[int, int], repeat: int) -> Sample:
        """Return a split of the data."""
        return Sample(self.X, self.y, self.splits[repeat], self.params)


# ---- seeds


def draw_entropy(random_state: Any) -> int:
    """Draw the number on which all seeds of a comparison depend."""
    return check_random_state(random_state).randint(np.iinfo(np.int32).max)


def _seed(seed, name, index=0):
    """Return a number for a use of its own of a repetition's seed."""
    words = np.random.SeedSequence([*seed, zlib.crc32(name.encode()), index])
    return int(words.generate_state(1)[0] >> 1)


def with_seeds(estimator: Any, seed: tuple[int, int]) -> Any:
    """Return a clone with a fresh seed for every `random_state` inside.

    Seeds go by the class whose parameter it is, so that a network starts from the same
    weights whatever step stands before it.
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


class Scored(NamedTuple):
    """The scores of an estimator in a repetition; without any, why it failed."""

    repeat: int
    estimator: str
    scores: dict[str, float]
    seconds: float
    failure: str = ""


@dataclass(frozen=True)
class Repetitions:
    """All that a repetition needs: repetition `n` is the same on every call."""

    estimators: dict[str, Any]
    data: FreshData | FixedData
    scoring: Any
    entropy: int
    error_score: Any = "raise"
    memory: Any = None
    fingerprints: dict[str, str] | None = None  # by estimator; None if nothing is kept
    losses: tuple[str, ...] = ()

    def score(
        self,
        repeats: range | list[int],
        scale: str,
        margin: float | dict | None,
        n_jobs: int | None,
        verbose: int,
    ) -> pd.DataFrame:
        """Return the scores of repetitions, tidy.

        What cannot be compared is an error as soon as it is seen.
        """
        parallel = Parallel(n_jobs=n_jobs, return_as="generator")
        found = parallel(delayed(self.measure)(repeat) for repeat in repeats)
        done, metrics = [], self._named_metrics()
        what = f"repetitions {repeats[0] + 1} to {repeats[-1] + 1}"
        for scored in track(found, what, len(repeats), disable=not verbose):
            were_named = bool(metrics) and bool(done)
            for one in scored:
                metrics = metrics or [*one.scores]
                if one.failure:
                    warnings.warn(one.failure, FitFailedWarning, stacklevel=6)
                else:
                    self._check(one, metrics, scale)
            if metrics and not were_named:
                self._check_asked(metrics, margin, is_first=repeats[0] == 0)
            done += scored
        if not metrics:
            raise ValueError(f"No estimator could be scored: {done[0].failure}.")
        for one in done:
            if one.failure:
                one.scores.update(dict.fromkeys(metrics, self.error_score))
                self._check(one, metrics, scale)
        return pd.DataFrame(
            [
                (one.repeat, one.estimator, metric, one.scores[metric], one.seconds)
                for one in done
                for metric in metrics
            ],
            columns=["repeat", "estimator", "metric", "score", "seconds"],
        )

    def _check_asked(self, metrics, margin, is_first):
        """Check what is asked of the metrics, as soon as these have names."""
        check_margin(margin, metrics)
        check_losses(self.losses, self.negated(metrics), metrics)
        if is_first:
            warn_of_suspects(self.scoring, metrics, self.losses, stacklevel=7)

    def _named_metrics(self):
        """Return the metrics as far as they are known before anything is scored."""
        if self.scoring is None or isinstance(self.scoring, str):
            return [_metric_name(self.scoring)]
        return [] if callable(self.scoring) else [*self.scoring]

    def negated(self, metrics: Iterable[str]) -> tuple[str, ...]:
        """Return the metrics that are the negative of a loss."""
        return negated_losses(self.scoring, metrics)

    def _check(self, scored, metrics, scale):
        """Raise an error if there are scores that cannot be compared."""
        whose = f"of estimator {scored.estimator!r} in repetition {scored.repeat}"
        if set(scored.scores) != set(metrics):
            raise ValueError(
                f"scoring gives {[*scored.scores]} {whose}, and {metrics} elsewhere."
            )
        for metric, score in scored.scores.items():
            if not np.isfinite(score):
                raise ValueError(
                    f"The {metric} {whose} is {score}: only finite scores can be "
                    "compared."
                )
            if scale == RATIO:
                is_loss = metric in self.losses
                errors(metric, [score], is_loss, metric in self.negated(metrics))

    @property
    def can_go_on(self) -> bool:
        """Whether there are more repetitions than those of a cross-validation."""
        return isinstance(self.data, FreshData)

    def measure(self, repeat: int) -> list[Scored]:
        """Return what each estimator scores in a repetition."""
        seed = self.entropy, repeat
        sample = self.data.draw(seed, repeat)
        self._check_labels(sample, repeat)
        return [
            self._recall(name, with_seeds(estimator, seed), sample, repeat)
            for name, estimator in self.estimators.items()
        ]

    def _check_labels(self, sample, repeat):
        """Raise an error where a score counts points of labels that no test point has.

        scikit-learn then warns and scores 0, whatever was predicted.
        """
        scorers = scorers_of(self.scoring, self._named_metrics())
        names = [s if isinstance(s, str) else n for n, s in scorers.items()]
        needy = [
            name
            for name in names
            if name.startswith(_BY_LABEL) and not name.endswith(_OVER_ALL)
        ]
        labels = np.asarray(sample.y)
        if not needy or labels.ndim > 1:
            return
        missing = np.setdiff1d(labels, labels[sample.split[1]])
        if len(missing):
            raise ValueError(
                f"scoring: {needy[0]!r} is not defined in repetition {repeat}: no test "
                f"point has the label {missing[0].item()!r}. Take more test points, or "
                "splits that are stratified."
            )

    def _recall(self, name, estimator, sample, repeat):
        """Fit and score, or take from memory."""
        metadata = _metadata_for(estimator, sample.metadata)
        sample = Sample(sample.X, sample.y, sample.split, metadata)
        compute = partial(self._fit_and_score, name, estimator, sample, repeat)
        if self.fingerprints is None:
            return compute()
        # Here, since TensorFlow takes seconds to import.
        from ..memory import NotCacheable, load_or_compute

        def keep():
            scored = compute()
            if scored.failure:
                raise NotCacheable(scored[2:])
            return scored[2:]

        # No estimators, which are not to be pickled in all processes: they follow from
        # what is known of them and the seed.
        seed = self.entropy, repeat
        key = self.fingerprints[name]
        kept = load_or_compute(self.memory, keep, key, seed, *sample)
        return Scored(repeat, name, *kept)

    def _fit_and_score(self, name, estimator, sample, repeat):
        """Fit and score, or say why that failed."""
        where = f"estimator {name!r} failed in repetition {repeat}"
        try:
            scores, seconds = _cross_validate(estimator, sample, self.scoring)
        except OSError as error:  # a full disk, say, which is not for a score to hide
            error.add_note(where)
            raise
        except Exception as error:
            reason = error
            if isinstance(error, InvalidParameterError) and error.__cause__:
                reason = error.__cause__  # whose words are not about cross_validate
            if self.error_score == "raise":
                raise ValueError(f"{where}: {reason}") from error
            failure = f"{where}, and scores {self.error_score}: {reason}"
            return Scored(repeat, name, {}, np.nan, failure)
        return Scored(repeat, name, scores, seconds)


# Scores that are not defined without test points of each label, but for averages that
# count all points alike.
_BY_LABEL = (
    *("recall", "precision", "f1", "jaccard", "balanced_accuracy", "roc_auc"),
    "average_precision",
)
_OVER_ALL = ("micro", "weighted", "samples")


def _metric_name(scoring):
    """Return the name of a single metric."""
    if isinstance(scoring, str):
        return scoring
    name = getattr(scoring, "__name__", "score") if is_plain(scoring) else "score"
    return name if name.isidentifier() else "score"  # a lambda has none


def _metadata_for(estimator, metadata):
    """Return the metadata without validation points that `fit` does not request."""
    if not get_config()["enable_metadata_routing"]:
        return metadata
    asked = get_routing_for_object(estimator).consumes("fit", metadata)
    optional = {"X_val", "y_val"} - set(asked)
    return {name: metadata[name] for name in sorted(metadata) if name not in optional}


def _cross_validate(estimator, sample, scoring):
    found = cross_validate(
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
        for name, (score,) in found.items()
        if name.startswith("test_")
    }
    if [*scores] == ["score"]:
        scores = {_metric_name(scoring): scores["score"]}
    return scores, float(found["fit_time"][0])


def takes_validation(estimators: Iterable) -> bool:
    """Return whether an estimator takes validation points, as far as can be told."""
    if not get_config()["enable_metadata_routing"]:
        return True
    routings = map(get_routing_for_object, estimators)
    return any(routing.consumes("fit", ["X_val"]) for routing in routings)
