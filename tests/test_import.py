"""The import of the package, and what it and a fit print, in new processes."""

import ast
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import sklearn_toydnn
from sklearn_toydnn._engine.tensorflow import _without_import_log


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )


@pytest.mark.parametrize(
    "code",
    [
        "import sklearn_toydnn",
        "from sklearn_toydnn import make_triangle",
        "from sklearn_toydnn import GaussianAugmenter, GaussianNoise",
        "import sklearn_toydnn; dir(sklearn_toydnn)",
    ],
)
def test_tensorflow_is_not_imported_before_the_classifier(code):
    loaded = "import sys; print({'tensorflow', 'keras'} & set(sys.modules))"
    assert run(f"{code}; {loaded}").stdout == "set()\n"


def test_importing_and_fitting_print_nothing():
    result = run(
        "from sklearn_toydnn import DNNClassifier, make_triangle\n"
        "X, y = make_triangle(n_samples=60, random_state=0)\n"
        # More fits than TensorFlow needs to warn of retracing.
        "for n in range(20, 60, 7):\n"
        "    clf = DNNClassifier(epochs=2, random_state=0)\n"
        "    clf.fit(X[:n], y[:n], X_val=X[:10], y_val=y[:10]).predict(X[:n])\n"
    )
    assert (result.stdout, result.stderr) == ("", "")


@pytest.mark.slow
def test_other_backends_of_keras_are_an_error():
    code = (
        "import keras; keras.backend.backend = lambda: 'numpy'\n"
        "try: from sklearn_toydnn import DNNClassifier\n"
        "except ImportError as error: print(error)\n"
    )
    assert "got 'numpy'. Unset KERAS_BACKEND" in run(code).stdout


def test_public_names_exist_and_other_names_are_an_error():
    assert set(sklearn_toydnn.__all__) <= set(dir(sklearn_toydnn))
    for name in sklearn_toydnn.__all__:
        assert getattr(sklearn_toydnn, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'make_square'"):
        _ = sklearn_toydnn.make_square


def test_the_stub_lists_the_public_names():
    package = Path(sklearn_toydnn.__file__).parent
    assert (package / "py.typed").is_file()
    stub = ast.parse((package / "__init__.pyi").read_text())
    modules = {
        alias.asname: node.module.lstrip(".")
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert modules == sklearn_toydnn._MODULES


def run_with(redirections, code):
    """Run code with closed or redirected standard streams."""
    shell = ["sh", "-c", f'exec "$0" -c "$1" {redirections}', sys.executable, code]
    return subprocess.run(shell, capture_output=True, text=True)


@pytest.mark.slow
def test_importing_and_fitting_work_without_stderr(tmp_path):
    result = run_with(
        "2>&-",
        # The next file gets the file descriptor of stderr.
        f"file = open({str(tmp_path / 'mine')!r}, 'w')\n"
        "assert file.fileno() == 2\n"
        "print('before', file=file, flush=True)\n"
        "from sklearn_toydnn import DNNClassifier, make_triangle\n"
        "X, y = make_triangle(n_samples=60, random_state=0)\n"
        "DNNClassifier(epochs=1, verbose=2).fit(X, y).predict(X)\n"
        "print('after', file=file)\n",
    )
    assert result.returncode == 0
    assert "loss: " in result.stdout
    assert (tmp_path / "mine").read_text() == "before\nafter\n"


@pytest.mark.slow
def test_importing_and_fitting_work_without_any_standard_stream():
    code = (
        "from sklearn_toydnn import DNNClassifier, make_triangle\n"
        "X, y = make_triangle(n_samples=60, random_state=0)\n"
        "DNNClassifier(epochs=1).fit(X, y).predict(X)\n"
    )
    assert run_with("<&- >&- 2>&-", code).returncode == 0


def test_only_the_log_of_the_import_is_removed(capfd):
    with pytest.raises(KeyError), _without_import_log():
        os.write(2, b"I0000 log\nsomething else\n")
        raise KeyError
    os.write(2, b"I0000 later log\n")
    assert capfd.readouterr().err == "something else\nI0000 later log\n"


CLOSED = io.TextIOWrapper(io.BytesIO())
CLOSED.close()


@pytest.mark.parametrize("stderr", [None, object(), CLOSED])
def test_the_log_is_removed_for_any_sys_stderr(stderr, monkeypatch, capfd):
    monkeypatch.setattr(sys, "stderr", stderr)
    with _without_import_log():
        os.write(2, b"I0000 log\nsomething else\n")
    assert capfd.readouterr().err == "something else\n"


@pytest.mark.parametrize("module, function", [(os, "dup"), (tempfile, "TemporaryFile")])
def test_the_log_is_not_removed_without_a_file(module, function, monkeypatch, capfd):
    def fail(*args):
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(module, function, fail)
        with pytest.raises(KeyError) as caught, _without_import_log():
            os.write(2, b"I0000 log\n")
            raise KeyError
    assert caught.value.__context__ is None
    assert capfd.readouterr().err == "I0000 log\n"


def test_a_broken_stderr_does_not_hide_an_error(monkeypatch):
    def fail(*args):
        raise BrokenPipeError

    with pytest.raises(KeyError) as caught, _without_import_log():
        os.write(2, b"something else\n")
        monkeypatch.setattr(os, "write", fail)
        raise KeyError
    assert caught.value.__context__ is None


def test_an_error_inside_a_lazy_import_is_reported():
    # An empty module replaces Keras, so that tensorflow.py cannot read its backend.
    code = (
        "import sys, types\n"
        "sys.modules['keras'] = sys.modules['tensorflow'] = types.ModuleType('keras')\n"
        "try: from sklearn_toydnn import DNNClassifier\n"
        "except ImportError as error: print(error, repr(error.__cause__), sep='\\n')\n"
    )
    message, cause = run(code).stdout.splitlines()
    reason = "module 'keras' has no attribute 'backend'"
    assert message == f"cannot import 'DNNClassifier': {reason}"
    assert cause.startswith("AttributeError") and reason in cause
