"""The whole of a run on one page: report.html, for a browser, a phone or a printer."""

import base64
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ._run import whole_file

TITLE = "A study on deep neural networks, run again"
PACKAGES = ["sklearn-toydnn", "tensorflow", "keras", "scikit-learn", "numpy", "scipy"]


def write(done, *, quick, output):
    """Write the report of what `run` returned, whose pictures lie in `output`."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
    )
    judged = done["claims"].frame
    ours = judged["source"].str.startswith("ours")
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
        p=_p,
        verdicts=judged.loc[~ours, "verdict"].value_counts().to_dict(),
        claims=judged.to_dict("records"),
        how=done["claims"].study.about,
        studies=[_section(part, quick, output) for part in done.values()],
    )
    with whole_file(output / "report.html") as path:
        path.write_text(page, encoding="utf-8")


def _section(part, quick, output):
    study, table = part.study, None
    if study.name != "claims":  # at the top, in full
        table = study.summary(part.frame).to_html(index=False, na_rep="", border=0)
    picture = (output / f"{study.name}.png").read_bytes()
    return {
        "name": study.name,
        "title": study.title,
        "about": study.about if table else ["The claims above, drawn."],
        "picture": base64.b64encode(picture).decode(),
        "alt": study.alt,
        "table": table,
        "settings": study.describe(quick),
        "seconds": part.seconds,
    }


def _p(value):
    if np.isnan(value):
        return ""
    return "<\N{NO-BREAK SPACE}0.001" if value < 0.001 else f"{value:.3f}"


def _minutes(seconds):
    return f"{seconds / 60:.1f} min"
