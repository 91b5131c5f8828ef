"""Small deep networks on two-dimensional toy problems, the scikit-learn way."""

from importlib import import_module

__version__ = "0.3.0"

_HOME = {
    "make_triangle": "datasets",
    "make_sinusoidal": "datasets",
    "make_gaussian": "datasets",
    "GaussianAugmenter": "augmentation",
    "GaussianNoise": "augmentation",
    "DNNClassifier": "classifier",
    "compare": "comparison",
    "compare_candidates": "comparison",
    "Comparison": "comparison",
    "ComparisonDisplay": "comparison",
    "cache_info": "_engine.compiled.program_cache",
    "cache_clear": "_engine.compiled.program_cache",
    "stop_fits": "_engine.callbacks",
}
__all__ = list(_HOME)


def __getattr__(name):
    """Import a public name on first use: TensorFlow takes seconds, a data set none."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    except AttributeError as error:
        # As it is, Python would say that there is no such name, and not why.
        raise ImportError(f"cannot import {name!r}: {error}") from error


def __dir__():
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
