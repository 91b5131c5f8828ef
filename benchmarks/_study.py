"""What a study is: a question, its settings, and how they become an answer."""

import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Study:
    """One question: of the paper, or about this package.

    A study either measures tasks, each in a process of its own, or judges what other
    studies have found. Its module's docstring says what it asks.
    """

    module: str  # where it is written, and where workers find it
    title: str
    alt: str  # the picture in words, for who does not see it
    full: dict  # settings of the study itself
    quick: dict  # and of a run that only shows that it works
    summary: Callable  # of the frame: the table that is printed
    plot: Callable  # of the frame: its picture
    tasks: Callable | None = None  # of what it needs and the settings: dicts
    measure: Callable | None = None  # of a task: rows of the frame
    judge: Callable | None = None  # of what it needs and the settings: the frame
    needs: tuple = ()  # names of studies whose frames it takes
    # How much there is to train, points times epochs. Tasks of studies that train are
    # kept: their `measure` takes `memory`, a folder.
    work: Callable | None = None
    n_jobs: int | None = None  # where not all the cores that the run has
    many_programs: bool = False  # whether its workers end with it, for their memory

    @property
    def name(self):
        """str: Its name on the command line and of its files."""
        return self.module.rpartition(".")[2]

    @property
    def about(self):
        """List of str: Its module's docstring after the first line, in paragraphs."""
        text = inspect.cleandoc(sys.modules[self.module].__doc__).partition("\n\n")[2]
        return [part for part in re.sub(r"`+|\*", "", text).split("\n\n") if part]

    def settings(self, quick):
        """Return what it is run with."""
        return self.quick if quick else self.full

    def describe(self, quick):
        """Return, in a line, what it is run with."""
        kind = "quick run, not the study" if quick else "full run"
        settings = self.settings(quick).items()
        return f"{kind}: " + "; ".join(f"{name} {_short(v)}" for name, v in settings)


def _short(value):
    return ", ".join(map(str, value)) if isinstance(value, list | dict) else value
