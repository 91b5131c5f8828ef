"""The whole of a run on one page: report.html, for a browser, a phone or a printer."""

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .._png import embed
from .._runner import whole_file
from . import readings, readings_screening, table2_grid_search
from .claims import FIRST_VARIANTS, deciding, is_whole
from .judging import (
    ALL,
    CANNOT,
    EQUAL,
    HOLDS,
    NOISE,
    NONE,
    NOT,
    NOT_ALL,
    NOT_SMALL,
    SMALL,
    SOME,
)
from .published import READINGS
from .sentence_pictures import draw_sentence
from .summaries import PUBLISHED

TITLE = "A study on deep neural networks, run again"
PACKAGES = ["sklearn-toydnn", "tensorflow", "keras", "scikit-learn", "numpy", "scipy"]
SIGNS = {  # of verdicts, for who does not see colours
    HOLDS: "\N{CHECK MARK}",
    SMALL: "\N{CHECK MARK}",
    EQUAL: "=",
    NOISE: "?",
    NOT_SMALL: "\N{BALLOT X}",
    NOT: "\N{BALLOT X}",
}


def write(done, *, quick, output):
    """Write the report of what `run` returned, whose pictures lie in `output`."""
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
        how=done["claims"].study.about,
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
    with whole_file(output / "report.html") as path:
        path.write_text(page, encoding="utf-8")


# ---- what is found, in five sentences


def findings(claims, places, ranked):
    """Return what the run says, in plain sentences, of the verdicts that it reached."""
    rows = deciding(claims)
    of_paper = rows[rows["quote"].notna() & (rows["quote"] != "")]
    n = of_paper["claim"].nunique()
    is_first = of_paper["variant"].isin(FIRST_VARIANTS)
    left = ranked[~ranked["ruled_out"]]
    deep = (left["hidden_layer_sizes"] == "2-20-20").sum()
    more, help_, hurt, best = (
        _Said(claims, claim) for claim in (MORE, HELP, HURT, BEST)
    )
    return [
        f"Of {n} sentences of the paper, read in the plainest way and with zero "
        f"weights, {_counted(of_paper[is_first])}.",
        "Read in the way closest to its numbers and with random weights, "
        f"{_counted(of_paper[~is_first])}.",
        f"Of its 24 numbers, {places['plain']['within']} lie in our 95 % prediction "
        f"intervals under the plain reading, {places['closest']['within']} under the "
        "closest, whose intervals are wide and which these numbers have chosen. Of "
        f"{len(ranked)} readings that got many seeds {len(left)} are not ruled out, "
        f"{deep} of them with a first layer of two units; which it was cannot be told.",
        "More data make fewer errors: "
        f"{more.verdict('plain')} under the plain reading (a factor of "
        f"{more.factor('plain')} with each doubling, of the function that gains the "
        f"least), {more.verdict('closest')} under the closest "
        f"({more.factor('closest')}). Under the plain one, noisy copies can help: "
        f"{help_.verdict('plain')}; they can hurt: {hurt.verdict('plain')}; they can "
        f"raise the smallest loss: {hurt.verdict('plain', LOSS)} "
        f"({hurt.factor('plain', LOSS)}); with few points they can help: "
        f"{help_.verdict('plain', FEW)} ({help_.factor('plain', FEW)}).",
        "The published candidates of the grid search are the best: "
        f"{best.verdict('zero weights')} with zero weights, as published (a factor of "
        f"{best.factor('zero weights')} in errors), {best.verdict('random weights')} "
        f"with random ones ({best.factor('random weights')}).",
    ]


class _Said:
    """What was found of a sentence, after the last epoch."""

    def __init__(self, claims, claim):
        rows = claims[(claims["claim"] == claim) & is_whole(claims)]
        last = rows.groupby("variant")["epoch"].transform("max")
        self._rows = rows[rows["epoch"] == last]

    def _row(self, variant, measure):
        rows = self._rows[self._rows["variant"] == variant]
        if measure:
            return rows[rows["measure"].str.startswith(measure)].iloc[0]
        return rows[rows["decides"]].iloc[0]

    def verdict(self, variant, measure=""):
        """Return the verdict, as a verb."""
        verdict = self._row(variant, measure)["verdict"]
        return COUNTED.get(verdict, (verdict,))[0]

    def factor(self, variant, measure=""):
        """Return the effect, as a factor of more than 1."""
        effect = self._row(variant, measure)["effect"]
        return f"{max(effect, 1 / effect):.2f}"


