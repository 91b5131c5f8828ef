"""Serve the playground on this machine and open it in the browser."""

import argparse
import socket
import sys
import webbrowser
from contextlib import closing

HOST = "127.0.0.1"


def _port(text):
    if not (text.isdecimal() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(
            f"must be an integer from 0 to {2**16 - 1:,}, got {text}"
        )
    return int(text)


def main(arguments=None):
    """Serve the page until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m sklearn_toydnn.playground", description=__doc__
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=5006,
        help="port of the server; 0 selects a free port (default: 5006)",
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="print the address without opening it"
    )
    options = parser.parse_args(arguments)
    port = options.port or _free_port()
    problem = _find_problem(port)
    if problem:
        sys.exit(
            f"Port {port}: {problem}. Choose another port with --port, or use "
            "--port 0 for a free port."
        )
    try:
        from . import _server
    except ImportError as error:
        sys.exit(
            f"The playground requires Panel ({error}). Install it with: "
            "pip install 'sklearn-toydnn[playground]'"
        )
    address = f"http://{HOST}:{port}/"

    def announce():
        print(
            f"The playground is running at {address} (press Ctrl-C to stop it)",
            flush=True,
        )
        if not options.no_browser:
            webbrowser.open(address)

    _server.serve(HOST, port, announce)


def _free_port():
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def _find_problem(port):
    """Return why a port is not available, or None."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error.strerror
    return None


if __name__ == "__main__":
    main()
