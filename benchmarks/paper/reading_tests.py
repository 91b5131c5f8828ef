"""How likely published numbers are under a reading of the paper: proper scores, ranks.

The seeds of a reading are a forecast of a table's whole vector, for one seed gives all
of its cells: losses and errors, by their logarithms. A wide forecast holds nearly
anything, so readings are ranked by the energy score (Gneiting and Raftery 2007), which
is smallest, on average, for the forecast that the numbers were drawn from. In its fair
form, for any number of seeds. Whether a score is as good as it should be, the seeds
tell: were the published numbers one more seed's, each of all of them, left out and
scored by the others, would score as badly as likely (a permutation test).
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

    Of `frame` a reading's rows are those of the same `by`; `p_score` is the share of
    all vectors, the published one among them, that score as badly as that one does;
    `p_extreme` and `p_central` of those whose ranks are as far from the middle, or as
    near to it. `inside` counts the values that are neither below nor above all seeds.
    """
    rows = [
        {**dict(zip([*by, "table", "n_samples"], key, strict=True)), **_judge(part)}
        for key, part in frame.groupby([*by, "table", "n_samples"], sort=False)
    ]
    return pd.DataFrame(rows)


def _judge(part):
    seeds, published = vectors(part)
    everyone = np.vstack([seeds, published])
    places = np.arange(len(everyone))
    scores, distances = (
        np.array([measure(everyone[places != one], everyone[one]) for one in places])
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
    """Return a table's logarithms of losses and errors: of each seed, and published.

    An error of 0, which has no logarithm, counts as half a validation point's.
    """
    (table,), (n_samples,) = part["table"].unique(), part["n_samples"].unique()
    published = CELLS[table].set_index("cell")
    wide = part.pivot(index="seed", columns="cell", values=[*SCORE_OF.values()])
    half = 0.5 / (n_samples // 5)
    ours, theirs = [], []
    for measure, name in SCORE_OF.items():
        values = wide[name][published.index], published[f"published_{measure}"]
        for found, value in zip((ours, theirs), values, strict=True):
            value = value.to_numpy()
            if measure == "accuracy":
                value = np.maximum(1 - value, half)
            found.append(np.log(value))
    return np.concatenate(ours, axis=1), np.concatenate(theirs)


def energy_score(forecast, outcome):
    """Return the fair energy score of (n_seeds, n_values): less is better."""
    from_outcome = cdist(forecast, outcome[np.newaxis]).mean()
    return from_outcome - pdist(forecast).mean() / 2


def quantiles(forecast, outcome):
    """Return, for each value, where it lies among the seeds: from 0 to 1."""
    below = np.mean(forecast < outcome, axis=0)
    return below + np.mean(forecast == outcome, axis=0) / 2


def _distance_from_middle(forecast, outcome):
    return np.abs(quantiles(forecast, outcome) - 0.5).mean()
