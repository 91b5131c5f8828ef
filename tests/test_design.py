"""Check that docs/design.rst describes the modules, the data flow and the rules."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from importlib import import_module
from importlib.util import resolve_name
from pathlib import Path

import numpy as np
import pytest

import sklearn_toydnn
from sklearn_toydnn import DNNClassifier, make_triangle

ROOT = Path(__file__).parents[1]
PACKAGE = Path(sklearn_toydnn.__file__).parent
BENCHMARKS = ROOT / "benchmarks"
DESIGN = (ROOT / "docs" / "design.rst").read_text()


def parse(folder):
    """Return the syntax trees of the modules in a folder, by name."""
    return {path.stem: ast.parse(path.read_text()) for path in folder.glob("*.py")}


TITLES = {
    "": "The package",
    "_estimator": "The estimator",
    "_engine": "The engine",
    "_engine/compiled": "Compiled training",
    "comparison": "Comparisons",
    "playground": "The playground",
}
WINGS = {folder: parse(PACKAGE / folder) for folder in TITLES}
TREES, PLAYGROUND = WINGS[""], WINGS["playground"]
N_ROWS = 173  # identifies the points: no other array has as many rows


def section(title):
    """Return the text of a section of the page, up to the next heading."""
    text = DESIGN.split(f"\n{title}\n" + "=" * len(title) + "\n")[1]
    return re.split(r"\n.+\n=+\n", text)[0]


def imports(tree):
    """Yield a pair (module, name) for each import in a syntax tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((module, alias.name) for alias in node.names)


# ---- modules


@pytest.mark.parametrize("folder", WINGS)
def test_each_module_is_listed(folder):
    listed = re.findall(r"^``(\w+)\.py``", section(TITLES[folder]), re.M)
    assert sorted(listed) == sorted(set(WINGS[folder]) - {"__init__"})


def imported_here(folder, tree):
    """Yield the paths of the modules of this package that a module imports."""
    home = folder.split("/") if folder else []
    for module, name in imports(tree):
        dots, within = re.fullmatch(r"(\.*)(.*)", module).groups()
        if not dots:
            continue
        parts = [*home[: len(home) + 1 - len(dots)], *filter(None, within.split("."))]
        path = PACKAGE.joinpath(*parts)
        yield "/".join(parts if path.with_suffix(".py").exists() else [*parts, name])


IMPORTS = {
    f"{folder}/{name}".strip("/"): {*imported_here(folder, tree)}
    for folder, trees in WINGS.items()
    for name, tree in trees.items()
}


def test_imports_are_acyclic():
    assert len(list(TopologicalSorter(IMPORTS).static_order())) > len(TREES)


def test_the_engine_imports_no_module_that_uses_it():
    for name, imported in IMPORTS.items():
        if name.startswith("_engine/"):
            others = {path for path in imported if not path.startswith("_engine/")}
            assert others <= {"memory", "_checked_pickle"}, name


def test_comparisons_import_only_fingerprints_from_the_engine():
    for name, imported in IMPORTS.items():
        if name.startswith("comparison/"):
            others = {path for path in imported if not path.startswith("comparison/")}
            assert others <= {"memory", "_engine/fingerprint"}, name


def test_the_tests_of_scores_import_no_fitting():
    """Scores can have any origin."""
    names = "result", "statistics", "resolution", "renamed", "scale", "metrics"
    modules = {f"comparison/{name}" for name in names}
    for name in modules:
        assert IMPORTS[name] <= modules, name


def test_functions_that_other_modules_import_are_annotated():
    """Check the functions of the engine and of comparisons."""
    wings = {n: t for n, t in WINGS.items() if n.startswith(("_engine", "comparison"))}
    shared = {name for tree in wings.values() for m in tree.values()
              for module, name in imports(m) if module.startswith(".")}  # fmt: skip
    unannotated = {
        function.name
        for trees in wings.values()
        for tree in trees.values()
        for function in tree.body
        if isinstance(function, ast.FunctionDef) and function.name in shared
        if not (function.returns and all(a.annotation for a in arguments(function)))
    }
    # The docstrings of these describe their parameters.
    assert unannotated <= {"compare", "compare_candidates"}


