"""How likely the published numbers are under a reading: proper scores and ranks.

Each seed of a reading gives all values of a table, so the seeds are a forecast of the
whole vector: the logarithms of its losses and errors. A wide forecast contains almost
any numbers. Readings are therefore ranked by the energy score (Gneiting and Raftery
2007), which is lowest on average for the distribution that the numbers come from. We
use its fair form, whose mean does not depend on the number of seeds. A permutation test
shows whether a score is as good as it should be: if the published numbers were one more
seed, any of the seeds, scored by all others, would be equally likely to score worst.
"""

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist, pdist

from .published import TABLE1, TABLE3, name_of_copies
from .summaries import SCORE_OF

CELLS = {
    "Table I": TABLE1.assign(
        cell=[
            name_of_copies(*arm)
            for arm in zip(TABLE1["fraction"], TABLE1["std"], strict=True)
        ]
    ),
    "Table III": TABLE3.assign(cell=TABLE3["initializer"]),
}


def judge(frame, by):
    """Return score and ranks of the published numbers, a row per reading and table.

    Rows of `frame` with the same values of the columns `by` belong to one reading.
    `p_score` is the share of all vectors, including the published one, that score at
    least as badly as the published one. `p_extreme` and `p_central` are the shares
    whose ranks are at least as far from the middle, or at least as near to it. `inside`
    counts the values that are neither below nor above all seeds.
    """
    rows = [
        {**dict(zip([*by, "table", "n_samples"], key, strict=True)), **_judge(part)}
        for key, part in frame.groupby([*by, "table", "n_samples"], sort=False)
    ]
    return pd.DataFrame(rows)


def _judge(part):
    seeds, published = vectors(part)
    all_vectors = np.vstack([seeds, published])
    places = np.arange(len(all_vectors))
    scores, distances = (
        np.array([measure(all_vectors[places != i], all_vectors[i]) for i in places])
        for measure in (energy_score, _distance_from_middle)
    )
    return {
        "n_seeds": len(seeds),
        "score": scores[-1],
        "left_out": scores[:-1].mean(),
        "p_score": np.mean(scores >= scores[-1]),
        "p_extreme": np.mean(distances >= distances[-1]),
        "p_central": np.mean(distances <= distances[-1]),
        "inside": int(np.sum(quantiles(seeds, published) % 1 > 0)),
    }


def vectors(part):
    """Return the log losses and log errors of a table, of each seed and published.

    An error of 0 counts as half a validation point.
    """
    (table,), (n_samples,) = part["table"].unique(), part["n_samples"].unique()
    published = CELLS[table].set_index("cell")
    wide = part.pivot(index="seed", columns="cell", values=[*SCORE_OF.values()])
    half = 0.5 / (n_samples // 5)
    ours, theirs = [], []
    for measure, name in SCORE_OF.items():
        values = wide[name][published.index], published[f"published_{measure}"]
        for logs, value in zip((ours, theirs), values, strict=True):
            value = value.to_numpy()
            if measure == "accuracy":
                value = np.maximum(1 - value, half)
            logs.append(np.log(value))
    return np.concatenate(ours, axis=1), np.concatenate(theirs)


def energy_score(forecast, outcome):
    """Return the fair energy score of (n_seeds, n_values) values; lower is better."""
    from_outcome = cdist(forecast, outcome[np.newaxis]).mean()
    return from_outcome - pdist(forecast).mean() / 2


def quantiles(forecast, outcome):
    """Return the quantile of each value among the seeds, from 0 to 1."""
    below = np.mean(forecast < outcome, axis=0)
    return below + np.mean(forecast == outcome, axis=0) / 2


def _distance_from_middle(forecast, outcome):
    return np.abs(quantiles(forecast, outcome) - 0.5).mean()
