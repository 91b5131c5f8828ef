"""Each claim of the paper, tested: the sentence, its comparison, a verdict.

How a claim is judged
    Every claim is a number per pair: ours is ``effect``, the mean difference in the
    direction that supports the claim, so that a positive effect is for it. Pairs are
    repetitions (one seed's data, split and initial weights on both sides) or, for
    Table II, the cells of the grid that differ in nothing but the parameter in
    question. The interval is Student's, 95 %, of the mean difference; the p-value that
    of the paired t-test, two-sided, after Holm's correction over the claims of the
    same figure or table. A claim that something is the best, or beats several others,
    is judged by the rival that it beats least surely (an intersection-union test).

    ``holds``: significant at 5 %, with a positive effect, and a difference worth
    naming is not ruled out. ``does not hold``: the interval rules a difference worth
    naming out. ``not distinguishable from seed noise``: neither. A claim that there is
    no difference holds where the interval rules one out, and does not where the
    difference is significant; its p-value is that of the hypothesis that there is one
    worth naming. ``cannot be tested as published``: no network that it compares has
    learnt anything, its accuracy being that of the majority.

    The smallest difference worth naming is half a point of accuracy: 20 of the 4,000
    test points, and what the paper prints its differences to. Other units state their
    own, in the entry. ``detectable`` is the difference that as many pairs find with a
    power of 80 %, from the spread between them.
"""

from dataclasses import dataclass
from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from . import paper
from ._study import new_figure
from .table2_grid_search import PARAMETERS

NEEDS = [
    "figure3_sample_size",
    "table1_augmentation",
    "table2_grid_search",
    "table2_leaders",
    "table3_initializers",
    "noise_regularization",
]
TITLE = "The paper's claims, tested"
ALT = (
    "For each claim its effect with a 95 % interval, in units of the smallest "
    "difference worth naming, coloured by verdict."
)
FULL = {"level": 0.05, "power": 0.8}
QUICK = FULL
POINT = 0.01  # of accuracy
WORTH_NAMING = 0.5 * POINT
SMALLEST_LOSS = 0.005  # a tenth of what the paper's best networks reach

HOLDS = "holds"
DOES_NOT = "does not hold"
NOISE = "not distinguishable from seed noise"
UNTESTABLE = "cannot be tested as published"


@dataclass
class Claim:
    """A sentence of the paper in our words, and the differences that test it."""

    sentence: str
    source: str
    family: str  # the claims that Holm's correction runs over
    unit: str
    differences: list  # an array per rival, positive where a pair is for the claim
    smallest: float = WORTH_NAMING
    none: bool = False  # whether the claim is that there is no difference
    why_untestable: str = ""


def judge(*frames, level, power):
    """Return one row per claim."""
    figure3, table1, table2, leaders, table3, noise = frames
    claims = [
        *_figure3(figure3),
        *_table1(table1),
        *_table2(table2),
        *_leaders(leaders),
        *_table3(table3),
        *_noise(noise),
    ]
    rows = pd.DataFrame([_test(claim, level, power) for claim in claims])
    tested = rows["p_value"].notna()
    rows.loc[tested, "p_value"] = (
        rows[tested]
        .groupby("family")["p_value"]
        .transform(lambda p: multipletests(p, method="holm")[1])
    )
    verdicts = [
        _verdict(c, row, level)
        for c, row in zip(claims, rows.to_dict("records"), strict=True)
    ]
    rows.insert(6, "verdict", verdicts)
    return rows


def _test(claim, level, power):
    """Return effect, interval and p-value against the rival least surely beaten."""
    results = [_ttest(differences) for differences in claim.differences]
    differences, result = min(
        zip(claim.differences, results, strict=True), key=lambda pair: pair[1].statistic
    )
    low, high = result.confidence_interval(1 - level)
    p_value = result.pvalue
    if claim.none:
        p_value = _ttest(differences - claim.smallest, alternative="less").pvalue
    n_pairs = len(differences)
    found = TTestPower().solve_power(nobs=n_pairs, alpha=level, power=power)
    return {
        "claim": claim.sentence,
        "source": claim.source,
        "effect": np.mean(differences),
        "ci_low": low,
        "ci_high": high,
        "p_value": np.nan if claim.why_untestable else p_value,
        "unit": claim.unit,
        "smallest": claim.smallest,
        "detectable": found * np.std(differences, ddof=1),
        "n_pairs": n_pairs,
        "family": claim.family,
        "note": claim.why_untestable,
    }


def _ttest(differences, alternative="two-sided"):
    """Return SciPy's paired t-test; differences that are all one have no spread."""
    if len(differences) < 2 or not np.isfinite(differences).all():
        raise ValueError(f"A claim needs two pairs or more, all finite: {differences}")
    if np.ptp(differences) > 0:
        return stats.ttest_1samp(differences, 0, alternative=alternative)
    mean = differences[0]
    against = mean if alternative == "less" else -abs(mean)
    return SimpleNamespace(
        statistic=np.sign(mean) * np.inf if mean else 0.0,
        pvalue=float(against >= 0),
        confidence_interval=lambda level: (mean, mean),
    )


