"""Open settings of the paper: the most likely readings, over 30 seeds.

The picture shows where each published value lies among our seeds. If all values lie at
the edges, the reading is not the paper's. If all lie in the middle, its seeds vary too
much to tell. Readings are therefore ranked by the energy score of all twelve values of
a table: the better the seeds predict the values, the lower it is. The seeds also show
how good this score should be. Each seed is left out and scored as if it had been
published. The p-value of the score (`p_score`) is the share of seeds that score at
least as badly as the published values, which count as one more seed. If all seeds score
better in one of the tables, the reading is ruled out, even if its score is good. Two
other p-values use ranks alone. They are the share of seeds that lie at least as far
from the middle of the other seeds as the published values (too extreme, `p_extreme`),
or at least as near to it (too central, `p_central`). The reading that one table selects
is tested on the other table, in both directions. The plain reading is always included.
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

SHARE = 2  # half of the settings get many seeds


def tasks(screening, seeds, epochs):
    """Yield the repetitions of the best settings, and of the plain reading."""
    best = best_of_each(screening)
    left = best.head(max(1, len(best) // SHARE))
    plain = {name: READINGS["plain"][name] for name in SETTING}
    settings = [to_setting(row) for row in left.to_dict("records")]
    for setting in settings if plain in settings else [*settings, plain]:
        for seed in range(seeds):
            yield {"setting": setting, "epochs": epochs, "seed": seed}


def work(seeds, epochs):
    """Return the amount of training, in points times epochs."""
    return work_of(17 * seeds, epochs)


def cross_check(ranked):
    """Test the best reading of one table on the other table, in both directions.

    Table III has 2,000 points here: all its accuracies are multiples of 1/400.
    """
    both = ranked[ranked["n_samples"] == 2000]
    rows = []
    for chosen_by, tested_on in (("I", "III"), ("III", "I")):
        chosen = both.sort_values(f"score {chosen_by}", kind="stable").iloc[0]
        scores = both[f"score {tested_on}"]
        rank = 1 + (scores < chosen[scores.name]).sum()
        rows.append(
            {
                "chosen by": f"Table {chosen_by}",
                "reading": name_of(chosen),
                "p-value, choosing table": chosen[f"p_score {chosen_by}"].round(3),
                "tested on": f"Table {tested_on}",
                "rank, tested table": f"{rank} of {len(both)}",
                "p-value, tested table": chosen[f"p_score {tested_on}"].round(3),
            }
        )
    return pd.DataFrame(rows)


STUDY = Study(
    __name__,
    title="Open settings of the paper: the most likely readings, many seeds",
    alt=(
        "A row for each of the most likely readings, at its most likely number of "
        "epochs. Marks show where the 24 published values of Tables I and III lie "
        "among our 30 seeds."
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
