"""``python -m sklearn_toydnn.playground``: the playground as a page."""

import argparse
import socket
import sys
import webbrowser
from contextlib import closing

HOST = "127.0.0.1"


def _port(text):
    if not (text.isdecimal() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"a port is from 0 to {2**16 - 1}, not {text}")
    return int(text)


def main(arguments=None):
    """Open the page and serve it until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m sklearn_toydnn.playground", description=__doc__
    )
    parser.add_argument(
        "--port", type=_port, default=5006, help="0 takes a free one (default: 5006)"
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="print the address, and open no page"
    )
    options = parser.parse_args(arguments)
    port = options.port or _free_port()
    why = _why_not(port)
    if why:
        sys.exit(f"Port {port}: {why}. Choose another one with --port, or --port 0.")
    try:
        from . import _server
    except ImportError as error:
        sys.exit(
            f"The playground needs Panel ({error}): "
            "pip install 'sklearn-toydnn[playground]'"
        )
    address = f"http://{HOST}:{port}/"

    def announce():
        print(f"The playground is at {address} (Ctrl-C ends it)", flush=True)
        if not options.no_browser:
            webbrowser.open(address)

    _server.serve(HOST, port, announce)


def _free_port():
    with closing(socket.socket()) as found:
        found.bind((HOST, 0))
        return found.getsockname()[1]


def _why_not(port):
    """Return why a port cannot be had, or None."""
    with closing(socket.socket()) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError as error:
            return error.strerror
    return None


if __name__ == "__main__":
    main()
