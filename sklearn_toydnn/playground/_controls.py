"""The controls of the playground: a widget for each parameter of a setting."""

from html import escape

import panel as pn
import panel_material_ui as pmui
import param

from ._layout import html
from ._setting import DEFAULT_LEARNING_RATES, MAKERS, MAX_LAYERS, Number, limits

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
_HINTS = {
    "data": "Data set",
    "n_samples": "Number of training points",
    "noise": "Standard deviation of the noise that moves points after labeling",
    "flip_y": "Fraction of labels changed to another class",
    "augmentation": "'copies' adds noisy copies of points; 'jitter' moves all points",
    "fraction": "Number of noisy copies, as a fraction of the training points",
    "std": "Standard deviation of the augmentation noise",
    "layers": "Number of hidden layers",
    "dropout_rate": "Fraction of units of the last hidden layer that training drops",
    "learning_rate": "Learning rate of the optimizer (optimizer__learning_rate)",
    "n_iter_no_change": "Epochs without improvement after which training stops",
    "early_stopping": "Training stops when the validation accuracy no longer rises",
    "margin": "Smallest difference in accuracy that matters to you",
}
_WIDE = {"size": "small", "sizing_mode": "stretch_width"}


def _widget(label, limit):
    """Return a widget for the allowed values of a parameter."""
    options = {"label": label, "description": _HINTS.get(label, ""), **_WIDE}
    if isinstance(limit, Number):
        kind = pmui.IntSlider if limit.is_integer else pmui.FloatSlider
        scale = {"start": limit.low, "end": limit.high, "step": limit.step}
        return kind(**scale, margin=(3, 10), tooltips=False, **options)
    if limit.options == (False, True):
        return pmui.Checkbox(margin=(3, 10), **options)
    if label == "learning_rate":  # the slider shows "auto" as the default of Keras
        rates = [rate for rate in limit.options if rate != "auto"]
        return pmui.DiscreteSlider(
            options=rates, margin=(3, 10), tooltips=False, **options
        )
    if label == "data":
        return select(label, {maker.label: name for name, maker in MAKERS.items()})
    return select(label, list(limit.options))


def select(label, options, **params):
    """Return a list of options: Panel's widget, because it opens by keyboard too."""
    params = {
        "sizing_mode": "stretch_width",
        "description": _HINTS.get(label),
    } | params
    return pn.widgets.Select(label=label, options=options, **params)


class _Scalar:
    """The control of a parameter with a single value."""

    def __init__(self, name, data):
        self.widget = _widget(name, limits(name, data))
        self.widgets = [self.widget]

    def read(self):
        value = self.widget.value
        return round(value, 6) if isinstance(value, float) else value

    def show(self, value, limit):
        if isinstance(limit, Number):  # the scale of the noise depends on the data
            scale = {"start": limit.low, "end": limit.high, "step": limit.step}
            self.widget.param.update(**scale, value=value)
        else:
            self.widget.value = value


class _Sizes:
    """The controls of the number of hidden layers and the units of each."""

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
        # Without this, a slider released at its old value would report no change.
        for widget in self.widgets:
            with param.edit_constant(widget):
                widget.value_throttled = widget.value


class Controls:
    """The widgets of a setting.

    `on_change` is called with each setting to compute. `on_drag` is called with the
    setting while a slider is dragged that changes the compiled program; `on_change`
    follows when the slider is released.
    """

    def __init__(self, setting, on_change, on_drag):
        self._setting, self._on_change, self._on_drag = setting, on_change, on_drag
        self._is_updating = False
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
        new_data = pmui.Button(
            label="Fresh data", variant="outlined", margin=(6, 10), **_WIDE
        )
        new_data.on_click(lambda event: self._draw_new_data())
        self.view = _column()
        for title, names in SECTIONS.items():
            self.view.append(html(f"<h2>{title}</h2>"))
            self.view.extend([self._rows[name] for name in names])
            if title == "Data":
                self.view.append(new_data)
        self.show(setting)
        self._watch_widgets()

    @property
    def names(self):
        """Set of str: The parameters that have a control."""
        return set(self._parts)

    # ---- from the widgets

    def _watch_widgets(self):
        for name, part in self._parts.items():
            for widget in part.widgets:
                if name == "hidden_layer_sizes":
                    widget.param.watch(
                        lambda event: self._read_widgets(self._on_drag), "value"
                    )
                    event_name = "value_throttled"
                else:
                    event_name = "value"
                widget.param.watch(
                    lambda event: self._read_widgets(self._on_change), event_name
                )

    def _read_widgets(self, callback):
        """Call back with the setting of the widgets, unless `show` changes them."""
        if self._is_updating:
            return
        values = {name: part.read() for name, part in self._parts.items()}
        if values["learning_rate"] == DEFAULT_LEARNING_RATES[self._setting.optimizer]:
            values["learning_rate"] = "auto"
        if values["data"] != self._setting.data:
            del values["noise"], values["std"]
        callback(self._setting.changed(**values))

    def _draw_new_data(self):
        limit = limits("random_state", self._setting.data)
        seed = self._setting.random_state + limit.step
        seed = seed if seed <= limit.high else limit.low
        self._on_change(self._setting.changed(random_state=seed))

    # ---- to the widgets

    def show(self, setting, notices=None):
        """Show a setting, and notices beside the controls that they are about."""
        self._setting, self._is_updating = setting, True
        try:
            for name, part in self._parts.items():
                value = getattr(setting, name)
                if name == "learning_rate" and value == "auto":
                    value = DEFAULT_LEARNING_RATES[setting.optimizer]
                part.show(value, limits(name, setting.data))
        finally:
            self._is_updating = False
        augmented = setting.augmentation != "none"
        self._rows["std"].visible = augmented
        self._rows["fraction"].visible = setting.augmentation == "copies"
        self._rows["n_iter_no_change"].visible = setting.early_stopping
        for name, alert in self._alerts.items():
            text = (notices or {}).get(name, "")
            alert.object = text and f'<span role="alert">{escape(text)}</span>'
            alert.visible = bool(text)


def _column(*items):
    return pn.Column(*items, sizing_mode="stretch_width", margin=0)
