"""One repetition of a comparison: data, seeds, every estimator fitted and scored."""

import warnings
import zlib
from collections import Counter
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
from sklearn.utils import check_consistent_length, shuffle
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.parallel import Parallel, delayed

from ._scale import RATIO, check_smallest, errors, named_losses

# ---- data


class Sample(NamedTuple):
    """Points, which of them are for training and for testing, validation points."""

    X: Any
    y: Any
    split: tuple
    metadata: dict


@dataclass(frozen=True)
class Fresh:
    """Data that a maker draws anew for each repetition."""

    maker: Any
    train_size: int
    test_size: int
    val_size: int

    def check(self, entropy):
        """Say so if the maker does not do as its `random_state` tells it to."""
        first, again, second = (self._make((entropy, n), n)[0] for n in (0, 0, 1))
        if np.array_equal(first, second):
            raise ValueError(
                "maker gives the same points whatever its random_state: repetitions "
                "need fresh ones. For one data set there are X, y and cv."
            )
        if not np.array_equal(first, again):
            warnings.warn(
                "maker gives other points for the same random_state: the comparison "
                "cannot be repeated.",
                stacklevel=4,
            )

    def draw(self, seed, repeat):
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
            made = self.maker(n, random_state=_seed(seed, "maker"))
        except Exception as error:
            raise ValueError(f"maker failed in repetition {repeat}: {error}") from error
        if not isinstance(made, tuple) or len(made) != 2:
            raise ValueError(f"maker must return X and y, and nothing else: {made!r}.")
        check_consistent_length(*made)
        if len(made[1]) != n:
            raise ValueError(f"maker made {len(made[1])} points of {n}.")
        return made


@dataclass(frozen=True)
class Fixed:
    """The splits of one data set."""

    X: Any
    y: Any
    splits: list

    def draw(self, seed, repeat):
        """Return a split of the data."""
        return Sample(self.X, self.y, self.splits[repeat], {})


# ---- seeds


def _seed(seed, name, index=0):
    """Return a number for a use of its own of a repetition's seed."""
    words = np.random.SeedSequence([*seed, zlib.crc32(name.encode()), index])
    return int(words.generate_state(1)[0] >> 1)


def with_seeds(estimator, seed):
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
    scores: dict
    seconds: float
    failure: str = ""


@dataclass(frozen=True)
class Repetitions:
    """All that a repetition needs: repetition `n` is the same on every call."""

    estimators: dict
    data: Fresh | Fixed
    scoring: Any
    entropy: int
    error_score: Any = "raise"
    memory: Any = None
    known_by: dict | None = None  # by estimator, in memory; None if nothing is kept

    def score(self, repeats, scale, smallest, n_jobs, verbose):
        """Return the scores of repetitions, tidy.

        What cannot be compared is an error as soon as it is seen.
        """
        parallel = Parallel(n_jobs=n_jobs, return_as="generator")
        found = parallel(delayed(self.measure)(repeat) for repeat in repeats)
        done, metrics = [], self._named_metrics()
        what = f"repetitions {repeats[0] + 1} to {repeats[-1] + 1}"
        for scored in track(found, what, len(repeats), disable=not verbose):
            for one in scored:
                metrics = metrics or [*one.scores]
                if one.failure:
                    warnings.warn(one.failure, FitFailedWarning, stacklevel=5)
                else:
                    self._check(one, metrics, scale)
            if metrics:
                check_smallest(smallest, metrics)
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

    def _named_metrics(self):
        """Return the metrics as far as they are known before anything is scored."""
        if self.scoring is None or isinstance(self.scoring, str):
            return [_name(self.scoring)]
        return [] if callable(self.scoring) else [*self.scoring]

    def losses(self, metrics):
        """Return the metrics of which less is better.

        scikit-learn's scorers turn losses so that more is better, whatever they are
        called; plain functions tell by the names of their scores.
        """
        if callable(self.scoring):
            return named_losses(metrics)
        scorers = self.scoring if isinstance(self.scoring, dict) else {}
        return named_losses(name for name, s in scorers.items() if _is_plain(s))

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
                errors(metric, [score], metric in self.losses(metrics))

    @property
    def can_go_on(self):
        """Whether there are more repetitions than those of a cross-validation."""
        return isinstance(self.data, Fresh)

    def measure(self, repeat):
        """Return what each estimator scores in a repetition."""
        seed = self.entropy, repeat
        sample = self.data.draw(seed, repeat)
        return [
            self._recall(name, with_seeds(estimator, seed), sample, repeat)
            for name, estimator in self.estimators.items()
        ]

    def _recall(self, name, estimator, sample, repeat):
        """Fit and score, or take from memory."""
        metadata = _metadata_for(estimator, sample.metadata)
        sample = Sample(sample.X, sample.y, sample.split, metadata)
        compute = partial(self._fit_and_score, name, estimator, sample, repeat)
        if self.known_by is None:
            return compute()
        # Here, since TensorFlow takes seconds to import.
        from .memory import NotToBeKept, recall

        def keep():
            scored = compute()
            if scored.failure:
                raise NotToBeKept(scored[2:])
            return scored[2:]

        # No estimators, which are not to be pickled in all processes: they follow from
        # what is known of them and the seed.
        seed = self.entropy, repeat
        kept = recall(self.memory, keep, self.known_by[name], seed, *sample)
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


def _name(scoring):
    """Return the name of a single metric."""
    if isinstance(scoring, str):
        return scoring
    name = getattr(scoring, "__name__", "score") if _is_plain(scoring) else "score"
    return name if name.isidentifier() else "score"  # a lambda has none


def _is_plain(scorer):
    """Return whether a scorer is a function, and none that scikit-learn has made."""
    return callable(scorer) and not hasattr(scorer, "get_metadata_routing")


def _metadata_for(estimator, metadata):
    """Return what of the metadata goes to `fit`, as scikit-learn routes it."""
    if not get_config()["enable_metadata_routing"]:
        return metadata
    asked = get_routing_for_object(estimator).consumes("fit", metadata)
    return {name: metadata[name] for name in sorted(asked)}


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
        scores = {_name(scoring): scores["score"]}
    return scores, float(found["fit_time"][0])


def takes_validation(estimators):
    """Return whether an estimator takes validation points, as far as can be told."""
    if not get_config()["enable_metadata_routing"]:
        return True
    routings = map(get_routing_for_object, estimators)
    return any(routing.consumes("fit", ["X_val"]) for routing in routings)
