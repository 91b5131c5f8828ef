"""The controls of the playground: a widget for each parameter of a setting."""

from html import escape

import panel as pn
import panel_material_ui as pmui
import param

from ._layout import html
from ._setting import MAKERS, MAX_LAYERS, OWN_RATES, Number, limits

SECTIONS = {
    "Data": ("data", "n_samples", "noise", "flip_y"),
    "Augmentation": ("augmentation", "fraction", "std"),
    "Network": (
        *("hidden_layer_sizes", "activation", "output_activation"),
        *("dropout_rate", "kernel_initializer"),
    ),
    "Training": (
        *("optimizer", "learning_rate", "batch_size", "epochs"),
        *("early_stopping", "n_iter_no_change"),
    ),
}
_WORDS = {
    "data": "What draws the points",
    "n_samples": "Points to train on",
    "noise": "Standard deviation by which points move once they are labelled",
    "flip_y": "Share of labels that are turned into another",
    "augmentation": "Noise on the training points alone",
    "fraction": "Noisy copies, as a share of the points",
    "std": "Standard deviation of that noise",
    "layers": "Hidden layers",
    "dropout_rate": "Share of the last layer's units dropped in training",
    "learning_rate": "The optimizer's: optimizer__learning_rate",
    "n_iter_no_change": "Epochs without a better one after which training ends",
    "early_stopping": "Ends where validation accuracy no longer rises",
}
_WIDE = {"size": "small", "sizing_mode": "stretch_width"}


def _widget(label, limit):
    """Return a widget for what is within limits."""
    options = {"label": label, "description": _WORDS.get(label, ""), **_WIDE}
    if isinstance(limit, Number):
        kind = pmui.IntSlider if limit.is_whole else pmui.FloatSlider
        scale = {"start": limit.low, "end": limit.high, "step": limit.step}
        return kind(**scale, margin=(3, 10), tooltips=False, **options)
    if limit.options == (False, True):
        return pmui.Checkbox(margin=(3, 10), **options)
    if label == "learning_rate":  # something to drag; "auto" is where Keras' own is
        rates = [rate for rate in limit.options if rate != "auto"]
        return pmui.DiscreteSlider(
            options=rates, margin=(3, 10), tooltips=False, **options
        )
    if label == "data":
        return select(label, {maker.words: name for name, maker in MAKERS.items()})
    return select(label, list(limit.options))


def select(label, options, **params):
    """Return a list to choose from: Panel's own, which is opened by keyboard too."""
    words = _WORDS.get(label)
    params = {"sizing_mode": "stretch_width", "description": words} | params
    return pn.widgets.Select(label=label, options=options, **params)


class _Scalar:
    """The control of a parameter that is one value."""

    def __init__(self, name, data):
        self.widget = _widget(name, limits(name, data))
        self.widgets = [self.widget]

    def read(self):
        value = self.widget.value
        return round(value, 6) if isinstance(value, float) else value

    def show(self, value, limit):
        if isinstance(limit, Number):  # of other data noise has another scale
            scale = {"start": limit.low, "end": limit.high, "step": limit.step}
            self.widget.param.update(**scale, value=value)
        else:
            self.widget.value = value


class _Sizes:
    """The control of the layers: how many, and the units of each."""

    def __init__(self, name, data):
        self._layers = _widget("layers", Number(1, MAX_LAYERS, 1))
        self._units = [
            _widget(f"units of layer {i + 1}", limits(name, data).units)
            for i in range(MAX_LAYERS)
        ]
        self.widgets = [self._layers, *self._units]

    def read(self):
        return tuple(widget.value for widget in self._units[: self._layers.value])

    def show(self, sizes, limit):
        self._layers.value = len(sizes)
        for i, widget in enumerate(self._units):
            widget.visible = i < len(sizes)
            widget.value = sizes[min(i, len(sizes) - 1)]
        for widget in self.widgets:  # or to come to rest there were no change
            with param.edit_constant(widget):
                widget.value_throttled = widget.value


class Controls:
    """The widgets of a setting, and the setting of the widgets.

    `asked` is told of each setting to compute; `expected` of one that is dragged over
    and needs a program of its own, which is asked for when the slider rests.
    """

    def __init__(self, setting, asked, expected):
        self._setting, self._asked, self._expected = setting, asked, expected
        self._is_shown = False
        self._parts = {
            name: (_Sizes if name == "hidden_layer_sizes" else _Scalar)(
                name, setting.data
            )
            for names in SECTIONS.values()
            for name in names
        }
        self._alerts = {
            name: pn.pane.HTML("", visible=False, styles={"color": "#b00020"})
            for name in self._parts
        }
        self._rows = {
            name: _column(*part.widgets, self._alerts[name])
            for name, part in self._parts.items()
        }
        fresh = pmui.Button(
            label="Fresh data", variant="outlined", margin=(6, 10), **_WIDE
        )
        fresh.on_click(lambda event: self._draw_afresh())
        self.view = _column()
        for title, names in SECTIONS.items():
            self.view.append(html(f"<h2>{title}</h2>"))
            self.view.extend([self._rows[name] for name in names])
            if title == "Data":
                self.view.append(fresh)
        self.show(setting)
        self._listen()

    @property
    def names(self):
        """Set of str: The parameters that have a control."""
        return set(self._parts)

    # ---- what is asked

    def _listen(self):
        for name, part in self._parts.items():
            for widget in part.widgets:
                if name == "hidden_layer_sizes":
                    widget.param.watch(
                        lambda event: self._read(self._expected), "value"
                    )
                    moments = "value_throttled"
                else:
                    moments = "value"
                widget.param.watch(lambda event: self._read(self._asked), moments)

    def _read(self, tell):
        """Tell of the setting of the widgets, if they are moved by the visitor."""
        if self._is_shown:
            return
        found = {name: part.read() for name, part in self._parts.items()}
        if found["learning_rate"] == OWN_RATES[self._setting.optimizer]:
            found["learning_rate"] = "auto"
        if found["data"] != self._setting.data:
            del found["noise"], found["std"]
        tell(self._setting.changed(**found))

    def _draw_afresh(self):
        limit = limits("random_state", self._setting.data)
        seed = self._setting.random_state + limit.step
        seed = seed if seed <= limit.high else limit.low
        self._asked(self._setting.changed(random_state=seed))

    # ---- what is shown

    def show(self, setting, wrong=None):
        """Show a setting, and by name what was wrong with what was asked."""
        self._setting, self._is_shown = setting, True
        try:
            for name, part in self._parts.items():
                value = getattr(setting, name)
                if name == "learning_rate" and value == "auto":
                    value = OWN_RATES[setting.optimizer]
                part.show(value, limits(name, setting.data))
        finally:
            self._is_shown = False
        augmented = setting.augmentation != "none"
        self._rows["std"].visible = augmented
        self._rows["fraction"].visible = setting.augmentation == "copies"
        self._rows["n_iter_no_change"].visible = setting.early_stopping
        for name, alert in self._alerts.items():
            words = (wrong or {}).get(name, "")
            alert.object = words and f'<span role="alert">{escape(words)}</span>'
            alert.visible = bool(words)


def _column(*inside):
    return pn.Column(*inside, sizing_mode="stretch_width", margin=0)
