"""What importing the package costs, and what it and a fit print: in a fresh process."""

import subprocess
import sys

import pytest

import sklearn_toydnn


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
        "for n in range(20, 60, 5):\n"
        "    clf = DNNClassifier(epochs=2, random_state=0)\n"
        "    clf.fit(X[:n], y[:n], X_val=X[:10], y_val=y[:10]).predict(X[:n])\n"
    )
    assert (result.stdout, result.stderr) == ("", "")


def test_another_backend_of_keras_is_refused():
    code = (
        "import keras; keras.backend.backend = lambda: 'numpy'\n"
        "try: from sklearn_toydnn import DNNClassifier\n"
        "except ImportError as error: print(error)\n"
    )
    assert "Keras is set to 'numpy': unset KERAS_BACKEND" in run(code).stdout


def test_public_names_are_there_and_others_are_an_error():
    assert set(sklearn_toydnn.__all__) <= set(dir(sklearn_toydnn))
    for name in sklearn_toydnn.__all__:
        assert getattr(sklearn_toydnn, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'make_square'"):
        _ = sklearn_toydnn.make_square