def arguments(function):
    """Return the arguments of a function, except `*args` and `**kwargs`."""
    args = function.args
    return [*args.posonlyargs, *args.args, *args.kwonlyargs]


def test_the_classifier_imports_the_network_module():
    """Otherwise cloudpickle sends a copy of the class to the workers of joblib."""
    assert "_network" in IMPORTS["classifier"]


def test_only_one_module_imports_scikeras():
    importers = {
        f"{folder}/{name}"
        for folder, trees in WINGS.items()
        for name, tree in trees.items()
        if any(module.startswith("scikeras") for module, _ in imports(tree))
    }
    assert importers == {"_estimator/scikeras"}


def test_private_names_of_other_packages_are_listed():
    """They start with an underscore, and this package uses but does not define them."""
    own, used = set(), set()
    for tree in (tree for trees in WINGS.values() for tree in trees.values()):
        for node in ast.walk(tree):
            match node:
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    own.add(name)
                case ast.Name(id=name, ctx=ast.Store()):
                    own.add(name)
                case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ctx):
                    (own if isinstance(ctx, ast.Store) else used).add(name)
                case ast.Attribute(attr=name) | ast.Constant(value=str(name)):
                    used.add(name)
        for module, name in imports(tree):
            if not module.startswith("."):
                used |= {*module.split("."), name}
    # The methods that scikit-learn and imbalanced-learn require are defined here.
    private = {name for name in used - own if re.fullmatch(r"_[a-z]\w+|src", name)}
    # Remove modules, attributes of old saved files and attributes of TensorFlow graphs.
    private -= {*TREES, *WINGS, "_optimizer_text", "_learning_rate"}
    private -= {"_class", "_gradient_op_type", "_exit"}  # os._exit is public
    table = section("Private names of other packages")
    listed = set(re.findall(r"^``(\w+)``", table, re.M))
    # Private names of others that this package overrides.
    private |= {"_get_param_names", "_check_X_y", "_validate_params"}
    assert private == listed, private ^ listed


@pytest.mark.parametrize("name", PLAYGROUND)
def test_each_module_of_the_playground_can_be_imported(name):
    """Doctests skip modules with missing imports silently, so import them here."""
    pytest.importorskip("panel", reason="the extra playground is not installed")
    import_module(f"sklearn_toydnn.playground.{name}".removesuffix(".__init__"))


def test_few_modules_import_panel():
    importers = {
        name
        for name, tree in (TREES | PLAYGROUND).items()
        if any(re.match("panel|bokeh", module) for module, _ in imports(tree))
    }
    assert importers == {"_figures", "_layout", "_controls", "_page", "_server"}


@pytest.mark.slow
def test_the_playground_server_does_not_import_tensorflow():
    pytest.importorskip("panel", reason="the extra playground is not installed")
    code = "import sys, sklearn_toydnn.playground._server\n"
    code += "sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- the benchmarks


def imported_of_benchmarks(path):
    """Yield the dotted names in benchmarks that a file imports."""
    package = ".".join(path.relative_to(ROOT).parts[:-1])
    for module, name in imports(ast.parse(path.read_text())):
        absolute = resolve_name(module, package)
        if absolute.startswith("benchmarks"):
            yield f"{absolute}.{name}"


def importing(folder, package):
    """Return the names of the files in a folder that import a package of benchmarks."""
    return {
        path.name
        for path in folder.rglob("*.py")
        if any(
            f"{name}.".startswith(f"benchmarks.{package}.")
            for name in imported_of_benchmarks(path)
        )
    }


def test_paper_and_measurements_do_not_import_each_other():
    assert "claims.py" in importing(BENCHMARKS / "paper", "paper")
    assert not importing(BENCHMARKS / "measurements", "paper")
    assert not importing(BENCHMARKS / "paper", "measurements")


def test_only_tests_of_benchmarks_import_studies():
    names = "authors", "benchmarks", "claims", "judging", "noise", "tables"
    names += ("reading_tests",)
    allowed = {f"test_{name}.py" for name in names}
    assert importing(ROOT / "tests", "paper") == allowed
    assert importing(ROOT / "tests", "measurements") <= allowed


