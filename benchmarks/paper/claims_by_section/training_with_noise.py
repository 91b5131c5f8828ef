"""Claims about training with noise (Methods; references 12 and 13)."""

from itertools import product

from ..judging import NONE, SOME, Claim, ratio
from ..noise_regularization import FAULTS, MEASURES
from ..paired_effects import make_hypotheses, paired_ratio
from ..summaries import pick

NOISES = {"fresh": "fresh noise", "copies": "20 % noisy copies"}
WORDS = MEASURES | {
    "test_accuracy": "test error",
    "perturbed": "weights perturbed by 20 %",
    "pruned": "5 % of weights pruned",
}


def _with_noise(measures, noises=("fresh",), std=1.0):
    """Compare networks trained with noise with those trained without."""

    def effects(at, _):
        return {
            f"{NOISES[noise]}, {WORDS[name]}": paired_ratio(
                pick(at, noise=noise, std=std), pick(at, noise=noise, std=0.0), name
            )
            for noise, name in product(noises, measures)
        }

    return effects


def _like_penalty(std):
    def effects(at, _):
        rows = pick(at, noise="fresh", std=std).sort_values("seed")
        return {
            f"noise standard deviation {std:g}": ratio(
                rows["penalty"], rows["added_loss"]
            )
        }

    return effects


def claims(frame):
    """Yield the claims that the paper takes from the literature."""
    both, norms = ("fresh", "copies"), ["gradient_norm", "weight_norm"]
    stds = [std for std in sorted(frame["std"].unique()) if std > 1]
    added = frame.assign(
        **{
            fault: frame["test_accuracy"] - frame[f"{fault}_accuracy"]
            for fault in FAULTS
        }
    )

    def with_more_noise(effects_of, label, rows, quantifier):
        return [
            hypothesis
            for std in stds
            for hypothesis in make_hypotheses(
                rows,
                effects_of(std),
                {label: [""]},
                False,
                f", noise standard deviation {std:g}",
                quantifier=quantifier,
            )
        ]

    yield Claim(
        "A small amount of noise aids generalization",
        "adding a small amount of random noise to our data can aid generalization",
        "Methods; reference 12",
        [
            *make_hypotheses(
                frame,
                _with_noise(["test_accuracy"], both),
                {"error": [""]},
                quantifier=SOME,
            ),
            *with_more_noise(
                lambda std: _with_noise(["test_accuracy"], both, std),
                "error",
                frame,
                SOME,
            ),
        ],
    )
    yield Claim(
        "A small amount of noise aids fault tolerance",
        "[...] and fault tolerance of our model",
        "Methods; reference 12",
        [
            *make_hypotheses(
                added,
                _with_noise(FAULTS, both),
                {"error added by faults": [""]},
                quantifier=SOME,
            ),
            *with_more_noise(
                lambda std: _with_noise(FAULTS, both, std),
                "error added by faults",
                added,
                SOME,
            ),
        ],
    )
    yield Claim(
        "Training with noise is equivalent to Tikhonov regularization",
        "training with noise is equivalent to Tikhonov regularization",
        "Methods; reference 13",
        [
            *make_hypotheses(
                frame,
                _like_penalty(1.0),
                {"added loss / penalty": [""]},
                quantifier=NONE,
            ),
            *with_more_noise(_like_penalty, "added loss / penalty", frame, NONE),
            *make_hypotheses(
                frame, _with_noise(norms), {"weight and gradient norms": [""]}, False
            ),
            *make_hypotheses(
                frame,
                _with_noise(norms, ["copies"]),
                {"weight and gradient norms": [""]},
                False,
                ", copies",
            ),
        ],
    )
