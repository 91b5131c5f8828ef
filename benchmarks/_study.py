"""The definition of a study: its question, settings, tasks, table and figure."""

import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True)
class Study:
    """A question about the paper or about this package, and how to answer it.

    A study either measures tasks in parallel (`tasks` and `measure`), or combines the
    results of other studies (`judge`). The docstring of its module states the question.
    """

    module: str  # name of the module that defines it, imported by the workers
    title: str
    alt: str  # text alternative of the figure
    full: dict  # settings of the full run
    quick: dict  # settings of a quick run, which only checks that the study works
    summary: Callable  # takes the frame, returns the table to print
    plot: Callable  # takes the frame, returns a figure
    # Takes the frames of `needs` and the settings, yields arguments of `measure`.
    tasks: Callable | None = None
    measure: Callable | None = None  # takes a task, returns rows of the frame
    # Takes the frames of `needs` and the settings, returns the frame.
    judge: Callable | None = None
    needs: tuple = ()  # names of the studies whose frames it uses
    # Takes the settings, returns the amount of training: points times epochs. The tasks
    # of studies that train are cached; their `measure` takes `memory`, a folder.
    work: Callable | None = None
    requires: tuple = ()  # modules of an extra; without them the saved result is used
    n_jobs: int | None = None  # number of workers, None: as many as the run has
    many_programs: bool = False  # stop the workers afterwards, to free their memory

    @property
    def name(self):
        """str: The name on the command line and of the result files."""
        return self.module.rpartition(".")[2]

    @property
    def about(self):
        """List of str: The paragraphs of the docstring after its first line."""
        text = inspect.cleandoc(sys.modules[self.module].__doc__).partition("\n\n")[2]
        return [part for part in re.sub(r"`+|\*", "", text).split("\n\n") if part]

    @property
    def missing(self):
        """List of str: The modules that it requires and that are not installed."""
        return [name for name in self.requires if find_spec(name) is None]

    def settings(self, quick):
        """Return the settings of a quick or full run."""
        return self.quick if quick else self.full

    def describe(self, quick):
        """Return the settings of a quick or full run in one line."""
        kind = "quick run, only a check" if quick else "full run"
        settings = self.settings(quick).items()
        return f"{kind}: " + "; ".join(f"{name} {_short(v)}" for name, v in settings)


def _short(value):
    return ", ".join(map(str, value)) if isinstance(value, list | dict) else value