def test_each_shared_module_of_benchmarks_is_listed():
    paper = (ROOT / "docs" / "paper.rst").read_text()
    studies = re.findall(r"^``(\w+)``  ", paper, re.M)
    paths = [*BENCHMARKS.glob("*.py"), *(BENCHMARKS / "paper").glob("*.py")]
    shared = {path.stem for path in paths} - {*studies, "__init__", "__main__"}
    assert set(re.findall(r"``(\w+)\.py``", section("The benchmarks"))) == shared


# ---- the data flow


def contains_points(value):
    """Return whether a value is the points, or a record or tuple that contains them."""
    if isinstance(value, np.ndarray):
        return value.ndim == 2 and len(value) == N_ROWS
    if type(value).__name__ in ("Data", "Points"):
        value = vars(value).values()
    elif type(value) not in (tuple, list):
        return False
    return any(map(contains_points, value))


def trace_points(fit):
    """Return the modules whose functions get the points, and the maximum call depth."""
    modules, depth = [], 0

    def note(frame, event, arg):
        nonlocal depth
        path = Path(frame.f_code.co_filename)
        if event != "call" or PACKAGE not in path.parents:
            return
        if frame.f_code.co_name == "__len__":  # does not process the points
            return
        if not any(map(contains_points, list(frame.f_locals.values()))):
            return
        if path.stem not in modules:
            modules.append(path.stem)
        caller, n = frame, 0
        while caller:
            n += PACKAGE in Path(caller.f_code.co_filename).parents
            caller = caller.f_back
        depth = max(depth, n)

    sys.setprofile(note)
    try:
        fit()
    finally:
        sys.setprofile(None)
    return modules, depth


@pytest.mark.fast("params0-trainers0")
@pytest.mark.parametrize(
    "params, trainers",
    [
        ({}, ["program"]),
        ({"jit_compile": False}, ["keras_model"]),
    ],
)
def test_the_points_pass_through_the_listed_modules(params, trainers):
    X, y = make_triangle(N_ROWS, random_state=0)
    clf = DNNClassifier(epochs=1, random_state=0, **params)
    clf.fit(X / 30, y)  # compile the program before tracing
    modules, depth = trace_points(lambda: clf.fit(X / 30, y))
    others = "data", "records", "fit_cache", "training"
    expected = {"classifier", *others, *trainers}
    # The other two check the points or use their shape.
    assert expected <= set(modules) <= expected | {"_numbers", "structure"}
    assert depth <= 8
    listed = re.findall(r"``(\w+)\.py``", section("Data flow"))
    assert set(modules) <= set(listed)


def test_training_needs_no_estimator():
    """`train` uses a plan, data and a state, and changes none of them."""
    from sklearn_toydnn._engine.network import Network
    from sklearn_toydnn._engine.optimizer import OptimizerSpec
    from sklearn_toydnn._engine.records import Data, Plan, Points
    from sklearn_toydnn._engine.tensorflow import keras
    from sklearn_toydnn._engine.training import train

    X, y = make_triangle(40, random_state=0)
    loss = keras.losses.BinaryCrossentropy()
    plan = Plan(Network((2, 20, 20, 1)), OptimizerSpec.of("adam", {}), loss)
    clf = DNNClassifier(epochs=2, random_state=0).fit(X / 30, y)
    state = plan.initial_state(clf._seed)
    points = Points((X / 30).astype("float32"), plan.encode(y))
    before = [kernel.copy() for kernel in state.weights.kernels]
    one, other = (train(plan, Data(points, points), state, range(2)) for _ in "12")
    assert one.history == other.history and len(one.history["val_loss"]) == 2
    assert one.history["loss"] == clf.history_["loss"]  # as in `fit`
    assert one.state.epochs_seen == 2 and state.epochs_seen == 0
    for kernel, kernel_before in zip(state.weights.kernels, before, strict=True):
        np.testing.assert_array_equal(kernel, kernel_before)
    continued = train(plan, Data(points, points), one.state, range(2))
    whole = train(plan, Data(points, points), state, range(4))
    assert one.history["loss"] + continued.history["loss"] == whole.history["loss"]
