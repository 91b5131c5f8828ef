"""The import path of `Network` in saved files."""

from ._engine.network import Network  # noqa: F401
