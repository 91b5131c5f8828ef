"""The house is as docs/design.rst says: its modules, the way of the data, its rules."""

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
    """Return the modules of a folder by their names, parsed."""
    return {path.stem: ast.parse(path.read_text()) for path in folder.glob("*.py")}


TITLES = {
    "": "The package",
    "_estimator": "The estimator's wing",
    "_engine": "The engine",
    "_engine/compiled": "Training as one program",
    "comparison": "The way of a comparison",
    "playground": "The playground",
}
WINGS = {folder: parse(PACKAGE / folder) for folder in TITLES}
TREES, PLAYGROUND = WINGS[""], WINGS["playground"]
N_ROWS = 173  # of no other array


def section(title):
    """Return a section of the page, up to the next heading."""
    text = DESIGN.split(f"\n{title}\n" + "=" * len(title) + "\n")[1]
    return re.split(r"\n.+\n=+\n", text)[0]


def imports(tree):
    """Yield module and name for each name that is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((module, alias.name) for alias in node.names)


# ---- modules


@pytest.mark.parametrize("folder", WINGS)
def test_each_module_is_on_the_map(folder):
    listed = re.findall(r"^``(\w+)\.py``", section(TITLES[folder]), re.M)
    assert sorted(listed) == sorted(set(WINGS[folder]) - {"__init__"})


def imported_here(folder, tree):
    """Yield the modules of this package that a module imports, by their paths."""
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


def test_imports_go_round_no_circle():
    assert len(list(TopologicalSorter(IMPORTS).static_order())) > len(TREES)


def test_the_engine_knows_no_estimator():
    """Nor anything else that uses it."""
    for name, imported in IMPORTS.items():
        if name.startswith("_engine/"):
            others = {one for one in imported if not one.startswith("_engine/")}
            assert others <= {"memory", "_checked_pickle"}, name


def test_a_comparison_knows_of_the_engine_how_to_tell_what_is_equal():
    for name, imported in IMPORTS.items():
        if name.startswith("comparison/"):
            others = {one for one in imported if not one.startswith("comparison/")}
            assert others <= {"memory", "_engine/fingerprint"}, name


def test_what_a_comparison_says_knows_nothing_of_fitting():
    """Scores may come from anywhere."""
    names = "result", "statistics", "resolution", "renamed", "scale", "metrics"
    known = {f"comparison/{name}" for name in names}
    for name in known:
        assert IMPORTS[name] <= known, name


def test_functions_between_modules_are_annotated():
    """Of the engine and of comparisons: those that another module imports."""
    wings = {n: t for n, t in WINGS.items() if n.startswith(("_engine", "comparison"))}
    shared = {name for tree in wings.values() for m in tree.values()
              for module, name in imports(m) if module.startswith(".")}  # fmt: skip
    bare = {
        function.name
        for trees in wings.values()
        for tree in trees.values()
        for function in tree.body
        if isinstance(function, ast.FunctionDef) and function.name in shared
        if not (function.returns and all(a.annotation for a in arguments(function)))
    }
    # `compare`'s and `compare_candidates`' parameters are in their docstrings.
    assert bare <= {"compare", "compare_candidates"}


def arguments(function):
    """Return the arguments of a function, but not those in `*names` or `**names`."""
    args = function.args
    return [*args.posonlyargs, *args.args, *args.kwonlyargs]


def test_network_is_there_under_its_old_name():
    """Else cloudpickle, and with it joblib's workers, send a copy of the class."""
    assert "_network" in IMPORTS["classifier"]


def test_one_module_knows_of_scikeras():
    knowing = {
        f"{folder}/{name}"
        for folder, trees in WINGS.items()
        for name, tree in trees.items()
        if any(module.startswith("scikeras") for module, _ in imports(tree))
    }
    assert knowing == {"_estimator/scikeras"}


def test_the_private_names_of_others_are_listed():
    """Names with an underscore that are used, but are nobody's here."""
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
    # What scikit-learn and imbalanced-learn ask estimators to define is defined here.
    private = {name for name in used - own if re.fullmatch(r"_[a-z]\w+|src", name)}
    # Modules, attributes that were saved once, and what TensorFlow's graphs hold.
    private -= {*TREES, *WINGS, "_optimizer_text", "_learning_rate"}
    private -= {"_class", "_gradient_op_type", "_exit"}  # the last: of os, public
    listed = set(re.findall(r"^``(\w+)``", section("Private names of others"), re.M))
    private |= {
        "_get_param_names",
        "_check_X_y",
        "_validate_params",
    }  # theirs, defined here again
    assert private == listed, private ^ listed


@pytest.mark.parametrize("name", PLAYGROUND)
def test_each_module_of_the_playground_can_be_imported(name):
    """Where its extra is not installed, their examples are left out silently."""
    pytest.importorskip("panel", reason="the extra playground is not installed")
    import_module(f"sklearn_toydnn.playground.{name}".removesuffix(".__init__"))


