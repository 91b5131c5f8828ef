"""What the page says of its pictures, in words."""

from ._figures import TRAINING, VALIDATION
from ._setting import write

KEY = f"""<p class="caption"><span style="color: {TRAINING}">━━ training</span>
<span style="color: {VALIDATION}">╍╍ validation</span> (500 other points). Of many: the
mean, and the band from the lowest to the highest.</p>"""
OF_ONE = (
    "Dots: training points, by label. Background: the answer, the paler the less sure."
)
OF_MEAN = "The answers' mean; dots: the training points of the first network."
OF_SHARE = "Red: where many of the networks give another answer than most do."
OF_DOTS = "A dot a network; diamond and bar: their mean and its 95 % interval."
OF_DIFFERENCES = (
    "A dot a repetition; diamond and bar: their mean and its interval, since the last "
    "look. Grey: differences that are too small to be of interest."
)


def describe_accuracy(session):
    """Return in words how right the networks are."""
    mean, interval = session.mean_accuracy
    n = len(session.fits)
    if n == 1:
        return f"<p>Accuracy on 2,000 test points: <strong>{mean:.4f}</strong></p>"
    words = f"<p>Accuracy on test points, mean of {n}: <strong>{mean:.4f}</strong>"
    if interval is not None:
        words += f", 95 % interval {interval[0]:.4f} to {interval[1]:.4f}"
    lowest, highest = session.accuracies.min(), session.accuracies.max()
    return f"{words}; single networks {lowest:.4f} to {highest:.4f}.</p>"


def describe_verdict(session):
    """Return in words how A and B differ, and what is found of it."""
    a, b = session.page.kept, session.page.setting
    apart = [
        f"<p>{name}: A {write(getattr(a, name))}, B {write(getattr(b, name))}</p>"
        for name in b.differences(a)
    ]
    row = session.verdict
    if row is None:
        waiting = "" if session.remark else "<p>No verdict before the first look.</p>"
        return "".join([*apart, waiting])
    verdict, mean = row["verdict"], row["effect"]
    low, high = row["effect_ci_low"], row["effect_ci_high"]
    if verdict == "undecided":
        found = f"<strong>Undecided</strong>: a difference of {mean:+.4f} is measured"
    elif verdict == "equivalent":
        found = (
            f"B is <strong>equivalent</strong> to A, to less than "
            f"{session.page.margin}: a difference of {mean:+.4f} is measured"
        )
    else:
        how = "higher" if mean > 0 else "lower"
        found = (
            f"B is <strong>{verdict}</strong>, its accuracy {how} by {abs(mean):.4f}"
        )
    interval = f"{100 * (1 - row['level']):.4g} % interval"
    return "".join(
        [
            *apart,
            f'<p class="verdict">{found}</p>',
            f"<p>{interval} {low:+.4f} to {high:+.4f}: up to four looks.</p>",
        ]
    )


def describe_divergence(fits):
    """Return how many networks diverged, or what the one says of it."""
    diverged = [fit.warning for fit in fits if fit.warning]
    if len(fits) > 1 and diverged:
        return f"{len(diverged)} of {len(fits)} networks diverged."
    return "".join(diverged)
