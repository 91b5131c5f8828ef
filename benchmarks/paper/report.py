"""The report of a run: one page for a browser, a phone or a printer, report.html."""

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .._png import embed
from .._runner import write_atomically
from . import readings, readings_screening, table2_grid_search
from .claim_pictures import draw_claim
from .claims import FIRST_VARIANTS, deciding, is_overall
from .judging import (
    ALL,
    CONTRADICTED,
    INCONCLUSIVE,
    NEGLIGIBLY_CONTRADICTED,
    NEGLIGIBLY_SUPPORTED,
    NO_DIFFERENCE,
    NONE,
    NOT_ALL,
    NOT_TESTABLE,
    SOME,
    SUPPORTED,
)
from .noise_regularization import MEASURES
from .published import READINGS
from .summaries import PUBLISHED, SCORES

TITLE = "A study on deep neural networks, run again"
PACKAGES = ["sklearn-toydnn", "tensorflow", "keras", "scikit-learn", "numpy", "scipy"]
SIGNS = {  # beside the verdicts, for readers who do not see colors
    SUPPORTED: "\N{CHECK MARK}",
    NEGLIGIBLY_SUPPORTED: "\N{CHECK MARK}",
    NO_DIFFERENCE: "=",
    INCONCLUSIVE: "?",
    NEGLIGIBLY_CONTRADICTED: "\N{BALLOT X}",
    CONTRADICTED: "\N{BALLOT X}",
}


