"""Configuration of the Sphinx build, which requires no network access."""

import re

from sphinx_gallery.sorting import ExplicitOrder

import sklearn_toydnn

project = "sklearn-toydnn"
version = release = sklearn_toydnn.__version__
copyright = "the sklearn-toydnn developers"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
default_role = "code"

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["narrow.css"]
html_title = "sklearn-toydnn"
# Pages without subpages need no sidebar.
ALONE = ["index", "start", "fast", "paper", "design", "whats_new", "contributing"]
html_sidebars = {page: [] for page in ALONE}
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navbar_persistent": ["search-button"],
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
html_show_sourcelink = False
html_context = {"default_mode": "auto"}
html_use_index = html_domain_indices = False  # the API page lists every name

numpydoc_show_class_members = False
# Required parts of the docstrings of the API. A test requires the examples.
numpydoc_validation_checks = {"GL08", "PR01", "PR02", "PR03", "RT01", "RT03"}
# One class has a private parameter, and numpydoc does not find those of the others.
numpydoc_validation_exclude = {
    r"\.Comparison$",
    r"\.DNNClassifier$",
    r"\.NotCacheable$",
}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": ExplicitOrder(
        f"plot_{name}.py"
        for name in [
            "how_many_points",
            "how_wide_how_deep",
            "which_initializer",
            "zero_weights",
            "dropout",
            "augmentation",
            "early_stopping",
            "animation",
            "no_points",
            "search_resumed",
            "own_data",
        ]
    ),
    "matplotlib_animations": True,
    "parallel": 2,
    "write_computation_times": False,  # that page would load scripts from elsewhere
    "abort_on_example_error": True,
}


def mend_animations(app, docname, source):
    """Remove the link to the icon font of animations, which the theme provides."""
    text = re.sub(r'<link rel="stylesheet"\s+href="https://[^>]*>', "", source[0])
    source[0] = text.replace('<img id="_anim', '<img alt="an animation" id="_anim')


def setup(app):
    """Register the function above."""
    app.connect("source-read", mend_animations)
