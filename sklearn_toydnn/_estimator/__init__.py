"""From an estimator's parameters and data to the records that the engine takes."""
