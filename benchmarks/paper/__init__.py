"""The paper, run again: a module for each figure, table and question, in its order."""

STUDIES = [
    "readings_screening",
    "readings",
    "authors_runs",
    "figure1_datasets",
    "figure2_loss_curves",
    "figure3_sample_size",
    "table1_augmentation",
    "table2_authors",
    "table2_grid_search",
    "table2_leaders",
    "table3_initializers",
    "shared_optimizer",
    "fluctuations",
    "noise_regularization",
    "claims",
]
