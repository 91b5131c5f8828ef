"""A server of the page, for this machine alone."""

import panel as pn
from panel.io.resources import LOCAL_DIST
from tornado.routing import Matcher, Rule
from tornado.web import ErrorHandler

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
    # A foreign name may lead here, and Tornado lets a page from it talk to its host.
    refusal = Rule(_ForeignHost(host), ErrorHandler, {"status_code": 403})
    server._tornado.default_router.rules.insert(0, refusal)
    server.start()
    announce()
    try:
        server.io_loop.start()
    except KeyboardInterrupt:
        pass
    finally:
        workers.close()


class _ForeignHost(Matcher):
    """Match requests, also for a WebSocket, that name another machine than this."""

    def __init__(self, host):
        self._hosts = {host, "localhost"}

    def match(self, request):
        """Return the arguments of the handler, or None where there is no match."""
        return None if request.host_name in self._hosts else {}


def make_page():
    """Return what a visitor gets."""
    page = pn.Template(_TEMPLATE)
    page.add_panel("playground", for_visitor())
    # Panel says this as it writes the page, too late for one that reconnects to a new
    # session: that one would ask Panel's network for style sheets.
    pn.state.curdoc.template_variables["dist_url"] = LOCAL_DIST
    return page
