import gc
import os
import sys
from collections import Counter
from fnmatch import fnmatch
from importlib import import_module

import matplotlib
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from matplotlib import pyplot as plt
from sklearn.preprocessing import StandardScaler

# Some tests count compilations. Must be set before the import of TensorFlow.
os.environ["SKLEARN_TOYDNN_CACHE"] = "off"

from sklearn_toydnn import make_triangle  # noqa: E402

matplotlib.use("Agg")

collect_ignore = ["conftest.py"]  # it has no tests, and docs/ has a file with this name

# Compilation exceeds hypothesis' default deadline.
settings.register_profile(
    "quick",
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
settings.register_profile("usual", settings.get_profile("quick"), max_examples=100)
settings.register_profile(
    "thorough", settings.get_profile("quick"), max_examples=2000, derandomize=False
)
settings.load_profile("quick")


@pytest.hookimpl(tryfirst=True)  # before slow tests are deselected
def pytest_collection_modifyitems(config, items):
    """Mark the cases as slow that are not listed in the mark `fast`."""
    unknown = {}
    for item in items:
        for marker in item.iter_markers("fast"):
            names = {name for name in marker.args if fnmatch(item.callspec.id, name)}
            if not names:
                item.add_marker(pytest.mark.slow)
            test = item.nodeid.partition("[")[0]
            unknown[test] = unknown.get(test, set(marker.args)) - names
    unknown = {test: names for test, names in unknown.items() if names}
    if unknown and not any("[" in place for place in config.args):
        raise pytest.UsageError(
            f"Cases in the mark `fast` must exist, got unknown cases: {unknown}"
        )


@pytest.fixture(scope="session")
def distributed():
    """The package `distributed`, with timeouts for slow machines."""
    package = pytest.importorskip(
        "distributed", reason="the extra dask is not installed"
    )
    timeouts = dict.fromkeys(["connect", "tcp"], "600s")
    with import_module("dask").config.set({"distributed.comm.timeouts": timeouts}):
        yield package


@pytest.fixture(scope="session")
def data():
    """200 scaled points of the triangle and their labels."""
    X, y = make_triangle(n_samples=200, random_state=0)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="session")
def raw():
    """5,000 points of the triangle, not scaled, and their labels."""
    return make_triangle(n_samples=5000, random_state=0)


@pytest.fixture(scope="session")
def three_classes(data):
    """The points of `data` with three classes."""
    X, y = data
    return X, np.array(["a", "b", "c"])[y + (X[:, 0] > 0)]


@pytest.fixture(autouse=True)
def unlimited_programs(monkeypatch):
    # The tests define more functions in one process than the limit allows.
    if "sklearn_toydnn._engine.compiled.program_cache" in sys.modules:
        programs = sys.modules["sklearn_toydnn._engine.compiled.program_cache"].programs
        monkeypatch.setattr(programs, "_max_user_defined", float("inf"))


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(autouse=True, scope="module")
def frozen_objects():
    # Excludes a million objects of TensorFlow from each garbage collection.
    gc.collect()
    gc.freeze()


SURVIVED = Counter()


@pytest.fixture(scope="session")
def survived():
    """Counts of the inputs tried, by kind, for the summary at the end of the run."""
    return SURVIVED


def pytest_sessionfinish(session):
    # Only worker processes of pytest-xdist have `workeroutput`.
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["survived"] = dict(SURVIVED)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    SURVIVED.update(getattr(node, "workeroutput", {}).get("survived", {}))


def pytest_terminal_summary(terminalreporter):
    if SURVIVED:
        terminalreporter.section("tried")
    for kind, count in sorted(SURVIVED.items()):
        terminalreporter.line(f"{kind}: {count}")
