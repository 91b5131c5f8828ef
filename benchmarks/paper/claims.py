"""The paper's sentences, tested: a verdict on each, from the tests under it.

What is compared. Pairs: repetitions of one seed, whose data, split and initial weights
are the same on both sides; of two functions or two numbers of points, data are others,
and of the fluctuations they are one data set's. Errors and losses are compared by
their ratio (near a ceiling of 99.7 % half a point is no scale), their differences stand
beside it. The smallest effect worth naming is a factor of 1.1, per doubling of the
number of samples too; of the accuracy above the majority's share half a point, of the
mean distance from the median a tenth of a point. The paper's scores are extremes over
the epochs on few validation points, which flatter, the more so the fewer the points:
sentences about its tables are decided by these scores, sentences about what a network
learns by the error on 4,000 test points. Each is asked after 5, 10, 20, 50 and more
epochs; the last epoch of a reading decides (on the way, the error is that on validation
points).

How it is tested. With the tests of `compare`: that there is no effect, and that it is
smaller than the smallest worth naming, with Student's t and Holm's correction over the
sentences, for each reading, and for either weights of Table II. "X is best" is true if
it beats each rival: the least favourable decides. "It can help" is true if one of
several ways does, "not always" if one of several steps does not by anything worth
naming, both by Bonferroni's correction.

The verdict. *holds*: there is an effect, and not shown to be small. *true, but small*:
it is shown. *does not hold*, *does not hold, by little*: the same for the opposite; of
a best one, that another is better. *no difference worth naming*: none is found, and
one worth naming is ruled out, in the comparison that decides. *cannot be told from seed
noise*: none of these. *cannot be tested*: no effect could have shown, since nothing is
learnt on either side, or most repetitions make no error on either, or never reach what
is asked (such comparisons take no part where others can).
"""

import numpy as np

from .._figures import new_figure
from .._study import Study
from .judging import EQUAL, HOLDS, NOISE, NOT, NOT_SMALL, SMALL, judge
from .published import READINGS
from .sentences import (
    data_augmentation,
    grid_search,
    number_of_samples,
    training_with_noise,
    weight_initialization,
)


def judge_all(*frames, alpha):
    """Return the verdicts: see `judge`."""
    samples, copies, grid, leaders, initializers, fluctuations, noises = frames
    return judge(
        {
            "Methods: training with noise": training_with_noise.claims(noises),
            "Number of generated samples": number_of_samples.claims(samples),
            "Data augmentation": data_augmentation.claims(copies),
            "Grid search": grid_search.claims(grid, leaders),
            "Weight initialization": weight_initialization.claims(
                initializers, fluctuations
            ),
        },
        alpha,
    )


def is_whole(frame):
    """Return which rows are about all comparisons together: they name none.

    Read again from a file, an empty name is a missing one.
    """
    return frame["comparison"].fillna("") == ""


def deciding(frame):
    """Return the rows that decide, one for each sentence and variant."""
    return frame[frame["decides"] & is_whole(frame)]


def summary(frame):
    """Return what decides, rounded."""
    shown = ["claim", "variant", "decided_by", "effect", "ci_low", "ci_high"]
    return deciding(frame)[[*shown, "p_value", "n_agree", "verdict"]].round(4)


VARIANTS = [[*READINGS], [*grid_search.WEIGHTS.values()]]
FIRST_VARIANTS = [first for first, _ in VARIANTS]
COLORS = {
    HOLDS: "#0072b2",
    SMALL: "#56b4e9",
    EQUAL: "#999999",
    NOISE: "#cccccc",
    NOT_SMALL: "#e69f00",
    NOT: "#d55e00",
}


def plot(frame):
    """Draw what decides, in smallest effects worth naming."""
    rows = deciding(frame).copy()
    is_ratio = rows["unit"] == "ratio"
    unit = np.where(is_ratio, np.log1p(rows["margin"]), rows["margin"])
    for name in ("effect", "ci_low", "ci_high"):
        rows[name] = np.where(
            is_ratio, np.log(rows[name].where(is_ratio, 1)), rows[name]
        )
        rows[name] /= unit
    claims = rows["claim"].unique().tolist()
    figure, axes = new_figure(1, 1, width=12, height=0.42 * len(claims))
    ax = axes[0][0]
    for row in rows.to_dict("records"):
        second = row["variant"] not in FIRST_VARIANTS
        place = claims.index(row["claim"]) + (0.15 if second else -0.15)
        color = COLORS.get(row["verdict"], "#eeeeee")
        ax.plot([row["ci_low"], row["ci_high"]], [place] * 2, color=color, linewidth=2)
        ax.plot(row["effect"], place, "D" if second else "o", color=color)
        ax.annotate(
            row["verdict"],
            (1.01, place),
            xycoords=("axes fraction", "data"),
            verticalalignment="center",
            fontsize=6,
        )
    for verdict, color in COLORS.items():
        ax.plot([], [], "-", color=color, linewidth=4, label=verdict)
    for mark, variants in ("o", 0), ("D", 1):
        names = " / ".join(dict.fromkeys(pairs[variants] for pairs in VARIANTS))
        ax.plot([], [], mark, color="black", label=names)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.axvspan(-1, 1, color="gray", alpha=0.1, linewidth=0)
    ax.set_xscale("symlog", linthresh=2)
    ax.set_yticks(range(len(claims)), claims, fontsize=8)
    ax.margins(y=0.01)
    ax.invert_yaxis()
    ax.set_xlabel("effect for the claim, in smallest effects worth naming (grey band)")
    figure.legend(loc="outside lower center", ncols=4)
    return figure


STUDY = Study(
    __name__,
    title="The paper's sentences, tested",
    alt=(
        "For each sentence the effect that decides, with its 95 % interval, in units "
        "of the smallest effect worth naming, coloured by verdict, for two readings."
    ),
    full={"alpha": 0.05},
    quick={"alpha": 0.05},
    needs=(
        "figure3_sample_size",
        "table1_augmentation",
        "table2_grid_search",
        "table2_leaders",
        "table3_initializers",
        "fluctuations",
        "noise_regularization",
    ),
    judge=judge_all,
    summary=summary,
    plot=plot,
)
