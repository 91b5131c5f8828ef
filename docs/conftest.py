"""The examples of these pages run in a folder of their own, where it can be."""

from importlib.util import find_spec

import pytest

collect_ignore = ["_build", "auto_examples", "conftest.py", "conf.py", "generated"]
NEEDS = {"searches.rst": "distributed", "playground.rst": "panel"}


def pytest_collection_modifyitems(items):
    """Skip the pages whose extra is not installed."""
    for item in items:
        need = NEEDS.get(item.path.name)
        if need is not None and find_spec(need) is None:
            item.add_marker(pytest.mark.skip(reason=f"{need} is not installed"))


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    """Leave nothing where the suite was started."""
    monkeypatch.chdir(tmp_path)
