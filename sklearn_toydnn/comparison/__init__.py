"""Compare estimators over repetitions, with statistical tests."""

from .display import ComparisonDisplay
from .estimators import compare
from .result import Comparison
from .search import compare_candidates

__all__ = ["Comparison", "ComparisonDisplay", "compare", "compare_candidates"]
