"""A setting of the playground (data, augmentation, network) and its allowed values."""

from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from typing import Any, NamedTuple

from .._engine.compiled.capacity import Capacity

MAX_LAYERS = 4


# ---- allowed values of a parameter


class Choice(NamedTuple):
    """One of several options."""

    options: tuple

    def read(self, text):
        """Return the option with this text, or raise ValueError."""
        for option in self.options:
            if to_text(option) == text:
                return option
        *others, last = map(quote, self.options)
        one_of = "one of " if len(others) > 1 else ""
        raise ValueError(f"must be {one_of}{', '.join(others)} or {last}")

    def check(self, value):
        """Raise ValueError if a value is not one of the options."""
        self.read(to_text(value))


class Number(NamedTuple):
    """A number from `low` to `high`; a slider moves by `step`."""

    low: float
    high: float
    step: float

    @property
    def is_integer(self):
        """bool: Whether the number must be an integer."""
        return isinstance(self.step, int)

    def read(self, text):
        """Return the number, or raise ValueError."""
        try:
            value = (int if self.is_integer else float)(text)
        except ValueError:
            raise ValueError(self._requirement) from None
        self.check(value)
        return value

    def check(self, value):
        """Raise ValueError if a value has the wrong type or is out of range."""
        kind = Integral if self.is_integer else Real
        if not (isinstance(value, kind) and self.low <= value <= self.high):
            raise ValueError(self._requirement)

    @property
    def _requirement(self):
        kind = "an integer" if self.is_integer else "a number"
        return f"must be {kind} from {self.low:,g} to {self.high:,g}"


class Layers(NamedTuple):
    """The number of units of each hidden layer."""

    units: Number

    def read(self, text):
        """Return the tuple of numbers of units, or raise ValueError."""
        try:
            sizes = tuple(map(self.units.read, text.split(",")))
        except ValueError:
            sizes = ()
        self.check(sizes)
        return sizes

    def check(self, value):
        """Raise ValueError if the number of layers or units is out of range."""
        low, high = self.units.low, self.units.high
        if not 1 <= len(value) <= MAX_LAYERS or not all(
            low <= units <= high for units in value
        ):
            raise ValueError(
                f"must be 1 to {MAX_LAYERS} integers from {low} to {high}, "
                "separated by commas"
            )


def quote(value):
    """Return a value as a message shows it: only strings have quotation marks."""
    return repr(value) if isinstance(value, str) else to_text(value)


def to_text(value):
    """Return the text of a value in an address."""
    if isinstance(value, tuple):
        return ",".join(map(to_text, value))
    if isinstance(value, float):
        return f"{value:.15g}"
    return str(value)


# ---- data


class Maker(NamedTuple):
    """A function that draws data, and the scale of its data."""

    function: str
    label: str
    module: str = "sklearn_toydnn"
    noise_name: str = "noise"
    noise: float = 0.0
    max_noise: float = 20.0
    std: float = 2.0
    noise_step: float = 0.5
    extent: tuple = (-50.0, 50.0, -50.0, 50.0)
    params: dict = {}  # noqa: RUF012
    n_classes: int = 2

    @property
    def flips_labels(self):
        """bool: Whether the function has a parameter `flip_y`."""
        return self.module == "sklearn_toydnn"


_SKLEARN = "sklearn.datasets"
MAKERS = {
    "triangle": Maker("make_triangle", "f1: triangle"),
    "sinusoidal": Maker("make_sinusoidal", "f2: sinusoidal"),
    "gaussian": Maker("make_gaussian", "f3: Gaussian"),
    "moons": Maker(
        *("make_moons", "moons", _SKLEARN),
        *("noise", 0.2, 0.5, 0.05, 0.01, (-2.0, 3.0, -1.75, 2.25)),
    ),
    "circles": Maker(
        *("make_circles", "circles", _SKLEARN),
        *("noise", 0.1, 0.5, 0.05, 0.01, (-2.0, 2.0, -2.0, 2.0)),
        params={"factor": 0.5},
    ),
    "blobs": Maker(
        *("make_blobs", "three blobs", _SKLEARN),
        *("cluster_std", 1.5, 4.0, 0.2, 0.1, (-10.0, 10.0, -10.0, 10.0)),
        params={"centers": [(-4, -3), (4, -3), (0, 4)]},
        n_classes=3,
    ),
}


