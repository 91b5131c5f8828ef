"""Run the studies: ``python -m benchmarks [STUDY ...] [--quick] [--output DIR]``."""

import argparse
import tempfile
from pathlib import Path

from .measurements import MEASUREMENTS
from .paper import STUDIES

NAMES = STUDIES + MEASUREMENTS


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        """Say what is wrong in one line."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def _study(name):
    if name not in NAMES:
        raise argparse.ArgumentTypeError(
            f"no study {name!r}; there are {', '.join(NAMES)}"
        )
    return name


def _n_jobs(text):
    try:
        n_jobs = int(text)
    except ValueError:
        n_jobs = 0
    if n_jobs == 0:
        raise argparse.ArgumentTypeError(
            f"must be a number of processes, or -1 for all cores, not {text!r}"
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
            f"no Dask scheduler at {address!r}: {error}"
        ) from error


def main(argv=None):
    """Parse the arguments, check them all, then run the studies in turn."""
    parser = _Parser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "studies",
        metavar="STUDY",
        nargs="*",
        type=_study,
        help=", ".join(NAMES),
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer seeds and a slice of the grid"
    )
    parser.add_argument(
        "--output", metavar="DIR", type=_folder, default="results", help="for results"
    )
    parser.add_argument(
        "--n-jobs", metavar="N", type=_n_jobs, default=-1, help="processes (all cores)"
    )
    parser.add_argument(
        "--dask",
        metavar="tcp://HOST:PORT",
        type=_scheduler,
        help="send the fits to this Dask scheduler instead",
    )
    parser.add_argument(
        "--fresh", action="store_true", help="forget what earlier runs have kept"
    )
    args = parser.parse_args(argv)

    from ._runner import run, with_needs
    from ._signals import INTERRUPTED, interruptible
    from .paper import report

    names = args.studies or STUDIES
    with_needs(names)  # imported before a signal raises KeyboardInterrupt
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
    except OSError as error:  # a full disk, or a lost one
        parser.exit(1, f"Stopped: {error}. The same command goes on from here.\n")


if __name__ == "__main__":
    main()
