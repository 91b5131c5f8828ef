"""The texts that describe the pictures and results of the page."""

from ._figures import TRAINING, VALIDATION
from ._setting import to_text

CURVES = f"""<p class="caption"><span style="color: {TRAINING}">━━ training</span>
<span style="color: {VALIDATION}">╍╍ validation</span> (500 separate points). With
several networks: the mean (line) and the range from lowest to highest (band).</p>"""
ONE_NETWORK = (
    "Dots: training points, colored by label. Background: predicted class, paler where "
    "the network is less sure."
)
MEAN = (
    "Background: class predicted by the mean of all networks. Dots: training points of "
    "the first network."
)
DISAGREEMENT = "The redder an area, the more networks disagree with the majority."
ACCURACIES = (
    "One dot per network. Diamond and bar: mean accuracy and 95 % confidence interval."
)
DIFFERENCES = (
    "One dot per repetition. Diamond and bar: mean difference and confidence interval "
    "at the last test. Gray: differences smaller than the margin."
)


def describe_accuracy(session):
    """Return a text with the accuracy of the networks."""
    mean, interval = session.mean_accuracy
    n = len(session.fits)
    if n == 1:
        return f"<p>Accuracy on 2,000 test points: <strong>{mean:.4f}</strong></p>"
    text = (
        f"<p>Mean accuracy of {n} networks on test points: <strong>{mean:.4f}</strong>"
    )
    if interval is not None:
        low, high = interval
        text += f", 95 % confidence interval {low:.4f} to {high:.4f}"
    lowest, highest = session.accuracies.min(), session.accuracies.max()
    return f"{text}. Single networks: {lowest:.4f} to {highest:.4f}.</p>"


def describe_verdict(session):
    """Return a text with the differences between A and B and the verdict."""
    a, b = session.page.baseline, session.page.setting
    parameters = [
        f"<p>{name}: A {to_text(getattr(a, name))}, B {to_text(getattr(b, name))}</p>"
        for name in b.differences(a)
    ]
    row = session.verdict
    if row is None:
        waiting = "" if session.remark else "<p>No verdict yet.</p>"
        return "".join([*parameters, waiting])
    verdict, mean = row["verdict"], row["effect"]
    low, high = row["effect_ci_low"], row["effect_ci_high"]
    measured = f"the measured difference in accuracy, B − A, is {mean:+.4f}"
    if verdict == "undecided":
        text = f"<strong>Undecided</strong>: {measured}"
    elif verdict == "equivalent":
        margin = session.page.margin
        text = f"B is <strong>equivalent</strong> to A (margin {margin}): {measured}"
    else:
        direction = "higher" if mean > 0 else "lower"
        text = (
            f"B is <strong>{verdict}</strong>: "
            f"its accuracy is {abs(mean):.4f} {direction}"
        )
    level = f"{100 * (1 - row['level']):.4g} %"
    interval = f"{level} confidence interval {low:+.4f} to {high:+.4f}"
    return "".join(
        [
            *parameters,
            f'<p class="verdict">{text}.</p>',
            f"<p>{interval}. Its level is corrected for up to four tests.</p>",
        ]
    )


def describe_divergence(fits):
    """Return the number of networks that diverged, or the warning of a single one."""
    warnings = [fit.warning for fit in fits if fit.warning]
    if len(fits) > 1 and warnings:
        return f"{len(warnings)} of {len(fits)} networks diverged."
    return "".join(warnings)
