"""A server of the page, for this machine alone."""

import panel as pn
from panel.io.resources import LOCAL_DIST

from ._page import for_visitor, shared_workers

TITLE = "sklearn-toydnn playground"
_TEMPLATE = """
{% extends base %}
{% block postamble %}
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>#loader {background: rgba(255, 255, 255, 0.6) !important}</style>
{% endblock %}
{% block contents %}{{ embed(roots.playground) }}{% endblock %}
"""


def serve(host, port, announce):
    """Serve pages until Ctrl-C; all they need comes from here."""
    workers = shared_workers()  # they take seconds to be ready
    server = pn.serve(
        make_page,
        address=host,
        port=port,
        # No page from elsewhere may talk to this one.
        websocket_origin=[f"{host}:{port}", f"localhost:{port}"],
        title=TITLE,
        show=False,
        start=False,
        verbose=False,
    )
    server.start()
    announce()
    try:
        server.io_loop.start()
    except KeyboardInterrupt:
        pass
    finally:
        workers.close()


def make_page():
    """Return what a visitor gets."""
    page = pn.Template(_TEMPLATE)
    page.add_panel("playground", for_visitor())
    # Panel says this as it writes the page, too late for one that reconnects to a new
    # session: that one would ask Panel's network for style sheets.
    pn.state.curdoc.template_variables["dist_url"] = LOCAL_DIST
    return page
