"""A server of the page that only this machine can reach."""

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
    """Serve pages until Ctrl-C, with all resources from this server."""
    workers = shared_workers()  # started early, because they need seconds
    server = pn.serve(
        make_page,
        address=host,
        port=port,
        # Refuse WebSocket connections from pages of other origins.
        websocket_origin=[f"{host}:{port}", f"localhost:{port}"],
        title=TITLE,
        show=False,
        start=False,
        verbose=False,
    )
    # A foreign host name may resolve to this machine (DNS rebinding). Tornado would
    # accept a page from that host, because its origin equals its host.
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
    """Match requests, including WebSocket ones, for a host that is not this machine."""

    def __init__(self, host):
        self._hosts = {host, "localhost"}

    def match(self, request):
        """Return the arguments of the handler, or None if the host is allowed."""
        return None if request.host_name in self._hosts else {}


def make_page():
    """Return the document for one visitor."""
    page = pn.Template(_TEMPLATE)
    page.add_panel("playground", for_visitor())
    # Panel sets this when it renders the page. That is too late for a page that
    # reconnects with a new session: it would load style sheets from Panel's CDN.
    pn.state.curdoc.template_variables["dist_url"] = LOCAL_DIST
    return page
