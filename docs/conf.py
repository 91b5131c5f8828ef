"""How Sphinx builds these pages: without a network, and every warning an error."""

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
# These have no pages below them.
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
html_use_index = html_domain_indices = False  # the API page lists all there is

numpydoc_show_class_members = False
# What a docstring of the API must have; that names have examples, a test says.
numpydoc_validation_checks = {"GL08", "PR01", "PR02", "PR03", "RT01", "RT03"}
# A parameter that is ours alone, and two that numpydoc does not find.
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
    "write_computation_times": False,  # a page that fetches scripts
    "abort_on_example_error": True,
}


def mend_animations(app, docname, source):
    """Leave out the icons that matplotlib fetches for them, which the theme has."""
    text = re.sub(r'<link rel="stylesheet"\s+href="https://[^>]*>', "", source[0])
    source[0] = text.replace('<img id="_anim', '<img alt="an animation" id="_anim')


def setup(app):
    """Read the pages through the function above."""
    app.connect("source-read", mend_animations)
