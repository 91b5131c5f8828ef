"""The whole of a run on one page: report.html, for a browser, a phone or a printer."""

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from . import paper
from ._judging import CANNOT, EQUAL, HOLDS, NOISE, NOT, NOT_SMALL, SMALL
from ._pictures import draw_sentence, embed
from ._repetitions import PUBLISHED
from ._run import whole_file
from .studies import readings, readings_screening, table2_grid_search
from .studies.claims import FIRST_VARIANTS, deciding

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
    claims = done["claims"].frame
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
        findings=findings(done),
        sections=_sections(claims),
        how=done["claims"].study.about,
        readings=paper.READINGS,
        published=_published(done),
        chosen=_table(readings.cross_check(done["readings"].frame)),
        ranked={
            name: _table(readings_screening.rank(done[name].frame).round(3))
            for name in ("readings", "readings_screening")
        },
        about_readings=done["readings_screening"].study.about[:1],
        changes=_changes(claims),
        ties=_table(table2_grid_search.ties(done["table2_grid_search"].frame).round(4)),
        studies=[_study(part, quick, output) for part in done.values()],
        pictures={name: embed((output / f"{name}.png").read_bytes()) for name in done},
        alts={name: part.study.alt for name, part in done.items()},
    )
    with whole_file(output / "report.html") as path:
        path.write_text(page, encoding="utf-8")


# ---- what is found, in five sentences


def findings(done):
    """Return what the run says, in plain sentences, of the verdicts that it reached."""
    rows = deciding(done["claims"].frame)
    of_paper = rows[rows["quote"].notna() & (rows["quote"] != "")]
    is_first = of_paper["variant"].isin(FIRST_VARIANTS)
    places = _published(done)
    ranked = readings_screening.rank(done["readings"].frame)
    left = ranked[~ranked["ruled_out"]]
    deep = (left["hidden_layer_sizes"] == "2-20-20").sum()
    found = {(row["claim"], row["variant"]): row for row in rows.to_dict("records")}

    def said(claim, variant):
        verdict = found[claim, variant]["verdict"]
        return COUNTED.get(verdict, (verdict,))[0]

    def of_readings(claim):
        plain, closest = (said(claim, reading) for reading in paper.READINGS)
        if plain == closest:
            return f"{plain} under both readings"
        return f"{plain} under the plain reading and {closest} under the closest"

    def by(claim, variant):
        effect = found[claim, variant]["effect"]
        return f"{max(effect, 1 / effect):.2f}"

    return [
        f"Of {of_paper['claim'].nunique()} sentences of the paper, read in the "
        "plainest way and with zero weights, "
        f"{_counted(of_paper[is_first])}; read in the way closest to its numbers and "
        f"with random weights, {_counted(of_paper[~is_first])}.",
        f"Of the paper's 24 numbers, {places['plain']['within']} lie where one more of "
        "our seeds would under the plain reading, and "
        f"{places['closest']['within']} under the closest; {len(left)} of "
        f"{len(ranked)} readings are not ruled out, {deep} of them with a first layer "
        "of two units, and which it was cannot be told.",
        f"That more data make fewer errors {of_readings(MORE)}: by a factor of "
        f"{by(MORE, 'plain')} and {by(MORE, 'closest')} with each doubling, of the "
        "function that gains the least.",
        f"That noisy copies can help {of_readings(HELP)}; that they can hurt "
        f"{of_readings(HURT)}.",
        "That the published candidates of the grid search are the best "
        f"{said(BEST, 'zero weights')} with zero weights, as published, and "
        f"{said(BEST, 'random weights')} with random ones: they make "
        f"{by(BEST, 'zero weights')} and {by(BEST, 'random weights')} times the errors "
        "of a rival.",
    ]


MORE = "More data: the network generalizes better on new data"
HELP, HURT = "Noisy copies can help", "Noisy copies can hurt"
BEST = "The published candidates are the best"


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


def _published(done):
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
        for reading in paper.READINGS
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
    ways = rows[rows["comparison"].isna() | (rows["comparison"] == "")]
    shown = ["variant", "measure", "epoch", "decided_by", "effect", "ci_low", "ci_high"]
    shown += ["difference", "p_value", "p_small"]
    turning = ways[ways["turns"].notna() & (ways["turns"] != "")]
    turning = turning[turning["measure"].isin({row["measure"] for row in decided})]
    return {
        **{name: rows[name].iloc[0] for name in ("claim", "quote", "source")},
        "rows": [
            row | {"sign": SIGNS.get(row["verdict"], "\N{EN DASH}")} for row in decided
        ],
        "picture": embed(draw_sentence(decided)),
        "turns": turning[["variant", "measure", "turns"]]
        .drop_duplicates()
        .to_dict("records"),
        "ways": _table(ways[[*shown, "verdict"]].round(4)),
        "n_ways": len(ways),
    }


def _changes(claims):
    """Return the sentences whose verdict depends on how the paper is read."""
    rows = deciding(claims)
    wide = rows[rows["variant"].isin(paper.READINGS)].pivot(
        index="claim", columns="variant", values="verdict"
    )[[*paper.READINGS]]
    return _table(wide[wide.nunique(axis=1) > 1].reset_index())


# ---- tables


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
