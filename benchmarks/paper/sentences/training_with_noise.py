"""Sentences on training with noise (Methods; references 12 and 13)."""

from itertools import product

from ..judging import NONE, SOME, Sentence, ratio
from ..noise_regularization import FAULTS, MEASURES
from ..paired_effects import ask, versus
from ..summaries import pick

NOISES = {"fresh": "fresh noise", "copies": "20 % of copies"}
WORDS = MEASURES | {
    "test_accuracy": "test points",
    "perturbed": "weights off by 20 %",
    "pruned": "5 % of weights lost",
}


def _with_noise(measures, noises=("fresh",), std=1.0):
    """Compare networks trained with some noise to those without."""

    def effects(at, _):
        return {
            f"{NOISES[noise]}, {WORDS[name]}": versus(
                pick(at, noise=noise, std=std), pick(at, noise=noise, std=0.0), name
            )
            for noise, name in product(noises, measures)
        }

    return effects


def _like_penalty(std):
    def effects(at, _):
        rows = pick(at, noise="fresh", std=std).sort_values("seed")
        return {f"noise {std:g}": ratio(rows["penalty"], rows["added_loss"])}

    return effects


def claims(frame):
    """Yield what the paper takes from the literature."""
    both, norms = ("fresh", "copies"), ["gradient_norm", "weight_norm"]
    stds = [std for std in sorted(frame["std"].unique()) if std > 1]
    added = frame.assign(
        **{
            fault: frame["test_accuracy"] - frame[f"{fault}_accuracy"]
            for fault in FAULTS
        }
    )

    def more(effects_of, label, rows, how):
        return [
            one
            for std in stds
            for one in ask(
                rows,
                effects_of(std),
                {label: [""]},
                False,
                f", standard deviation {std:g}",
                how=how,
            )
        ]

    yield Sentence(
        "A small amount of noise aids generalization",
        "adding a small amount of random noise to our data can aid generalization",
        "Methods; reference 12",
        [
            *ask(
                frame, _with_noise(["test_accuracy"], both), {"error": [""]}, how=SOME
            ),
            *more(
                lambda std: _with_noise(["test_accuracy"], both, std),
                "error",
                frame,
                SOME,
            ),
        ],
    )
    yield Sentence(
        "A small amount of noise aids fault tolerance",
        "[...] and fault tolerance of our model",
        "Methods; reference 12",
        [
            *ask(added, _with_noise(FAULTS, both), {"error added": [""]}, how=SOME),
            *more(
                lambda std: _with_noise(FAULTS, both, std), "error added", added, SOME
            ),
        ],
    )
    yield Sentence(
        "Training with noise is equivalent to Tikhonov regularisation",
        "training with noise is equivalent to Tikhonov regularization",
        "Methods; reference 13",
        [
            *ask(frame, _like_penalty(1.0), {"loss added / penalty": [""]}, how=NONE),
            *more(_like_penalty, "loss added / penalty", frame, NONE),
            *ask(frame, _with_noise(norms), {"norms": [""]}, False),
            *ask(
                frame,
                _with_noise(norms, ["copies"]),
                {"norms": [""]},
                False,
                ", copies",
            ),
        ],
    )
