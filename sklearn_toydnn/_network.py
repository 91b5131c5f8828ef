"""Alias of ``Network``: saved files refer to the class by this module's name."""

from ._engine.network import Network  # noqa: F401
