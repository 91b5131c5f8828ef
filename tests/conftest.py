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

# Before TensorFlow is imported: tests count compilations.
os.environ["SKLEARN_TOYDNN_CACHE"] = "off"

from sklearn_toydnn import make_triangle  # noqa: E402

matplotlib.use("Agg")

collect_ignore = ["conftest.py"]  # it has no tests, and docs has one of that name

# Compiling takes longer than hypothesis expects of an example.
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


@pytest.hookimpl(tryfirst=True)  # before slow tests are left out
def pytest_collection_modifyitems(config, items):
    """Mark as slow the cases that the mark `fast` does not name."""
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
        raise pytest.UsageError(f"fast: there are no such cases: {unknown}")


@pytest.fixture(scope="session")
def distributed():
    """Dask's package, where it is installed; it waits for however slow a machine."""
    package = pytest.importorskip("distributed", reason="the extra dask is not there")
    timeouts = dict.fromkeys(["connect", "tcp"], "600s")
    with import_module("dask").config.set({"distributed.comm.timeouts": timeouts}):
        yield package


@pytest.fixture(scope="session")
def data():
    """Points of the triangle, scaled, and their labels."""
    X, y = make_triangle(n_samples=200, random_state=0)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="session")
def raw():
    """More points of the triangle, in the units of their box, and their labels."""
    return make_triangle(n_samples=5000, random_state=0)


@pytest.fixture(scope="session")
def three_classes(data):
    """The same points with labels of three kinds."""
    X, y = data
    return X, np.array(["a", "b", "c"])[y + (X[:, 0] > 0)]


@pytest.fixture(autouse=True)
def unrationed(monkeypatch):
    # The suite has more functions of its own in one process than a study has.
    if "sklearn_toydnn._engine.compiled.program_cache" in sys.modules:
        programs = sys.modules["sklearn_toydnn._engine.compiled.program_cache"].programs
        monkeypatch.setattr(programs, "_max_own", float("inf"))


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(autouse=True, scope="module")
def frozen():
    # TensorFlow's million objects need not be gone through by each collection.
    gc.collect()
    gc.freeze()


SURVIVED = Counter()


@pytest.fixture(scope="session")
def survived():
    """What tests have tried, counted by kind, for the last lines of the run."""
    return SURVIVED


def pytest_sessionfinish(session):
    # Of a process that shares the tests with others.
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