def _verdict(claim, row, level):
    significant = row["p_value"] < level
    if claim.why_untestable:
        return UNTESTABLE
    if claim.none:
        if significant:
            return HOLDS
        return DOES_NOT if row["ci_low"] > 0 else NOISE
    if row["ci_high"] < claim.smallest:
        return DOES_NOT
    return HOLDS if significant and row["effect"] > 0 else NOISE


# ---- the claims


def _paired(frame, by, one, other, value, pair=("seed",)):
    """Return, per pair, the value where column `by` is `one` minus where `other`."""
    wide = frame.pivot_table(index=list(pair), columns=by, values=value)
    return (wide[one] - wide[other]).dropna().to_numpy()


def _slopes(frame, x, y):
    """Return the slope of y on x of each repetition."""
    by_seed = frame.groupby("seed")
    return np.array([stats.linregress(part[x], part[y]).slope for _, part in by_seed])


def _figure3(frame):
    source, family = "Results, Number of generated samples; Fig. 3", "Fig. 3"
    frame = frame.assign(doublings=np.log2(frame["n_samples"]))
    for equal, note, accuracy in [
        ("epochs", "equal epochs, as published", "max_val_accuracy"),
        # With more epochs for fewer points, extremes over them would flatter those.
        ("steps", "control: equal gradient steps, test accuracy", "test_accuracy"),
    ]:
        for function, part in frame[frame["equal"] == equal].groupby("function"):
            yield Claim(
                f"{function}: accuracy falls as the number of samples does ({note})",
                source,
                family,
                "accuracy per doubling of N",
                [_slopes(part, "doublings", accuracy)],
                smallest=0.1 * POINT,  # over six doublings, more than half a point
            )
    published = frame[frame["equal"] == "epochs"]
    for function, part in published.groupby("function"):
        yield Claim(
            f"{function}: loss rises as the number of samples falls",
            source,
            family,
            "loss per doubling of N",
            [-_slopes(part, "doublings", "min_val_loss")],
            smallest=SMALLEST_LOSS,
        )
    sizes = sorted(published["n_samples"].unique())
    fewest = published[published["n_samples"] == sizes[0]]
    yield Claim(
        f"f3 is learnt from fewer samples than f1 and f2 (N = {sizes[0]})",
        source,
        family,
        "accuracy",
        [
            _paired(fewest, "function", "f3", rival, "max_val_accuracy")
            for rival in ("f1", "f2")
        ],
    )
    f3 = published[published["function"] == "f3"]
    yield Claim(
        f"f3: accuracy falls with too many samples (N = {sizes[-1]}, not {sizes[-3]})",
        source,
        family,
        "accuracy",
        [_paired(f3, "n_samples", sizes[-3], sizes[-1], "max_val_accuracy")],
    )


def _table1(frame):
    source, family = "Results, Data augmentation; Table I", "Table I"
    scores = [
        ("max_val_accuracy", 1, WORTH_NAMING),
        ("min_val_loss", -1, SMALLEST_LOSS),
    ]
    for (fraction, part), (score, sign, smallest) in product(
        frame[frame["fraction"] > 0].groupby("fraction"), scores
    ):
        unit = {1: "accuracy", -1: "loss"}[sign]

        def better(one, other, part=part, score=score, sign=sign):
            return sign * _paired(part, "std", one, other, score)

        for sentence, pairs in [
            ("a standard deviation of 3 is best", [(3, 1), (3, 2)]),
            ("a standard deviation of 2 is worst", [(1, 2), (3, 2)]),
        ]:
            yield Claim(
                f"{100 * fraction:.0f} % of copies: {sentence}, by {unit}",
                source,
                family,
                unit,
                [better(*pair) for pair in pairs],
                smallest,
            )
    for std, part in frame[frame["fraction"] > 0].groupby("std"):
        yield Claim(
            f"10 % of copies are better than 20 % (standard deviation {std:g})",
            source,
            family,
            "accuracy",
            [_paired(part, "fraction", 0.1, 0.2, "max_val_accuracy")],
        )
    with_copies = frame.assign(copies=frame["fraction"] > 0)
    yield Claim(
        "Adding noisy copies helps at all (mean of the six, not none)",
        "Conclusions",
        family,
        "accuracy",
        [_paired(with_copies, "copies", True, False, "max_val_accuracy")],
    )


_WORDS = {
    "optimizer": "optimizer",
    "activation": "activation of the hidden layers",
    "output_activation": "activation of the output",
    "units": "number of units per layer",
    "dropout_rate": "dropout rate",
}


def _table2(frame):
    """Compare the published value of a parameter with every other, cell by cell."""
    source = "Results, Grid search; Table II"
    names = {"zeros": "as published", "glorot_uniform": "working initializer"}
    published = paper.TABLE2.set_index("function")
    for initializer, function, parameter in product(names, paper.MAKERS, PARAMETERS):
        cells = frame[
            (frame["initializer"] == initializer) & (frame["function"] == function)
        ]
        best = published.loc[function, parameter]
        values = cells[parameter].unique()
        rivals = [value for value in values if value != best]
        others = [name for name in PARAMETERS if name != parameter]
        what = f"{best} is the best {_WORDS[parameter]}"
        learnt = (cells["accuracy"] - cells["majority"]).max() > WORTH_NAMING
        if best not in values or not rivals:  # in a slice of the grid
            continue
        yield Claim(
            f"{function}: {what} ({names[initializer]})",
            source,
            f"Table II, {names[initializer]}",
            "accuracy, mean over the grid",
            [
                _paired(cells, parameter, best, rival, "accuracy", ["seed", *others])
                for rival in rivals
            ],
            why_untestable=""
            if learnt
            else "no network of the grid learns more than the share of the majority",
        )


