"""What a page of the playground is about, and the address that holds it.

An address is taken apart against the limits of a setting; what is out of them is said
beside its field, and the default stands for it. Nothing in it is evaluated.
"""

from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from ._setting import NAMES, Choice, Number, Setting, limits, write

VIEWS = {
    "one": "One network",
    "ten": "10 networks",
    "thirty": "30 networks",
    "watch": "Watch it learn",
    "versus": "A against B",
}
N_SEEDS = {"one": 1, "ten": 10, "thirty": 30, "watch": 1, "versus": 1}
MARGIN = Choice((0.002, 0.005, 0.01, 0.02, 0.05))
_KEPT = "A."  # before the names of what is kept as A
_MAX_FIELDS = 100


@dataclass(frozen=True)
class Page:
    """What is asked of the page: a setting, how it is looked at, what is kept as A."""

    setting: Setting = field(default_factory=Setting)
    view: str = "one"
    kept: Setting | None = None
    margin: float = 0.01
    question: int = 0  # from 1 on: what it began with

    def __post_init__(self):
        kept = self.kept or (self.setting if self.view == "versus" else None)
        if kept:  # fresh data are fresh for both
            kept = kept.changed(random_state=self.setting.random_state)
        object.__setattr__(self, "kept", kept)

    def address(self):
        """Return the query of the address that holds all this."""
        pairs = [] if self.view == "one" else [("view", self.view)]
        pairs += _written(self.setting)
        if self.kept:  # at least a name: A is there even where all is as by default
            kept = _written(self.kept) or [("data", self.kept.data)]
            pairs += [(_KEPT + name, text) for name, text in kept]
        for name in ("margin", "question"):
            if getattr(self, name) != getattr(Page, name):
                pairs.append((name, write(getattr(self, name))))
        return urlencode(pairs, safe=",")


def _written(setting):
    names = setting.differences(Setting(setting.data))
    pairs = [(name, getattr(setting, name)) for name in names]
    if setting.data != Setting.data:
        pairs.insert(0, ("data", setting.data))
    return [(name, write(value)) for name, value in pairs]


def read_address(query):
    """Return the page of an address, and what is wrong with it, by field."""
    wrong, given = {}, {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        return Page(), {"": "The address has too many parameters."}
    for name, text in pairs:
        known = name.removeprefix(_KEPT) in NAMES or name in _OTHER_LIMITS
        if name in given or not known:
            problem = "is given twice" if name in given else "is no parameter here"
            wrong[name if known else ""] = f"{name[:40]!r} {problem}"
        given.setdefault(name, text)
    others = {
        name: value
        for name, limit in _OTHER_LIMITS.items()
        if (value := _read(name, limit, given, wrong)) is not None
    }
    setting = _read_setting(given, wrong, "")
    kept = None
    if any(name.startswith(_KEPT) for name in given):
        kept = _read_setting(given, wrong, _KEPT)
    return Page(setting, kept=kept, **others), wrong


def _read_setting(given, wrong, prefix):
    data = (
        _read(prefix + "data", limits("data", Setting.data), given, wrong)
        or Setting.data
    )
    values = {
        name: _read(prefix + name, limits(name, data), given, wrong)
        for name in NAMES
        if name != "data"
    }
    return Setting(data, **{k: v for k, v in values.items() if v is not None})


def _read(name, limit, given, wrong):
    """Return a value, or None if there is none or a wrong one."""
    if name not in given:
        return None
    try:
        return limit.read(given[name])
    except ValueError as error:
        wrong[name] = f"{name} {error}: {given[name][:40]!r} is not"
        return None


# ---- questions to begin with


class Question(NamedTuple):
    """A page to begin with, and what is to be seen there."""

    title: str
    words: str
    page: Page


def _page(number, view, kept=None, **values):
    setting = Setting(**values)
    return Page(setting, view, kept and setting.changed(**kept), question=number)


QUESTIONS = (
    Question(
        "Can zero weights learn?",
        "With all weights zero only the bias of the output learns: one answer for all "
        "points. Choose another kernel_initializer, as glorot_uniform.",
        _page(1, "one", kernel_initializer="zeros"),
    ),
    Question(
        "When is a learning rate too high?",
        "The loss soon falls no further, and ten networks end far apart: see the dots. "
        "Drag learning_rate down, and watch them come together.",
        _page(2, "ten", learning_rate=0.3),
    ),
    Question(
        "What does noise do to the boundary?",
        "Points that have moved after they were labelled blur the boundary: the shade "
        "pales there, and no network can be right about all. Drag noise to 0.",
        _page(3, "ten", noise=8.0),
    ),
    Question(
        "Few points: which answer is luck?",
        "Where it is red, thirty networks disagree, and what one of them says is luck. "
        "Drag n_samples up, and watch the red shrink to the boundary.",
        _page(4, "thirty", n_samples=60),
    ),
    Question(
        "Does f2 need width?",
        "A has 5 units in each layer and B 40: rings cut by two lines are too much for "
        "a narrow network.",
        _page(
            5,
            "versus",
            {"hidden_layer_sizes": (5, 5)},
            data="sinusoidal",
            n_samples=2000,
            hidden_layer_sizes=(40, 40),
            dropout_rate=0.0,
        ),
    ),
)
_OTHER_LIMITS = {
    "view": Choice(tuple(VIEWS)),
    "margin": MARGIN,
    "question": Number(0, len(QUESTIONS), 1),
}
