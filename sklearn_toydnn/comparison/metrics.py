"""What a metric means: whether greater or less is better, and of which scorer it is.

scikit-learn's rule holds for every scorer and every score of a search: greater is
better. A loss is declared, never guessed from a name.
"""

import warnings
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sklearn.metrics import get_scorer, get_scorer_names


def scorers_of(scoring: object, metrics: Iterable[str]) -> dict[str, object]:
    """Return the scorer of each metric: a name, a scorer, a function or None."""
    if isinstance(scoring, dict):
        return scoring
    if scoring is None or callable(scoring):
        return dict.fromkeys(metrics, scoring)
    return {metric: metric for metric in metrics}


def is_plain(scorer: object) -> bool:
    """Return whether a scorer is a function, and none that scikit-learn has made."""
    return callable(scorer) and not hasattr(scorer, "get_metadata_routing")


def negated_losses(scoring: object, metrics: Iterable[str]) -> tuple[str, ...]:
    """Return the metrics that are the negative of a loss, as "neg_log_loss" is."""
    scorers = scorers_of(scoring, metrics)
    return tuple(m for m in metrics if is_negated(m, scorers.get(m)))


def is_negated(metric: str, scorer: Any = None) -> bool:
    """Return whether a metric is the negative of a loss, by its scorer or its name."""
    if isinstance(scorer, str):
        return scorer in _negated_names()
    if scorer is None or is_plain(scorer):
        return metric in _negated_names()
    return scorer._sign == -1


@lru_cache
def _negated_names():
    """Return the names of scikit-learn's scorers that are negatives of losses."""
    return frozenset(n for n in get_scorer_names() if get_scorer(n)._sign == -1)


def check_losses(
    losses: Iterable[str], negated: Iterable[str], metrics: Iterable[str]
) -> None:
    """Raise an error unless `losses` are metrics of which less is better."""
    unknown = sorted(set(losses) - set(metrics))
    if unknown:
        raise ValueError(f"losses names {unknown}, but the metrics are {[*metrics]}.")
    turned = sorted(set(losses) & set(negated))
    if turned:
        raise ValueError(
            f"losses names {turned}, which are negated: greater is better. Leave them "
            "out of losses."
        )


def warn_of_suspects(
    scoring: object, metrics: Iterable[str], losses: Iterable[str], stacklevel: int
) -> None:
    """Warn of losses, by their names, that are taken as scores."""
    scorers = scorers_of(scoring, metrics)
    suspects = [
        metric
        for metric in metrics
        if metric not in losses and _looks_like_a_loss(metric, scorers.get(metric))
    ]
    if suspects:
        warnings.warn(
            f"scoring: {', '.join(suspects)} counts as a score, of which greater is "
            f"better. If less is better, give losses={suspects}; if greater is, begin "
            "the name of the metric with 'neg_' to have no warning.",
            stacklevel=stacklevel + 1,
        )


def _looks_like_a_loss(metric, scorer):
    """Return whether a metric, or the function behind it, is named like a loss."""
    if metric.startswith("neg_") or not callable(scorer):
        return False
    if is_plain(scorer):
        names = [metric, getattr(scorer, "__name__", "")]
    elif scorer._sign == 1:
        names = [getattr(scorer._score_func, "__name__", "")]
    else:
        return False
    return any(name.endswith(("loss", "error")) for name in names)
