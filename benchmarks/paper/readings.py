"""What the paper leaves open: the likeliest readings and the plain one, over 30 seeds.

Each published value stands in the picture where it lies among our seeds. A reading
under which the values lie all at the edges is not the paper's, and one under which they
lie all in the middle is too wide to say anything. So readings are ranked by the energy
score of all twelve values of a table. Whether it is as good as it should be, the seeds
tell: `p_score` is the share of them that do as badly, each left out and scored as if it
had been published. Where none does, in either table, the reading is ruled out: a sharp
one may score well, and yet not hold the numbers. `p_extreme` and `p_central` are about
ranks alone: the share of the seeds that lie as far from the middle of the others, or as
near to it. What one table chooses is tested on the other, both ways.
"""

import pandas as pd

from .._study import Study
from .published import READINGS
from .readings_screening import (
    SETTING,
    best_of_each,
    measure,
    name_of,
    plot,
    summary,
    to_setting,
    work_of,
)

SHARE = 2  # a half of the settings goes on


def tasks(screening, seeds, epochs):
    """List the repetitions of the settings that are left, and of the plain one."""
    best = best_of_each(screening)
    left = best.head(max(1, len(best) // SHARE))
    plain = {name: READINGS["plain"][name] for name in SETTING}
    settings = [to_setting(row) for row in left.to_dict("records")]
    for setting in settings if plain in settings else [*settings, plain]:
        for seed in range(seeds):
            yield {"setting": setting, "epochs": epochs, "seed": seed}


def work(seeds, epochs):
    """Return how much there is to train: points times epochs."""
    return work_of(17 * seeds, epochs)


def cross_check(ranked):
    """Return how the reading that one table chooses does on the other, both ways.

    Of 2,000 points in Table III, of whose accuracies all are multiples of 1/400.
    """
    both = ranked[ranked["n_samples"] == 2000]
    rows = []
    for chosen_by, tested_on in (("I", "III"), ("III", "I")):
        chosen = both.sort_values(f"score {chosen_by}", kind="stable").iloc[0]
        scores = both[f"score {tested_on}"]
        rows.append(
            {
                "chosen by": f"Table {chosen_by}",
                "reading": name_of(chosen),
                "as likely there": chosen[f"p_score {chosen_by}"].round(3),
                "tested on": f"Table {tested_on}",
                "rank": f"{1 + (scores < chosen[scores.name]).sum()} of {len(both)}",
                "as likely on it": chosen[f"p_score {tested_on}"].round(3),
            }
        )
    return pd.DataFrame(rows)


STUDY = Study(
    __name__,
    title="What the paper leaves open: the likeliest readings, many seeds",
    alt=(
        "A row for each reading that is left, at its likeliest number of epochs: where "
        "the 24 published values of Tables I and III lie among our 30 seeds."
    ),
    full={"seeds": 30, "epochs": 400},
    quick={"seeds": 3, "epochs": 20},
    needs=("readings_screening",),
    tasks=tasks,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
    many_programs=True,
)
