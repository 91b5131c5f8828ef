"""Run the examples of the pages in a temporary folder."""

from importlib.util import find_spec

import pytest

collect_ignore = ["_build", "auto_examples", "conftest.py", "conf.py", "generated"]
REQUIRED = {"searches.rst": "distributed", "playground.rst": "panel"}


def pytest_collection_modifyitems(items):
    """Skip pages whose extra is not installed."""
    for item in items:
        module = REQUIRED.get(item.path.name)
        if module is not None and find_spec(module) is None:
            item.add_marker(pytest.mark.skip(reason=f"{module} is not installed"))


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path, monkeypatch):
    """Write no files to the folder in which pytest was started."""
    monkeypatch.chdir(tmp_path)
