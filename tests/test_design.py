"""The house is as docs/design.rst says: its modules, the way of the data, its rules."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import sklearn_toydnn
from sklearn_toydnn import DNNClassifier, make_triangle

ROOT = Path(__file__).parents[1]
PACKAGE = Path(sklearn_toydnn.__file__).parent
DESIGN = (ROOT / "docs" / "design.rst").read_text()


def parse(folder):
    """Return the modules of a folder by their names, parsed."""
    return {path.stem: ast.parse(path.read_text()) for path in folder.glob("*.py")}


TREES = parse(PACKAGE)
COMPARISON, PLAYGROUND = parse(PACKAGE / "comparison"), parse(PACKAGE / "playground")
WINGS = {"package": TREES, "comparison": COMPARISON, "playground": PLAYGROUND}
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


@pytest.mark.parametrize(
    "title, trees",
    [
        ("Modules", TREES),
        ("The way of a comparison", COMPARISON),
        ("The playground", PLAYGROUND),
    ],
    ids=WINGS,
)
def test_each_module_is_on_the_map(title, trees):
    listed = re.findall(r"^``(?:sklearn_toydnn/)?(\w+)\.py``", section(title), re.M)
    assert sorted(listed) == sorted(set(trees) - {"__init__"})


@pytest.mark.parametrize("trees", WINGS.values(), ids=WINGS)
def test_imports_go_round_no_circle(trees):
    within = {
        name: {module.lstrip(".") or imported for module, imported in imports(tree)
               if re.match(r"\.(?!\.)", module)}
        for name, tree in trees.items()
    }  # fmt: skip
    assert list(TopologicalSorter(within).static_order())


def test_what_a_comparison_says_knows_nothing_of_fitting():
    """Scores may come from anywhere."""
    known = {
        name: {module for module, _ in imports(COMPARISON[name])}
        for name in ("result", "statistics", "resolution", "scale", "metrics")
    }
    for name, modules in known.items():
        within = {module[1:] for module in modules if module.startswith(".")}
        assert within <= set(known), name


def test_one_module_knows_of_scikeras():
    knowing = {
        name
        for name, tree in TREES.items()
        if any(module.startswith("scikeras") for module, _ in imports(tree))
    }
    assert knowing == {"_scikeras"}


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
    private -= {*TREES, "_optimizer_text", "_learning_rate"}
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
    assert knowing == {"_pictures", "_parts", "_controls", "_page", "_server"}


@pytest.mark.slow
def test_the_server_of_the_playground_does_without_tensorflow():
    pytest.importorskip("panel", reason="the extra playground is not installed")
    code = "import sys, sklearn_toydnn.playground._server\n"
    code += "sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- the way of the data


def holds_points(value):
    """Return whether a value is the points, or a record or tuple with them."""
    if isinstance(value, np.ndarray):
        return value.ndim == 2 and len(value) == N_ROWS
    if type(value).__name__ == "Data":
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
        if event != "call" or path.parent != PACKAGE:
            return
        if not any(map(holds_points, list(frame.f_locals.values()))):
            return
        if path.stem not in modules:
            modules.append(path.stem)
        within, n = frame, 0
        while within:
            n += Path(within.f_code.co_filename).parent == PACKAGE
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
        ({}, ["_validation", "_state", "_training", "_program"]),
        (
            {"jit_compile": False},
            ["_validation", "_state", "_training", "_keras_model"],
        ),
    ],
)
def test_the_points_go_the_way_that_is_written(params, way):
    X, y = make_triangle(N_ROWS, random_state=0)
    clf = DNNClassifier(epochs=1, random_state=0, **params)
    clf.fit(X / 30, y)  # compiling is not on the way
    modules, depth = way_of_the_points(lambda: clf.fit(X / 30, y))
    assert set(modules) == {"classifier", *way}
    assert len(modules) <= 6 and depth <= 8
    written = re.findall(r"``(\w+)\.py``", section("The way of the data"))
    assert set(modules) <= set(written)


def test_training_needs_no_estimator():
    """A plan, data and a state are enough, and none of them is changed."""
    from sklearn_toydnn._parameters import Plan
    from sklearn_toydnn._state import Data
    from sklearn_toydnn._training import train

    X, y = make_triangle(40, random_state=0)
    clf = DNNClassifier(random_state=0).initialize(X / 30, y)
    plan = Plan.of(clf)
    state = plan.initial_state(clf)
    points = (X / 30).astype("float32"), plan.encode(y, "y")
    before = [weights.copy() for weights in state.weights]
    one, other = (train(plan, Data(points, points), state, range(2)) for _ in "12")
    assert one.history == other.history and len(one.history["val_loss"]) == 2
    assert one.state.epochs_seen == 2 and state.epochs_seen == 0
    for now, then in zip(state.weights, before, strict=True):
        np.testing.assert_array_equal(now, then)
    on = train(plan, Data(points, points), one.state, range(2))
    whole = train(plan, Data(points, points), state, range(4))
    assert one.history["loss"] + on.history["loss"] == whole.history["loss"]