# ---- a setting


_ACTIVATIONS = ("relu", "tanh", "sigmoid", "elu", "linear")
# The defaults of Keras, which "auto" selects.
DEFAULT_LEARNING_RATES = {
    "adam": 1e-3,
    "nadam": 1e-3,
    "rmsprop": 1e-3,
    "adagrad": 1e-3,
    "sgd": 1e-2,
}
_LIMITS = {
    "data": Choice(tuple(MAKERS)),
    "n_samples": Number(20, 2000, 10),
    "flip_y": Number(0.0, 0.5, 0.01),
    "random_state": Number(0, 999_990, 30),
    "augmentation": Choice(("none", "copies", "jitter")),
    "fraction": Number(0.0, 1.0, 0.05),
    "hidden_layer_sizes": Layers(Number(1, 50, 1)),
    "activation": Choice(_ACTIVATIONS),
    "output_activation": Choice(("auto", *_ACTIVATIONS)),
    "dropout_rate": Number(0.0, 0.9, 0.05),
    "kernel_initializer": Choice(
        (
            *("glorot_uniform", "he_normal", "orthogonal"),
            *("random_uniform", "random_normal", "truncated_normal"),
            *("zeros", "ones"),
        )
    ),
    "optimizer": Choice(tuple(DEFAULT_LEARNING_RATES)),
    "learning_rate": Choice(
        ("auto", 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
    ),
    "batch_size": Choice((8, 16, 32, 64, 128)),
    "epochs": Number(1, 300, 1),
    "early_stopping": Choice((False, True)),
    "n_iter_no_change": Number(1, 50, 1),
}
# Two settings are comparable only if these parameters are equal.
DATA = ("data", "noise", "flip_y")
N_VAL, N_TEST = 500, 2000


@dataclass(frozen=True)
class Setting:
    """Data, augmentation and network; network defaults are those of `DNNClassifier`.

    If `noise` or `std` is None, it is set to the default of the data set.
    """

    data: str = "triangle"
    n_samples: int = 500
    noise: float = None
    flip_y: float = 0.0
    random_state: int = 0
    augmentation: str = "none"
    fraction: float = 0.1
    std: float = None
    hidden_layer_sizes: tuple = (20, 20)
    activation: str = "relu"
    output_activation: str = "auto"
    dropout_rate: float = 0.2
    kernel_initializer: str = "glorot_uniform"
    optimizer: str = "adam"
    learning_rate: Any = "auto"
    batch_size: int = 32
    epochs: int = 100
    early_stopping: bool = False
    n_iter_no_change: int = 10

    def __post_init__(self):
        self._check("data")
        for name in ("noise", "std"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, getattr(self.maker, name))
        for name in NAMES:
            self._check(name)

    def _check(self, name):
        value = getattr(self, name)
        try:
            limits(name, self.data).check(value)
        except ValueError as error:
            raise ValueError(f"{name} {error}, got {value!r}.") from None

    @property
    def maker(self):
        """Maker: The function that draws the data."""
        return MAKERS[self.data]

    def changed(self, **values):
        """Return a copy with other values; a new data set resets `noise` and `std`."""
        if values.get("data", self.data) != self.data:
            values = {"noise": None, "std": None} | values
        return replace(self, **values)

    @property
    def program_key(self):
        """tuple: Settings with equal keys share a compiled program."""
        n_rows = self.n_samples
        if self.augmentation == "copies":
            n_rows += round(self.fraction * n_rows)
        return (
            *(self.hidden_layer_sizes, self.activation, self.output_activation),
            *(self.optimizer, self.maker.n_classes),
            Capacity.of(n_rows, N_VAL, self.batch_size),
        )

    def differences(self, other):
        """Return the names of the parameters that differ from another setting."""
        return [name for name in NAMES if getattr(self, name) != getattr(other, name)]


NAMES = [field.name for field in fields(Setting)]


def limits(name, data):
    """Return the allowed values of a parameter for a data set."""
    if name in ("noise", "std"):
        maker = MAKERS[data]
        return Number(0.0, maker.max_noise, maker.noise_step)
    return _LIMITS[name]
