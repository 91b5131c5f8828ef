"""Each claim of the paper, tested: the sentence, its comparison, a verdict.

What is compared. Every claim is a number per pair, positive where the pair is for the
claim; ``effect`` is its mean. Pairs are repetitions: one seed's data, split and initial
weights on both sides. On Table II they are the settings of the grid that differ in
nothing but the parameter in question, all on one data set: that another data set would
rank them alike they do not tell, and 30 repetitions of the leading candidates do. The
paper's scores are extremes over the epochs on few validation points, which flatter, the
more so the fewer the points; so the same is asked of the accuracy on test points.

How it is tested. Two hypotheses, both with Student's t: that there is no effect
(``p_value``), and that there is one worth naming (``p_against``), each with Holm's
correction over the claims of the same figure or table. A claim to beat several rivals
is true if it beats all of them (the p-value is the largest; against it speaks a single
rival, by Bonferroni), a claim that something can help if one of several does. The rival
shown is the one that decides. The intervals are Student's, 95 %, for that comparison by
itself.

The verdict. *holds*: there is an effect, and one worth naming is not ruled out. *does
not hold*: one worth naming is ruled out; the note says whether the opposite is so.
*not distinguishable from seed noise*: neither. *cannot be tested as published*: none of
the networks compared learns anything. For a claim that there is no difference the two
hypotheses change places.

The smallest effect worth naming is half a point of accuracy, 20 of the 4,000 test
points, and 0.005 of loss, an eighth of the smallest that the paper prints; per doubling
of the number of samples a fifth of that, for there are six doublings; and of a norm 1 %
per unit of the noise, for the paper's largest is 3. ``detectable`` is the effect that
so many pairs, spread as these are, find with a power of 80 % where it is the family's
smallest p-value: with 30 pairs and a family of 20, about 0.7 standard deviations.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from scipy.stats import linregress

from sklearn_toydnn._ttest import PairedTTest, detectable_effect, holm

from .. import paper
from .._repetitions import interval, new_figure
from .._study import Study
from .table2_grid_search import PARAMETERS

LEVELS = {"level": 0.05, "power": 0.8}
WORTH_NAMING = {"accuracy": 0.005, "loss": 0.005}
MEANINGS = {  # unit and sign: whether more is better
    "max_val_accuracy": ("accuracy", 1),
    "min_val_loss": ("loss", -1),
    "test_accuracy": ("accuracy", 1),
}
WORDS = {
    "max_val_accuracy": "maximum validation accuracy",
    "min_val_loss": "minimum validation loss",
    "test_accuracy": "test accuracy",
}

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
    rivals: dict  # differences by rival, positive where a pair is for the claim
    smallest: float
    some: bool = False  # whether one rival is enough
    none: bool = False  # whether the claim is that there is no difference
    why_untestable: str = ""
    note: str = ""


# ---- judging


def judge(*frames, level, power):
    """Return one row per claim."""
    figure3, table1, table2, leaders, table3, noise = frames
    learnt = _learnt(leaders)
    return judge_claims(
        [
            *_figure3(figure3),
            *_table1(table1),
            *_table2(table2, learnt),
            *_leaders(leaders, learnt),
            *_table3(table3),
            *_noise(noise),
        ],
        level,
        power,
    )


def judge_claims(claims, level, power):
    """Return effect, interval, corrected p-values and verdict of each claim."""
    rows = pd.DataFrame([_test(claim, level) for claim in claims])
    tested = rows["p_value"].notna()
    by_family = rows[tested].groupby("family")
    for name in ("p_value", "p_against"):
        rows.loc[tested, name] = by_family[name].transform(lambda p: holm(p, level)[0])
    n_claims = rows["family"].map(rows["family"].value_counts())
    rows["detectable"] = rows.pop("spread") * [
        detectable_effect(n, level / m, power)
        for n, m in zip(rows["n_pairs"], n_claims, strict=True)
    ]
    verdicts = [
        _verdict(claim, row, level)
        for claim, row in zip(claims, rows.to_dict("records"), strict=True)
    ]
    rows.insert(6, "verdict", [verdict for verdict, _ in verdicts])
    rows["note"] = [note for _, note in verdicts]
    return rows


def _test(claim, level):
    """Return what is found against the rival that decides, not yet corrected."""
    n_rivals = len(claim.rivals)
    tests = {rival: PairedTTest(d) for rival, d in claim.rivals.items()}
    p_for = {rival: test.p_value(0, "greater") for rival, test in tests.items()}
    p_against = {
        rival: test.p_value(claim.smallest, "less") for rival, test in tests.items()
    }
    decides = min if claim.some else max
    rival = decides(p_for, key=p_for.get)
    if claim.some:
        p_value, p_no = min(1, n_rivals * p_for[rival]), max(p_against.values())
    else:
        p_value, p_no = p_for[rival], min(1, n_rivals * min(p_against.values()))
    if claim.none:
        p_value, p_no = p_no, p_value
    test = tests[rival]
    low, high = test.interval(1 - level)
    untestable = bool(claim.why_untestable)
    return {
        "claim": claim.sentence,
        "source": claim.source,
        "effect": test.mean,
        "ci_low": low,
        "ci_high": high,
        "p_value": np.nan if untestable else p_value,
        "p_against": np.nan if untestable else p_no,
        "against": rival,
        "unit": claim.unit,
        "smallest": claim.smallest,
        "n_pairs": test.n,
        "family": claim.family,
        "spread": test.spread,
    }


def _verdict(claim, row, level):
    """Return the verdict and a note."""
    if claim.why_untestable:
        return UNTESTABLE, claim.why_untestable
    found, refuted = row["p_value"] < level, row["p_against"] < level
    if claim.none:
        if found:
            return HOLDS, claim.note
        return (DOES_NOT if refuted else NOISE), claim.note
    if not refuted:
        return (HOLDS if found else NOISE), claim.note
    if found:
        why = "there is an effect, but too small to name"
    elif row["ci_high"] < 0:
        why = "the opposite is so"
    else:
        why = "no effect worth naming"
    return DOES_NOT, f"{why}; {claim.note}" if claim.note else why


# ---- the claims


def _paired(frame, by, one, other, value, pair="seed"):
    """Return, per pair, the value where column `by` is `one` minus where `other`."""
    wide = frame[frame[by].isin([one, other])].pivot(
        index=pair, columns=by, values=value
    )
    return (wide[one] - wide[other]).to_numpy()


def _slopes(frame, x, y):
    """Return the slope of y on x of each repetition."""
    by_seed = frame.groupby("seed")
    return np.array([linregress(part[x], part[y]).slope for _, part in by_seed])


def _figure3(frame):
    source, family = "Results, Number of generated samples; Fig. 3", "Fig. 3"
    frame = frame.assign(doublings=np.log2(frame["n_samples"]))
    published, control = (frame[frame["equal"] == e] for e in ("epochs", "steps"))
    asked = [(published, score, "equal epochs") for score in MEANINGS]
    asked.append((control, "test_accuracy", "control: equal gradient steps"))
    for (rows, score, note), function in product(asked, paper.MAKERS):
        unit, sign = MEANINGS[score]
        part = rows[rows["function"] == function]
        yield Claim(
            f"{function}: {WORDS[score]} gets worse as samples get fewer ({note})",
            source,
            family,
            f"{unit} per doubling of N",
            {"": sign * _slopes(part, "doublings", score)},
            WORTH_NAMING[unit] / 5,
        )
    sizes = sorted(frame["n_samples"].unique())
    few, enough, many = sizes[0], sizes[-3], sizes[-1]
    for rows, score, note in asked:
        unit, sign = MEANINGS[score]
        if unit == "loss":
            continue
        fewest = rows[rows["n_samples"] == few]
        f3 = rows[rows["function"] == "f3"]
        yield Claim(
            f"f3 is learnt from fewer samples than f1 and f2: {WORDS[score]} at "
            f"N = {few} ({note})",
            source,
            family,
            unit,
            {r: _paired(fewest, "function", "f3", r, score) for r in ("f1", "f2")},
            WORTH_NAMING[unit],
        )
        yield Claim(
            f"f3: too many samples hurt: {WORDS[score]} at N = {many}, not {enough} "
            f"({note})",
            source,
            family,
            unit,
            {"": _paired(f3, "n_samples", enough, many, score)},
            WORTH_NAMING[unit],
        )


def _table1(frame):
    source, family = "Results, Data augmentation; Table I", "Table I"
    noisy = frame[frame["fraction"] > 0]
    for score, (unit, sign) in MEANINGS.items():
        smallest = WORTH_NAMING[unit]
        for fraction, part in noisy.groupby("fraction"):
            for std, place, pairs in [
                (3, "best", [(3, 1), (3, 2)]),
                (2, "worst", [(1, 2), (3, 2)]),
            ]:
                yield Claim(
                    f"{100 * fraction:.0f} % of copies: a standard deviation of {std} "
                    f"is {place}, by {WORDS[score]}",
                    source,
                    family,
                    unit,
                    {
                        f"{other} against {one}": sign
                        * _paired(part, "std", one, other, score)
                        for one, other in pairs
                    },
                    smallest,
                )
        for std, part in noisy.groupby("std"):
            yield Claim(
                f"10 % of copies are better than 20 %, standard deviation {std:g}, by "
                f"{WORDS[score]}",
                source,
                family,
                unit,
                {"": sign * _paired(part, "fraction", 0.1, 0.2, score)},
                smallest,
            )
        none = frame[frame["fraction"] == 0].set_index("seed")[score]
        gains = {
            f"{100 * fraction:.0f} %, {std:g}": sign
            * (part.set_index("seed")[score] - none).to_numpy()
            for (fraction, std), part in noisy.groupby(["fraction", "std"])
        }
        for verb, direction in {"help": 1, "hurt": -1}.items():
            yield Claim(
                f"Adding noisy copies can {verb}, by {WORDS[score]}",
                "Conclusions",
                family,
                unit,
                {name: direction * gain for name, gain in gains.items()},
                smallest,
                some=True,
            )


INITIALIZERS = {"zeros": "as published", "glorot_uniform": "working initializer"}
PARAMETER_WORDS = {
    "optimizer": "optimizer",
    "activation": "activation of the hidden layers",
    "output_activation": "activation of the output",
    "units": "number of units per layer",
    "dropout_rate": "dropout rate",
}
# The paper says "a smaller number" and "around 0.3": their neighbours are no rivals.
NO_RIVALS = {"units": [10], "dropout_rate": [0.2, 0.4]}


def _learnt(leaders):
    """Return which initializer and function have a leader above the majority."""
    gain = leaders.assign(gain=leaders["accuracy"] - leaders["majority"])
    by = ["initializer", "function"]
    low = gain.groupby([*by, "rank"])["gain"].agg(lambda gain: interval(gain)[0])
    return low.groupby(by).max() > WORTH_NAMING["accuracy"]


def _why_untestable(learnt, initializer, function):
    if learnt[initializer, function]:
        return ""
    return "no network learns more than the share of the majority"


def _table2(frame, learnt):
    """Compare the published value of a parameter with every other, cell by cell."""
    published = paper.TABLE2.set_index("function")
    for initializer, function, parameter in product(
        INITIALIZERS, paper.MAKERS, PARAMETERS
    ):
        cells = frame[
            (frame["initializer"] == initializer) & (frame["function"] == function)
        ]
        best = published.loc[function, parameter]
        values = cells[parameter].unique()
        near = NO_RIVALS.get(parameter, []) if best != 15 else []
        rivals = [value for value in values if value != best and value not in near]
        if best not in values or not rivals:  # in a slice of the grid
            continue
        others = ["seed", *(name for name in PARAMETERS if name != parameter)]
        yield Claim(
            f"{function}: {best} is the best {PARAMETER_WORDS[parameter]} "
            f"({INITIALIZERS[initializer]})",
            "Results, Grid search; Table II",
            f"Table II, {INITIALIZERS[initializer]}",
            "accuracy, mean over the grid",
            {
                str(rival): _paired(cells, parameter, best, rival, "accuracy", others)
                for rival in rivals
            },
            WORTH_NAMING["accuracy"],
            why_untestable=_why_untestable(learnt, initializer, function),
            note="pairs are settings on one data set",
        )


def _leaders(frame, learnt):
    """Compare the published candidate with the leaders of the grid."""
    for initializer, function in product(INITIALIZERS, paper.MAKERS):
        part = frame[
            (frame["initializer"] == initializer) & (frame["function"] == function)
        ]
        published = part[part["published"]].set_index("seed")["accuracy"]
        rivals = part[~part["published"]].groupby(PARAMETERS)
        if published.empty or not len(rivals):  # in a slice of the grid
            continue
        yield Claim(
            f"{function}: the published candidate is the best "
            f"({INITIALIZERS[initializer]})",
            "Results, Grid search; Table II",
            "Table II, leading candidates",
            "accuracy",
            {
                ", ".join(map(str, values)): (
                    published - rival.set_index("seed")["accuracy"]
                ).to_numpy()
                for values, rival in rivals
            },
            WORTH_NAMING["accuracy"],
            why_untestable=_why_untestable(learnt, initializer, function),
        )


def _table3(frame):
    source, family = "Results, Weight initialization; Table III", "Table III"
    f1 = frame[(frame["function"] == "f1") & (frame["activation"] == "relu")]
    for score, (unit, sign) in MEANINGS.items():
        yield Claim(
            f"RandomNormal is the best of the six initializers, by {WORDS[score]}",
            source,
            family,
            unit,
            {
                rival: sign * _paired(f1, "initializer", "random_normal", rival, score)
                for rival in paper.TABLE3["initializer"]
                if rival != "random_normal"
            },
            WORTH_NAMING[unit],
        )
    fluctuation = {
        name: (part["test_accuracy"] - part["test_accuracy"].median()).abs().to_numpy()
        for name, part in f1.groupby("initializer")
    }
    yield Claim(
        "Zero weights avoid fluctuations of the results (f1, mean absolute deviation)",
        "Conclusions",
        family,
        "accuracy",
        {"glorot_uniform": fluctuation["glorot_uniform"] - fluctuation["zeros"]},
        WORTH_NAMING["accuracy"] / 5,  # of a deviation, not of a mean
    )
    equal = frame[frame["initializer"].isin(["zeros", "ones"])]
    for (function, activation, initializer), part in equal.groupby(
        ["function", "activation", "initializer"], sort=False
    ):
        yield Claim(
            f"Weights that are all {initializer} learn nothing "
            f"({function}, {activation} hidden layers)",
            "ours, on Table III",
            family,
            "accuracy above the majority's share",
            {"": (part["test_accuracy"] - part["majority"]).to_numpy()},
            WORTH_NAMING["accuracy"],
            none=True,
        )


def _noise(frame):
    family = "Training with noise"
    words = {"fresh": "fresh noise", "copies": "20 % of copies"}
    for noise, measure in product(words, ["gradient_norm", "weight_norm"]):
        part = frame[(frame["noise"] == noise) & (frame["std"] <= 3)]
        without = part[part["std"] == 0].set_index("seed")[measure]
        share = part.assign(share=part[measure] / part["seed"].map(without))
        for what, differences in {
            "falls with its amount": -_slopes(share, "std", "share"),
            "falls, standard deviation 1": _paired(share, "std", 0.0, 1.0, "share"),
        }.items():
            yield Claim(
                f"Training with noise regularises: the {measure.replace('_', ' ')} "
                f"{what} ({words[noise]})",
                "Methods; reference 13",
                family,
                "share of the norm without noise, per unit of noise",
                {"": differences},
                0.01,
            )
    for noise, part in frame.groupby("noise"):
        yield Claim(
            "A small amount of noise aids generalization, standard deviation 1 "
            f"({words[noise]})",
            "Methods; reference 12",
            family,
            "accuracy",
            {"": _paired(part, "std", 1.0, 0.0, "test_accuracy")},
            WORTH_NAMING["accuracy"],
        )


# ---- results


def summary(frame):
    """Return the claims with what was found, rounded."""
    shown = frame[["claim", "effect", "ci_low", "ci_high", "p_value", "verdict"]]
    return shown.round(4)


def plot(frame):
    """Draw each effect in units of the smallest worth naming."""
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
    ax.set_xlabel("effect for the claim, in smallest effects worth naming (dotted)")
    figure.legend(loc="outside lower center", ncols=4)
    return figure


STUDY = Study(
    __name__,
    title="The paper's claims, tested",
    alt=(
        "For each claim its effect with a 95 % interval, in units of the smallest "
        "effect worth naming, coloured by verdict."
    ),
    full=LEVELS,
    quick=LEVELS,
    needs=(
        "figure3_sample_size",
        "table1_augmentation",
        "table2_grid_search",
        "table2_leaders",
        "table3_initializers",
        "noise_regularization",
    ),
    judge=judge,
    summary=summary,
    plot=plot,
)
