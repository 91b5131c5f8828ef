"""The playground: change a setting, and real networks are trained again, many times."""


def playground():
    """Return the playground, to be looked at in a notebook.

    A page for one network's setting: what it says of the plane, its curves, its
    accuracy; of ten or thirty seeds, where they disagree; epoch by epoch; and one
    setting against another, with the verdict of :func:`~sklearn_toydnn.compare`. In a
    browser alone it is opened by ``python -m sklearn_toydnn.playground``.

    Returns
    -------
    page : panel.Column
        The page, which a notebook shows where it is a cell's last value.

    Raises
    ------
    ImportError
        If Panel is missing: the extra ``playground`` has it.

    Notes
    -----
    Computing is done in processes of its own, which end with this one; all pages of a
    process share them.

    Examples
    --------
    >>> from sklearn_toydnn.playground import playground
    >>> page = playground()  # doctest: +SKIP
    """
    from ._page import in_notebook

    return in_notebook()
