"""Converts an estimator's parameters and data to the records that `_engine` takes."""
