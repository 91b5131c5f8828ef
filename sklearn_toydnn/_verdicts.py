"""Alias of ``Comparison``: pickles of version 0.2.0 refer to this module."""

from .comparison.result import Comparison as Comparison