def test_few_modules_know_of_panel():
    knowing = {
        name
        for name, tree in (TREES | PLAYGROUND).items()
        if any(re.match("panel|bokeh", module) for module, _ in imports(tree))
    }
    assert knowing == {"_figures", "_layout", "_controls", "_page", "_server"}


@pytest.mark.slow
def test_the_server_of_the_playground_does_without_tensorflow():
    pytest.importorskip("panel", reason="the extra playground is not installed")
    code = "import sys, sklearn_toydnn.playground._server\n"
    code += "sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- the benchmarks


def imported_of_benchmarks(path):
    """Yield the modules of benchmarks, and names in them, that a file imports."""
    package = ".".join(path.relative_to(ROOT).parts[:-1])
    for module, name in imports(ast.parse(path.read_text())):
        whole = resolve_name(module, package)
        if whole.startswith("benchmarks"):
            yield f"{whole}.{name}"


def importing(folder, wing):
    """Return the names of the files in a folder that import a wing of benchmarks."""
    return {
        path.name
        for path in folder.rglob("*.py")
        if any(
            f"{name}.".startswith(f"benchmarks.{wing}.")
            for name in imported_of_benchmarks(path)
        )
    }


def test_paper_and_measurements_know_nothing_of_each_other():
    assert "claims.py" in importing(BENCHMARKS / "paper", "paper")
    assert not importing(BENCHMARKS / "measurements", "paper")
    assert not importing(BENCHMARKS / "paper", "measurements")


def test_the_packages_tests_know_neither():
    names = "benchmarks", "claims", "judging", "noise", "reading_tests", "tables"
    of_benchmarks = {f"test_{name}.py" for name in names}
    assert importing(ROOT / "tests", "paper") == of_benchmarks
    assert importing(ROOT / "tests", "measurements") <= of_benchmarks


def test_each_module_that_studies_share_is_on_the_map():
    paper = (ROOT / "docs" / "paper.rst").read_text()
    studies = re.findall(r"^``(\w+)``  ", paper, re.M)
    paths = [*BENCHMARKS.glob("*.py"), *(BENCHMARKS / "paper").glob("*.py")]
    shared = {path.stem for path in paths} - {*studies, "__init__", "__main__"}
    assert set(re.findall(r"``(\w+)\.py``", section("The benchmarks"))) == shared


# ---- the way of the data


def holds_points(value):
    """Return whether a value is the points, or a record or tuple with them."""
    if isinstance(value, np.ndarray):
        return value.ndim == 2 and len(value) == N_ROWS
    if type(value).__name__ in ("Data", "Points"):
        value = vars(value).values()
    elif type(value) not in (tuple, list):
        return False
    return any(map(holds_points, value))


def way_of_the_points(fit):
    """Return the modules whose calls are handed the points, and how deep they lie."""
    modules, depth = [], 0

    def note(frame, event, arg):
        nonlocal depth
        path = Path(frame.f_code.co_filename)
        if event != "call" or PACKAGE not in path.parents:
            return
        if frame.f_code.co_name == "__len__":  # which asks for their number
            return
        if not any(map(holds_points, list(frame.f_locals.values()))):
            return
        if path.stem not in modules:
            modules.append(path.stem)
        within, n = frame, 0
        while within:
            n += PACKAGE in Path(within.f_code.co_filename).parents
            within = within.f_back
        depth = max(depth, n)

    sys.setprofile(note)
    try:
        fit()
    finally:
        sys.setprofile(None)
    return modules, depth


@pytest.mark.fast("params0-way0")
@pytest.mark.parametrize(
    "params, way",
    [
        ({}, ["program"]),
        ({"jit_compile": False}, ["keras_model"]),
    ],
)
def test_the_points_go_the_way_that_is_written(params, way):
    X, y = make_triangle(N_ROWS, random_state=0)
    clf = DNNClassifier(epochs=1, random_state=0, **params)
    clf.fit(X / 30, y)  # compiling is not on the way
    modules, depth = way_of_the_points(lambda: clf.fit(X / 30, y))
    others = "data", "records", "fit_cache", "training"
    on_the_way = {"classifier", *others, *way}
    # Those check points, or ask for their shape.
    assert on_the_way <= set(modules) <= on_the_way | {"_numbers", "structure"}
    assert depth <= 8
    written = re.findall(r"``(\w+)\.py``", section("The way of the data"))
    assert set(modules) <= set(written)


def test_training_needs_no_estimator():
    """A plan, data and a state are enough, and none of them is changed."""
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
    assert one.history["loss"] == clf.history_["loss"]  # nothing else is in a fit
    assert one.state.epochs_seen == 2 and state.epochs_seen == 0
    for now, then in zip(state.weights.kernels, before, strict=True):
        np.testing.assert_array_equal(now, then)
    on = train(plan, Data(points, points), one.state, range(2))
    whole = train(plan, Data(points, points), state, range(4))
    assert one.history["loss"] + on.history["loss"] == whole.history["loss"]
