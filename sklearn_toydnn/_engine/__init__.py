"""The training engine, which works on records and does not depend on estimators."""