MORE = "More data: the network generalizes better on new data"
HELP, HURT = "Noisy copies can help", "Noisy copies can hurt"
BEST = "The published candidates are the best"
LOSS, FEW = "minimum loss", "error, N ="


COUNTED = {  # one, and many
    HOLDS: ("holds", "hold"),
    SMALL: ("is true, but small", "are true, but small"),
    EQUAL: (f"makes {EQUAL}", f"make {EQUAL}"),
    NOISE: (NOISE, NOISE),
    NOT_SMALL: (NOT_SMALL, "do not hold, by little"),
    NOT: (NOT, "do not hold"),
    CANNOT: ("cannot be tested", "cannot be tested"),
}


def _counted(rows):
    verdicts = rows["verdict"].where(~rows["verdict"].str.startswith(CANNOT), CANNOT)
    counts = verdicts.value_counts().reindex([*COUNTED]).dropna().astype(int)
    return ", ".join(f"{n} {COUNTED[name][n > 1]}" for name, n in counts.items())


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


# ---- the sentences


def _sections(claims):
    """Return the sentences, in the paper's order, section by section."""
    return {
        section: [_sentence(part) for _, part in rows.groupby("claim", sort=False)]
        for section, rows in claims.groupby("section", sort=False)
    }


def _sentence(rows):
    decided = deciding(rows).to_dict("records")
    whole = is_whole(rows)
    turning = rows[rows["turns"].fillna("") != ""]
    measures = {row["measure"] for row in decided} | {"error"}
    turning = turning[turning["measure"].isin(measures)].drop_duplicates(
        ["variant", "measure", "comparison"]
    )
    shown = [
        "effect",
        "ci_low",
        "ci_high",
        "difference",
        "p_value",
        "p_small",
        "verdict",
    ]
    ways = ["variant", "measure", "epoch", "decided_by", *shown]
    parts = rows[rows["decides"] & ~whole]
    turning_parts = turning[~whole[turning.index]]
    return {
        **{name: rows[name].iloc[0] for name in ("claim", "quote", "source")},
        "rows": [row | _in_words(row) for row in decided],
        "picture": embed(draw_sentence(decided)),
        "turns": turning[whole[turning.index]].to_dict("records"),
        "ways": _table(rows.loc[whole, ways].round(4)),
        "n_ways": int(whole.sum()),
        "parts": _table(parts[["comparison", "variant", *shown]].round(4)),
        "n_parts": parts["comparison"].nunique(),
        "turning_parts": _table(turning_parts[TURNS]),
        "n_turning_parts": len(turning_parts),
    }


TURNS = ["comparison", "variant", "measure", "turns"]
AGREE = {
    ALL: "all comparisons agree in {n_agree} of {n_pairs} seeds",
    SOME: "{n_agree} of {n_pairs} seeds agree",
    NOT_ALL: "no gain worth naming in {n_agree} of {n_pairs} seeds",
    NONE: "no difference worth naming in {n_agree} of {n_pairs} seeds",
}


def _in_words(row):
    """Return the sign of a verdict, how many seeds agree, and the p-value."""
    is_small = row["verdict"] == EQUAL or (row["verdict"], row["how"]) == (HOLDS, NONE)
    p_value = row["p_small" if is_small else "p_value"]
    return {
        "sign": SIGNS.get(row["verdict"], "\N{EN DASH}"),
        "agree": AGREE[row["how"]].format(**row),
        "p": "" if np.isnan(p_value) else _p(p_value),
    }


def _p(value):
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def _changes(claims):
    """Return the sentences whose verdict depends on how the paper is read."""
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
    """Return a table for the page, its columns' names in words."""
    named = frame.rename(columns=lambda name: WORDS.get(name, name.replace("_", " ")))
    return named.to_html(index=False, na_rep="", border=0)


WORDS = {
    "min_val_loss": "minimum validation loss",
    "max_val_accuracy": "maximum validation accuracy",
    "test_accuracy": "test accuracy, last epoch",
    "std": "standard deviation of the noise",
    "as_good": "candidates as good",
    "published_is": "published among them",
    "published_first": "published the first",
    "first_ParameterGrid": "first in the order of ParameterGrid",
    "first_printed": "first as printed",
    "left_out": "score of seeds left out",
    "fraction": "share of copies",
    "n_samples": "number of samples",
    "ci_low": "interval from",
    "ci_high": "to",
    "p_value": "p of no difference (Holm)",
    "p_small": "p of one worth naming (Holm)",
    "n_agree": "seeds that agree",
    "hidden_layer_sizes": "hidden layers",
    "majority": "share of the majority",
}


def _minutes(seconds):
    return f"{seconds / 60:.1f} min"
