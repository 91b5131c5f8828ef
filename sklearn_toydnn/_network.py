"""The home of Network until version 0.3.0, by whose name saved files find it."""

from ._engine.network import Network  # noqa: F401
