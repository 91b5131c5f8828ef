"""An interactive page that trains a network again whenever you change a parameter."""


def playground():
    """Return the playground for display in a notebook.

    The page shows the decision regions, training history and accuracy of one network.
    It also shows where 10 or 30 networks with different seeds disagree, and how a
    network learns epoch by epoch. It compares two settings and shows the verdict of
    :func:`~sklearn_toydnn.compare`. To open the page in a browser without a notebook,
    run ``python -m sklearn_toydnn.playground``.

    Returns
    -------
    page : panel.Column
        The page. A notebook displays it if it is the last value of a cell.

    Raises
    ------
    ImportError
        If Panel is not installed. Install the extra ``playground``.

    Notes
    -----
    Networks are trained in separate worker processes, which all pages of this process
    share. They end with this process.

    Examples
    --------
    >>> from sklearn_toydnn.playground import playground
    >>> page = playground()  # doctest: +SKIP
    """
    from ._page import in_notebook

    return in_notebook()
