"""Fixtures of the doctests in the pages: temporary folder, skipped pages."""

from importlib.util import find_spec

import pytest

collect_ignore = ["_build", "auto_examples", "conftest.py", "conf.py", "generated"]
NEEDS = {"searches.rst": "distributed", "playground.rst": "panel"}


def pytest_collection_modifyitems(items):
    """Skip pages whose optional dependency is not installed."""
    for item in items:
        need = NEEDS.get(item.path.name)
        if need is not None and find_spec(need) is None:
            item.add_marker(pytest.mark.skip(reason=f"{need} is not installed"))


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path, monkeypatch):
    """Run each page in a temporary folder."""
    monkeypatch.chdir(tmp_path)
