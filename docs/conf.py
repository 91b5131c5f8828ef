"""Sphinx configuration. The build needs no network access."""

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
# Pages without subpages have no sidebar.
NO_SIDEBAR = [
    "index",
    "start",
    "fast",
    "paper",
    "glossary",
    "design",
    "whats_new",
    "contributing",
]
html_sidebars = {page: [] for page in NO_SIDEBAR}
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
html_use_index = html_domain_indices = False  # the API page lists all public names

numpydoc_show_class_members = False
# Required parts of the API's docstrings. A test checks that they have examples.
numpydoc_validation_checks = {"GL08", "PR01", "PR02", "PR03", "RT01", "RT03"}
# Comparison has a parameter for internal use only. numpydoc does not find a documented
# parameter of each of the others.
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
    "write_computation_times": False,  # that page loads scripts from the network
    "abort_on_example_error": True,
}


def mend_animations(app, docname, source):
    """Remove the icon style sheet from animations (the theme has it); add alt texts."""
    text = re.sub(r'<link rel="stylesheet"\s+href="https://[^>]*>', "", source[0])
    source[0] = text.replace('<img id="_anim', '<img alt="an animation" id="_anim')


def setup(app):
    """Register the event handlers."""
    app.connect("source-read", mend_animations)
