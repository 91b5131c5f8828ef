"""Where version 0.2.0 had ``Comparison``, for pickles that it has saved."""

from .comparison.result import Comparison as Comparison
