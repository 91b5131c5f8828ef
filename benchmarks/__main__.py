"""Run the studies: ``python -m benchmarks [STUDY ...] [--quick] [--output DIR]``."""

import argparse
import ast
import tempfile
import textwrap
from pathlib import Path

from .measurements import MEASUREMENTS
from .paper import STUDIES

NAMES = STUDIES + MEASUREMENTS


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        """Print the error in one line, without the usage."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def _list_studies():
    """Return the names of the studies and their first docstring lines, as plain text.

    The docstrings are read from the source files: importing the studies is slow.
    """
    here, lines = Path(__file__).parent, []
    for title, folder, names in [
        ("studies of the paper (all of them run by default):", "paper", STUDIES),
        ("measurements of this package:", "measurements", MEASUREMENTS),
    ]:
        lines += ["", title]
        for name in names:
            source = (here / folder / f"{name}.py").read_text(encoding="utf-8")
            first_line = ast.get_docstring(ast.parse(source)).partition("\n")[0]
            text = f"  {name:<22}{first_line.replace('`', '')}"
            lines += textwrap.wrap(text, 88, subsequent_indent=" " * 24)
    return "\n".join(lines[1:])


def _study(name):
    if name not in NAMES:
        raise argparse.ArgumentTypeError(
            f"unknown study {name!r}, expected one of: {', '.join(NAMES)}"
        )
    return name


def _n_jobs(text):
    try:
        n_jobs = int(text)
    except ValueError:
        n_jobs = 0
    if n_jobs == 0:
        raise argparse.ArgumentTypeError(
            f"must be a number of processes, or -1 for all cores, got {text!r}"
        )
    return n_jobs


def _folder(text):
    folder = Path(text)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise argparse.ArgumentTypeError(
            f"cannot write to {text!r}: {error.strerror}"
        ) from error
    return folder


def _scheduler(address):
    try:
        from distributed import Client

        with Client(address, timeout=5):
            return address
    except (OSError, ValueError, ImportError) as error:
        raise argparse.ArgumentTypeError(
            f"cannot connect to a Dask scheduler at {address!r}: {error}"
        ) from error


def main(argv=None):
    """Parse and check all arguments, then run the studies one after the other."""
    parser = _Parser(
        prog="python -m benchmarks",
        description="Reproduce the results of the paper, or measure this package.",
        epilog=_list_studies(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "studies",
        metavar="STUDY",
        nargs="*",
        type=_study,
        help="studies to run, from the list below (default: all studies of the paper)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="run with few seeds and small grids, to check that everything works",
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        type=_folder,
        default="results",
        help="folder for the results (default: %(default)s)",
    )
    parser.add_argument(
        "--n-jobs",
        metavar="N",
        type=_n_jobs,
        default=-1,
        help="number of worker processes (default: -1, all cores)",
    )
    parser.add_argument(
        "--dask",
        metavar="tcp://HOST:PORT",
        type=_scheduler,
        help="run the tasks on the cluster of this Dask scheduler, not locally",
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="first delete the cached results of earlier runs in DIR",
    )
    args = parser.parse_args(argv)

    from ._runner import import_with_dependencies, run
    from ._signals import CONTINUE, INTERRUPTED, interruptible
    from .paper import report

    names = args.studies or STUDIES
    import_with_dependencies(names)  # before a signal raises KeyboardInterrupt
    try:
        with interruptible():
            done = run(
                names,
                quick=args.quick,
                output=args.output,
                n_jobs=args.n_jobs,
                dask=args.dask,
                fresh=args.fresh,
            )
            if set(STUDIES) <= set(done):
                report.write(done, quick=args.quick, output=args.output)
    except KeyboardInterrupt:
        parser.exit(130, INTERRUPTED)
    except OSError as error:  # for example: the disk is full or was removed
        parser.exit(1, f"Stopped: {error}. {CONTINUE}\n")


if __name__ == "__main__":
    main()
