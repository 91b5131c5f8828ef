"""The direction of metrics: scores, losses and negated losses.

As everywhere in scikit-learn, greater scores are better. A metric is a loss only if the
user declares it in `losses`; its name is used for a warning only.
"""

import warnings
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sklearn.metrics import get_scorer, get_scorer_names


def scorers_of(scoring: object, metrics: Iterable[str]) -> dict[str, object]:
    """Return each metric's scorer: a name, a scorer object, a function or None."""
    if isinstance(scoring, dict):
        return scoring
    if scoring is None or callable(scoring):
        return dict.fromkeys(metrics, scoring)
    return {metric: metric for metric in metrics}


def is_plain_function(scorer: object) -> bool:
    """Return whether a scorer is a function, not made by `make_scorer`."""
    return callable(scorer) and not hasattr(scorer, "get_metadata_routing")


def negated_losses(scoring: object, metrics: Iterable[str]) -> tuple[str, ...]:
    """Return the metrics that are the negative of a loss, such as "neg_log_loss"."""
    scorers = scorers_of(scoring, metrics)
    return tuple(m for m in metrics if is_negated(m, scorers.get(m)))


def is_negated(metric: str, scorer: Any = None) -> bool:
    """Return whether a metric is the negative of a loss, by its scorer or its name."""
    if isinstance(scorer, str):
        return scorer in _negated_names()
    if scorer is None or is_plain_function(scorer):
        return metric in _negated_names()
    return scorer._sign == -1


@lru_cache
def _negated_names():
    """Return the names of scikit-learn's scorers that are negated losses."""
    return frozenset(n for n in get_scorer_names() if get_scorer(n)._sign == -1)


def check_losses(
    losses: Iterable[str], negated: Iterable[str], metrics: Iterable[str]
) -> None:
    """Raise a ValueError unless `losses` are metrics, and none is a negated loss."""
    unknown = sorted(set(losses) - set(metrics))
    if unknown:
        raise ValueError(
            f"losses contains {unknown}, but the metrics are {[*metrics]}."
        )
    both = sorted(set(losses) & set(negated))
    if both:
        raise ValueError(
            f"losses contains {both}, which are negated losses: greater is better. "
            "Remove them from losses."
        )


def warn_about_undeclared_losses(
    scoring: object, metrics: Iterable[str], losses: Iterable[str], stacklevel: int
) -> None:
    """Warn if metrics are named like losses but are not declared in `losses`."""
    scorers = scorers_of(scoring, metrics)
    suspects = [
        metric
        for metric in metrics
        if metric not in losses and _is_named_like_loss(metric, scorers.get(metric))
    ]
    if suspects:
        warnings.warn(
            f"scoring: {', '.join(suspects)} is treated as a score (greater is "
            f"better). If less is better, pass losses={suspects}. If greater is "
            "better, start the metric's name with 'neg_' to silence this warning.",
            stacklevel=stacklevel + 1,
        )


def _is_named_like_loss(metric, scorer):
    """Return whether the name of a metric, or of its function, is that of a loss."""
    if metric.startswith("neg_") or not callable(scorer):
        return False
    if is_plain_function(scorer):
        names = [metric, getattr(scorer, "__name__", "")]
    elif scorer._sign == 1:
        names = [getattr(scorer._score_func, "__name__", "")]
    else:
        return False
    return any(name.endswith(("loss", "error")) for name in names)
