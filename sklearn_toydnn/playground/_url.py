"""The state of a page, and the address that stores it.

The values in an address are checked against the limits of a setting and never
evaluated. A wrong value gives a notice beside its field and is replaced by the default.
"""

from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from ._setting import NAMES, Choice, Number, Setting, limits, quote, to_text

VIEWS = {
    "one": "One network",
    "ten": "10 networks",
    "thirty": "30 networks",
    "watch": "Watch it learn",
    "versus": "Compare A and B",
}
N_SEEDS = {"one": 1, "ten": 10, "thirty": 30, "watch": 1, "versus": 1}
MARGIN = Choice((0.002, 0.005, 0.01, 0.02, 0.05))
_RENAMED = {"smallest": "margin"}  # parameters in the addresses of version 0.2.0
_BASELINE = "A."  # prefix of the parameters of A
_MAX_FIELDS = 100
_MAX_CHARACTERS = 40  # of a value in a notice


@dataclass(frozen=True)
class Page:
    """A setting, its view, and the baseline A with which it is compared.

    The view "versus" uses the setting itself as A if there is no baseline. `question`
    is the number of the question that the page started with, or 0.
    """

    setting: Setting = field(default_factory=Setting)
    view: str = "one"
    baseline: Setting | None = None
    margin: float = 0.01
    question: int = 0

    def __post_init__(self):
        baseline = self.baseline or (self.setting if self.view == "versus" else None)
        if baseline:  # A and B share the seed of their data
            baseline = baseline.changed(random_state=self.setting.random_state)
        object.__setattr__(self, "baseline", baseline)

    def address(self):
        """Return the query string that stores the page."""
        pairs = [] if self.view == "one" else [("view", self.view)]
        pairs += _changed_parameters(self.setting)
        if self.baseline:
            # At least one parameter, so that A is stored even if all are defaults.
            changed = _changed_parameters(self.baseline)
            changed = changed or [("data", self.baseline.data)]
            pairs += [(_BASELINE + name, text) for name, text in changed]
        for name in ("margin", "question"):
            if getattr(self, name) != getattr(Page, name):
                pairs.append((name, to_text(getattr(self, name))))
        return urlencode(pairs, safe=",")


def _changed_parameters(setting):
    names = setting.differences(Setting(setting.data))
    pairs = [(name, getattr(setting, name)) for name in names]
    if setting.data != Setting.data:
        pairs.insert(0, ("data", setting.data))
    return [(name, to_text(value)) for name, value in pairs]


def read_address(query):
    """Return the page of a query string, and a dict of notices by parameter."""
    notices, texts = {}, {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        notice = f"The address has more than {_MAX_FIELDS} parameters. All are ignored."
        return Page(), {"": notice}
    for name, text in pairs:
        if name in _RENAMED:
            notices[name] = (
                f"The parameter {name!r} has a new name and is ignored: use "
                f"{_RENAMED[name]!r}."
            )
        elif name.removeprefix(_BASELINE) not in NAMES and name not in _PAGE_LIMITS:
            notices[""] = f"The parameter {_shorten(name)!r} is unknown and is ignored."
        elif name in texts:
            notices[name] = f"{name} is given more than once. The first value is used."
        texts.setdefault(name, text)
    values = {
        name: _read(name, limit, getattr(Page, name), texts, notices)
        for name, limit in _PAGE_LIMITS.items()
    }
    setting = _read_setting(texts, notices, "")
    baseline = None
    if any(name.startswith(_BASELINE) for name in texts):
        baseline = _read_setting(texts, notices, _BASELINE)
    return Page(setting, baseline=baseline, **values), notices


def _read_setting(texts, notices, prefix):
    def read(name, data, default):
        return _read(prefix + name, limits(name, data), default, texts, notices)

    data = read("data", Setting.data, Setting.data)
    default = Setting(data)
    names = [name for name in NAMES if name != "data"]
    return Setting(data, **{n: read(n, data, getattr(default, n)) for n in names})


def _read(name, limit, default, texts, notices):
    """Return the value of a parameter: its default if it is missing or wrong."""
    if name not in texts:
        return default
    text = texts[name]
    try:
        return limit.read(text)
    except ValueError as error:
        notices[name] = f"{name} {error}, got {_quote(text)}. Using {quote(default)}."
        return default


def _quote(text):
    """Return a short form of a text, with quotation marks if it is not a number."""
    try:
        float(text)
    except ValueError:
        return repr(_shorten(text))
    return _shorten(text)


def _shorten(text):
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}…"


# ---- questions to start with


class Question(NamedTuple):
    """A page to start with, and a hint on what to look at."""

    title: str
    hint: str
    page: Page


def _page(number, view, baseline=None, **values):
    """Return a page; `baseline` holds the values of A that differ from B."""
    setting = Setting(**values)
    return Page(
        setting, view, baseline and setting.changed(**baseline), question=number
    )


QUESTIONS = (
    Question(
        "Can zero weights learn?",
        "If all weights start at zero, only the output bias learns: all points get the "
        "same prediction. Choose another kernel_initializer, such as glorot_uniform.",
        _page(1, "one", kernel_initializer="zeros"),
    ),
    Question(
        "When is a learning rate too high?",
        "The loss soon stops falling, and the accuracies of ten networks differ widely "
        "(see the dots). Lower learning_rate and watch the dots come together.",
        _page(2, "ten", learning_rate=0.3),
    ),
    Question(
        "What does noise do to the boundary?",
        "Points that move after labeling blur the boundary: the colors are paler "
        "there, and no network can classify all points correctly. Set noise to 0 for a "
        "sharp boundary.",
        _page(3, "ten", noise=8.0),
    ),
    Question(
        "Few points: which predictions are luck?",
        "In red areas, the 30 networks disagree: the prediction of a single network is "
        "luck there. Raise n_samples and watch the red shrink to the boundary.",
        _page(4, "thirty", n_samples=60),
    ),
    Question(
        "Does f2 need wide layers?",
        "A has 5 units in each layer, B has 40. The classes form rings, cut by two "
        "lines. This pattern is too complex for a narrow network.",
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
_PAGE_LIMITS = {
    "view": Choice(tuple(VIEWS)),
    "margin": MARGIN,
    "question": Number(0, len(QUESTIONS), 1),
}