def write(done, *, quick, output):
    """Write the report of the results of `run`, with the pictures in `output`."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    claims, places = done["claims"].frame, published_places(done)
    ranked = {
        name: readings_screening.rank(done[name].frame)
        for name in ("readings", "readings_screening")
    }
    page = environment.get_template("report.html.jinja").render(
        title=TITLE,
        quick=quick,
        date=time.strftime("%Y-%m-%d"),
        total=sum(part.seconds for part in done.values()),
        minutes=_minutes,
        versions=[
            f"Python {platform.python_version()}",
            *(f"{name} {version(name)}" for name in PACKAGES),
        ],
        cores=os.cpu_count(),
        findings=findings(claims, places, ranked["readings"]),
        sections=_sections(claims),
        about_claims=done["claims"].study.about,
        readings=READINGS,
        published=places,
        chosen=_table(readings.cross_check(ranked["readings"])),
        ranked={name: _table(frame.round(3)) for name, frame in ranked.items()},
        about_readings=done["readings_screening"].study.about[:1],
        changes=_changes(claims),
        ties=_ties(done["table2_grid_search"].frame),
        studies=[_study(part, quick, output) for part in done.values()],
        pictures={name: embed((output / f"{name}.png").read_bytes()) for name in done},
        alts={name: part.study.alt for name, part in done.items()},
    )
    with write_atomically(output / "report.html") as path:
        path.write_text(page, encoding="utf-8")


# ---- the findings, in six paragraphs


def findings(claims, places, ranked):
    """Return the findings of a run, in sentences."""
    rows = deciding(claims)
    of_paper = rows[rows["sentence"].notna() & (rows["sentence"] != "")]
    n_claims = of_paper["claim"].nunique()
    is_first = of_paper["variant"].isin(FIRST_VARIANTS)
    left = ranked[~ranked["ruled_out"]]
    deep = (left["hidden_layer_sizes"] == "2-20-20").sum()
    more, help_, hurt, best = (
        _LastEpoch(claims, claim) for claim in (MORE, HELP, HURT, BEST)
    )
    return [
        f"We made {n_claims} testable claims from the sentences of the paper and "
        f"tested each with {of_paper['n_pairs'].max()} random seeds. The plain reading "
        "is the most obvious choice of the settings that the paper leaves open. Its "
        "verdicts (for the grid search: those with zero initial weights, as published) "
        f"are: {_counts(of_paper[is_first])}.",
        "The closest reading is the choice that makes the paper's numbers the most "
        "likely. Its verdicts (for the grid search: those with random initial weights) "
        f"are: {_counts(of_paper[~is_first])}.",
        "The paper publishes 24 losses and accuracies. Our 95 % prediction intervals "
        f"contain {places['plain']['within']} of them under the plain reading and "
        f"{places['closest']['within']} under the closest. (The closest reading was "
        "chosen to fit these numbers, and its intervals are wide.) We trained "
        f"{len(ranked)} readings with many seeds: {len(left)} are not ruled out, and "
        f"{deep} of these have a first layer of two units. We cannot tell which of the "
        f"{len(left)} the paper used.",
        f'The claim "{MORE}" is {more.verdict("plain")} under the plain reading and '
        f"{more.verdict('closest')} under the closest. For the function with "
        "the weakest evidence, each doubling of the data divides the error by "
        f"{more.effect('plain'):.2f} (plain) or {more.effect('closest'):.2f} "
        "(closest).",
        f'Under the plain reading, the verdict on "{HELP}" is '
        f'{help_.verdict("plain")}, and that on "{HURT}" is {hurt.verdict("plain")}. '
        f'For the minimum loss, the verdict on "{HURT}" is '
        f"{hurt.verdict('plain', LOSS)} (a factor of {hurt.factor('plain', LOSS)}). "
        f'With few samples, the verdict on "{HELP}" is {help_.verdict("plain", FEW)} '
        f"(a factor of {help_.factor('plain', FEW)}).",
        f'In the grid search, the claim "{BEST}" is {best.verdict("zero weights")} '
        f"with zero weights, as published (errors differ by a factor of "
        f"{best.factor('zero weights')}). It is {best.verdict('random weights')} with "
        f"random weights (a factor of {best.factor('random weights')}).",
    ]


class _LastEpoch:
    """The results of a claim after the last epoch."""

    def __init__(self, claims, claim):
        rows = claims[(claims["claim"] == claim) & is_overall(claims)]
        last = rows.groupby("variant")["epoch"].transform("max")
        self._rows = rows[rows["epoch"] == last]

    def _row(self, variant, measure):
        rows = self._rows[self._rows["variant"] == variant]
        if measure:
            return rows[rows["measure"].str.startswith(measure)].iloc[0]
        return rows[rows["decides"]].iloc[0]

    def verdict(self, variant, measure=""):
        """Return the verdict of a measure, or of the one that decides."""
        return self._row(variant, measure)["verdict"]

    def effect(self, variant, measure=""):
        """Return the effect; a ratio above 1 is in favor of the claim."""
        return self._row(variant, measure)["effect"]

    def factor(self, variant, measure=""):
        """Return the effect as a factor above 1."""
        effect = self.effect(variant, measure)
        return f"{max(effect, 1 / effect):.2f}"


MORE = "More training data improve generalization"
HELP, HURT = "Noisy copies can help", "Noisy copies can hurt"
BEST = "The published candidates are the best"
LOSS, FEW = "minimum loss", "error, N ="


def _counts(rows):
    """Return how many claims have each verdict."""
    untestable = rows["verdict"].str.startswith(NOT_TESTABLE)
    verdicts = rows["verdict"].where(~untestable, NOT_TESTABLE.rstrip(": "))
    order = [*SIGNS, NOT_TESTABLE.rstrip(": ")]
    counts = verdicts.value_counts().reindex(order).dropna().astype(int)
    return "; ".join(f"{n} {verdict}" for verdict, n in counts.items())


def published_places(done):
    """Return where the published values lie under each reading."""
    tables = {}
    for name in ("table1_augmentation", "table3_initializers"):
        table = done[name].study.summary(done[name].frame)
        tables[name] = table[table["published_loss"].notna()]
    lies = [f"{name} lies" for name in PUBLISHED.values()]
    return {
        reading: {
            "within": sum(
                int((table[table["reading"] == reading][lie].str[:6] == "within").sum())
                for table in tables.values()
                for lie in lies
            ),
            "tables": [
                _table(table[table["reading"] == reading].drop(columns="reading"))
                for table in tables.values()
            ],
        }
        for reading in READINGS
    }


# ---- the claims


def _sections(claims):
    """Return the claims of each section, in the order of the paper."""
    return {
        section: [_claim(part) for _, part in rows.groupby("claim", sort=False)]
        for section, rows in claims.groupby("section", sort=False)
    }


def _claim(rows):
    decided = deciding(rows).to_dict("records")
    overall = is_overall(rows)
    reversing = rows[rows["reversals"].fillna("") != ""]
    measures = {row["measure"] for row in decided} | {"error"}
    reversing = reversing[reversing["measure"].isin(measures)].drop_duplicates(
        ["variant", "measure", "comparison"]
    )
    shown = [
        *("effect", "ci_low", "ci_high", "difference", "p_value", "p_equivalence"),
        "verdict",
    ]
    parts = rows[rows["decides"] & ~overall]
    reversing_parts = reversing[~overall[reversing.index]]
    tests = ["variant", "measure", "epoch", "decided_by", *shown]
    return {
        **{name: rows[name].iloc[0] for name in ("claim", "sentence", "source")},
        "rows": [row | _in_words(row) for row in decided],
        "picture": embed(draw_claim(decided)),
        "reversals": reversing[overall[reversing.index]].to_dict("records"),
        "tests": _table(rows.loc[overall, tests].round(4)),
        "n_tests": int(overall.sum()),
        "parts": _table(parts[["comparison", "variant", *shown]].round(4)),
        "n_parts": parts["comparison"].nunique(),
        "reversing_parts": _table(
            reversing_parts[["comparison", "variant", "measure", "reversals"]]
        ),
        "n_reversing_parts": len(reversing_parts),
    }


AGREE = {
    ALL: "{n_agree} of {n_pairs} seeds agree with the claim in all comparisons",
    SOME: "{n_agree} of {n_pairs} seeds agree with the claim",
    NOT_ALL: "{n_agree} of {n_pairs} seeds show no improvement beyond the margin",
    NONE: (
        "{n_agree} of {n_pairs} seeds differ by less than the margin in all comparisons"
    ),
}


def _in_words(row):
    """Return the sign of a verdict, how many seeds agree, and the p-value."""
    is_equivalence = row["verdict"] == NO_DIFFERENCE or (
        row["verdict"] == SUPPORTED and row["quantifier"] == NONE
    )
    p_value = row["p_equivalence" if is_equivalence else "p_value"]
    return {
        "sign": SIGNS.get(row["verdict"], "\N{EN DASH}"),
        "agree": AGREE[row["quantifier"]].format(**row),
        "p": "" if np.isnan(p_value) else _p(p_value),
    }


def _p(value):
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def _changes(claims):
    """Return the claims whose verdict depends on the reading."""
    rows = deciding(claims)
    wide = rows[rows["variant"].isin(READINGS)].pivot(
        index="claim", columns="variant", values="verdict"
    )[[*READINGS]]
    wide.columns.name = None
    return _table(wide[wide.nunique(axis=1) > 1].reset_index())


# ---- tables


def _ties(frame):
    ties = table2_grid_search.ties(frame).round(4)
    by_order = ties["published_first"].any()
    answers = {True: "yes", False: "no"}
    for name in ("published_is", "published_first"):
        ties[name] = ties[name].map(answers)
    return {"table": _table(ties), "by_order": by_order}


def _study(part, quick, output):
    study = part.study
    return {
        "name": study.name,
        "title": study.title,
        "about": study.about,
        "alt": study.alt,
        "table": _table(study.summary(part.frame)),
        "settings": study.describe(quick),
        "seconds": part.seconds,
        "n_rows": len(part.frame),
    }


def _table(frame):
    """Return a table for the page, with column names in words."""
    return frame.rename(columns=_column).to_html(index=False, na_rep="", border=0)


def _column(name):
    stem, _, table = name.rpartition(" ")
    if table in ("I", "III"):
        return f"{_column(stem)}, Table {table}"
    return WORDS.get(name, name.replace("_", " "))


WORDS = {
    **SCORES,
    **MEASURES,
    "std": "standard deviation of the noise",
    "row": "candidate",
    "as_good": "candidates tied for best",
    "published_is": "published candidate among them",
    "published_first": "published candidate listed first",
    "first_ParameterGrid": "first in the order of ParameterGrid",
    "first_printed": "first in the order of the paper",
    "best": "best accuracy",
    "equal": "equal for all sizes",
    "left_out": "mean score of left-out seeds",
    "p_score": "p-value of the score",
    "p_extreme": "p-value, too extreme",
    "p_central": "p-value, too central",
    "inside": "values inside the range of our seeds",
    "n_seeds": "number of seeds",
    "fraction": "share of copies",
    "n_samples": "number of samples",
    "decided_by": "deciding comparison",
    "ci_low": "95 % interval from",
    "ci_high": "95 % interval to",
    "p_value": "p-value, no effect (Holm)",
    "p_equivalence": "p-value, equivalence (Holm)",
    "n_agree": "seeds that agree",
    "reversals": "verdicts by epochs",
    "hidden_layer_sizes": "hidden layers",
    "majority": "share of the majority class",
}


def _minutes(seconds):
    return f"{seconds / 60:.1f} min"
