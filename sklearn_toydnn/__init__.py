"""Small deep networks for two-dimensional toy problems, with a scikit-learn API."""

from importlib import import_module

__version__ = "0.3.0"

_MODULES = {
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
__all__ = list(_MODULES)


def __getattr__(name):
    """Import a public name on first use, because TensorFlow takes seconds to import."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    except AttributeError as error:
        # Python would report an AttributeError as a missing name and hide the cause.
        raise ImportError(f"cannot import {name!r}: {error}") from error


def __dir__():
    """List all names of the module, including public names not yet imported."""
    return sorted({*globals(), *__all__})
