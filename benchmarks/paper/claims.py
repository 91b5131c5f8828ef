"""The claims of the paper, tested: one verdict for each claim.

Comparisons. A sentence of the paper becomes one or more testable claims, and each claim
becomes comparisons between networks. Comparisons are paired: both networks of a pair
use the same data, split and initial weights, drawn from one seed. (Exceptions: other
functions or numbers of samples need other data, and the study of fluctuations uses one
data set.) Errors and losses are compared by their ratio, because differences are tiny
near an accuracy of 99.7 %; the report also shows the differences. The margin, the
smallest effect that counts as relevant, is a factor of 1.1 (also for each doubling of
the number of samples). It is 0.005 for the accuracy minus the share of the majority
class, and 0.001 for the mean distance of the accuracies from their median (study of
fluctuations). The paper reports the best score of all epochs, which is too optimistic,
most of all with few validation points. Claims about the tables of the paper are decided
by these scores. Claims about learning are decided by the error on 4,000 test points.
All claims of the paper are tested after 5, 10, 20, 50 and more epochs. The last epoch
of a reading decides; earlier epochs use the error on validation points.

Tests. They are the tests of the function compare: a t-test of no effect, and an
equivalence test, which tests whether an effect is smaller than the margin. Holm's
method corrects for the number of claims. It is applied separately to each reading and,
for Table II, to zero and to random initial weights. "X is best" requires that X beats
every rival, so the least favorable comparison decides. "X can help" requires one
comparison in which X helps. "More is not always better" requires one comparison in
which more does not improve the result beyond the margin. The last two use Bonferroni's
correction.

Verdicts. Supported: an effect in favor of the claim is significant, and not shown to be
smaller than the margin. Supported, but negligible: the effect is significant, but shown
to be smaller than the margin. The verdicts "contradicted" and "contradicted, but
negligible" mean the same for an effect against the claim; for "X is best", this is an
effect in favor of a rival. No difference: no effect is significant, and in the deciding
comparison an effect as large as the margin is ruled out. Inconclusive: none of these.
Not testable: no effect could be seen, because neither network learns, because most
repetitions make no error on either side, or because the number of samples needed lies
outside the tested range. Such comparisons are left out if others can be tested. A claim
that there is no difference is supported if all effects are shown to be smaller than the
margin.
"""

import numpy as np

from .._figures import new_figure
from .._study import Study
from .claims_by_section import (
    data_augmentation,
    grid_search,
    number_of_samples,
    training_with_noise,
    weight_initialization,
)
from .judging import (
    CONTRADICTED,
    INCONCLUSIVE,
    NEGLIGIBLY_CONTRADICTED,
    NEGLIGIBLY_SUPPORTED,
    NO_DIFFERENCE,
    SUPPORTED,
    judge,
)
from .published import READINGS


def judge_all(*frames, alpha):
    """Return the verdicts from the results of the studies: see `judge`."""
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


def is_overall(frame):
    """Return which rows are about all comparisons together: they have no name.

    pandas reads an empty name from a file as a missing value.
    """
    return frame["comparison"].fillna("") == ""


def deciding(frame):
    """Return the rows that decide, one for each claim and variant."""
    return frame[frame["decides"] & is_overall(frame)]


def summary(frame):
    """Return the verdicts with their effects, rounded."""
    shown = ["claim", "variant", "decided_by", "effect", "ci_low", "ci_high"]
    return deciding(frame)[[*shown, "p_value", "n_agree", "verdict"]].round(4)


VARIANTS = [[*READINGS], [*grid_search.WEIGHTS.values()]]
FIRST_VARIANTS = [first for first, _ in VARIANTS]
COLORS = {
    SUPPORTED: "#0072b2",
    NEGLIGIBLY_SUPPORTED: "#56b4e9",
    NO_DIFFERENCE: "#999999",
    INCONCLUSIVE: "#cccccc",
    NEGLIGIBLY_CONTRADICTED: "#e69f00",
    CONTRADICTED: "#d55e00",
}


def plot(frame):
    """Draw the deciding effects in units of the margin."""
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
    ax.set_xlabel("effect in favor of the claim, in units of the margin (gray band)")
    figure.legend(loc="outside lower center", ncols=4)
    return figure


STUDY = Study(
    __name__,
    title="The claims of the paper, tested",
    alt=(
        "The deciding effect of each claim with its 95 % confidence interval, in units "
        "of the margin, colored by verdict, for two readings."
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