def _leaders(frame):
    """Compare the published candidate with the leaders of the grid."""
    names = {"zeros": "as published", "glorot_uniform": "working initializer"}
    for initializer, function in product(names, paper.MAKERS):
        part = frame[
            (frame["initializer"] == initializer) & (frame["function"] == function)
        ]
        published = part[part["published"]].set_index("seed")["accuracy"]
        rivals = part[~part["published"]]
        if published.empty or rivals.empty:  # in a slice of the grid
            continue
        yield Claim(
            f"{function}: the published candidate is the best ({names[initializer]})",
            "Results, Grid search; Table II",
            "Table II, leading candidates",
            "accuracy",
            [
                (published - rival.set_index("seed")["accuracy"]).to_numpy()
                for _, rival in rivals.groupby("rank")
            ],
        )


def _table3(frame):
    source, family = "Results, Weight initialization; Table III", "Table III"
    f1 = frame[(frame["function"] == "f1") & (frame["activation"] == "relu")]
    for unit, score, sign, smallest in [
        ("accuracy", "max_val_accuracy", 1, WORTH_NAMING),
        ("loss", "min_val_loss", -1, SMALLEST_LOSS),
    ]:
        yield Claim(
            f"RandomNormal is the best of the six initializers, by {unit}",
            source,
            family,
            unit,
            [
                sign * _paired(f1, "initializer", "random_normal", rival, score)
                for rival in paper.TABLE3["initializer"]
                if rival != "random_normal"
            ],
            smallest,
        )
    equal = frame[frame["initializer"].isin(["zeros", "ones"])]
    for (function, activation, initializer), part in equal.groupby(
        ["function", "activation", "initializer"], sort=False
    ):
        yield Claim(
            f"Weights that are all {initializer} learn nothing "
            f"({function}, {activation} hidden layers)",
            source,
            family,
            "accuracy above the majority's share",
            [(part["test_accuracy"] - part["majority"]).to_numpy()],
            none=True,
        )


def _noise(frame):
    source, family = "Methods; reference 13", "Training with noise"
    for noise, measure in product(
        ["fresh", "copies"], ["gradient_norm", "weight_norm"]
    ):
        part = frame[frame["noise"] == noise]
        without = part[part["std"] == 0].set_index("seed")[measure]
        share = part.assign(share=part[measure] / part["seed"].map(without))
        yield Claim(
            f"Training with noise regularises: the {measure.replace('_', ' ')} falls "
            f"({'fresh noise' if noise == 'fresh' else '20 % of copies'})",
            source,
            family,
            "share of the norm per unit of the noise",
            [-_slopes(share, "std", "share")],
            smallest=0.01,
        )
    for noise, part in frame.groupby("noise"):
        yield Claim(
            "A small amount of noise aids generalization, standard deviation 1 "
            f"({'fresh noise' if noise == 'fresh' else '20 % of copies'})",
            "Methods; reference 12",
            family,
            "accuracy",
            [_paired(part, "std", 1.0, 0.0, "test_accuracy")],
        )


# ---- results


def summary(frame):
    """Return the claims with what was found, rounded."""
    shown = frame[["claim", "effect", "ci_low", "ci_high", "p_value", "verdict"]]
    return shown.round(4)


def plot(frame):
    """Draw each effect in units of the smallest difference worth naming."""
    colors = {HOLDS: "C2", DOES_NOT: "C3", NOISE: "gray", UNTESTABLE: "lightgray"}
    figure, axes = new_figure(1, 1, width=12, height=0.28 * len(frame))
    ax = axes[0][0]
    for i, row in enumerate(frame.to_dict("records")):
        effect, low, high = (
            row[name] / row["smallest"] for name in ("effect", "ci_low", "ci_high")
        )
        color = colors[row["verdict"]]
        ax.plot([low, high], [i, i], color=color, linewidth=2)
        ax.plot(effect, i, "o", color=color)
    for verdict, color in colors.items():
        ax.plot([], [], "o-", color=color, label=verdict)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.axvline(1, color="black", linewidth=0.8, linestyle=":")
    ax.set_xscale("symlog", linthresh=2)
    ax.set_yticks(range(len(frame)), frame["claim"], fontsize=8)
    ax.margins(y=0.01)
    ax.invert_yaxis()
    ax.set_xlabel("effect for the claim, in smallest differences worth naming (dotted)")
    figure.legend(loc="outside lower center", ncols=4)
    return figure


if __name__ == "__main__":
    import sys

    from .__main__ import main

    main(["claims", *sys.argv[1:]])
