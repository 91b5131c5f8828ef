"""A setting as scikit-learn objects, and as the program that creates them.

Both come from the same list of calls, so the program gives the result of the page.
"""

import re
from functools import partial
from importlib import import_module
from typing import NamedTuple

import numpy as np

from ._setting import DATA, N_TEST, N_VAL, Setting
from ._url import N_SEEDS

WIDTH = 79
SEED = "seed"  # name of the variable in a program
_DEFAULT = Setting()
_ROUTING = "sklearn.set_config(enable_metadata_routing=True)"


class Call(NamedTuple):
    """A call of a class or function."""

    name: str
    module: str
    params: dict
    is_seeded: bool = False

    def make(self, seed=None):
        """Return the result of the call."""
        params = self.params
        if self.is_seeded and seed is not None:
            params = params | {"random_state": seed}
        return getattr(import_module(self.module), self.name)(**params)

    def arguments(self):
        """Return the source code of the arguments."""
        return [f"{name}={_write(value)}" for name, value in self.params.items()]

    def write(self, seeded, indent, after="", before=""):
        """Return the source code of the call."""
        arguments = self.arguments()
        if self.is_seeded and seeded:
            arguments.append(f"random_state={SEED}")
        return before + write_call(self.name, arguments, indent, after, len(before))


def _write(value):
    return f'"{value}"' if isinstance(value, str) else repr(value)


def write_call(name, arguments, indent=0, after="", width_before=0):
    """Return the source code of a call, on several lines if it is too long for one."""
    line = f"{name}({', '.join(arguments)}){after}"
    if width_before + len(line) + indent <= WIDTH and "\n" not in line:
        return line
    inner = indent + 4
    body = "".join(f"\n{' ' * inner}{argument}," for argument in arguments)
    return f"{name}({body}\n{' ' * indent}){after}"


# ---- data


def maker_call(setting):
    """Return the call that draws data, without `n_samples` and `random_state`."""
    maker = setting.maker
    params = dict(maker.params)
    if setting.noise or maker.noise_name != "noise":
        params[maker.noise_name] = setting.noise
    if setting.flip_y and maker.flips_labels:
        params["flip_y"] = setting.flip_y
    return Call(maker.function, maker.module, params)


def make_maker(setting):
    """Return a function of `n_samples` and `random_state` that draws data."""
    call = maker_call(setting)
    maker = partial(getattr(import_module(call.module), call.name), **call.params)
    if _flips(setting):
        return partial(_make_flipped, maker, setting.flip_y, setting.maker.n_classes)
    return maker


def _flips(setting):
    return setting.flip_y and not setting.maker.flips_labels


def _make_flipped(maker, fraction, n_classes, n_samples, random_state):
    """Draw data and change a fraction of the labels to the next class."""
    X, y = maker(n_samples, random_state=random_state)
    # A different generator than the maker's, so flips are independent of the points.
    flipped = np.random.default_rng(random_state).uniform(size=n_samples) < fraction
    return X, np.where(flipped, (y + 1) % n_classes, y)


def _write_flips(setting):
    """Return the source code of a function like `_make_flipped`."""
    call = maker_call(setting)
    arguments = ["n_samples", *call.arguments(), "random_state=random_state"]
    return f"""\
def make(n_samples, random_state):
    X, y = {write_call(call.name, arguments, 4)}
    generator = np.random.default_rng(random_state)
    flipped = generator.uniform(size=n_samples) < {setting.flip_y}
    return X, np.where(flipped, (y + 1) % {setting.maker.n_classes}, y)
"""


# ---- a network


def steps(setting):
    """Return the calls that create the steps of the pipeline, the network last."""
    calls = []
    if setting.augmentation == "copies":
        params = {"fraction": setting.fraction, "std": setting.std}
        calls.append(Call("GaussianAugmenter", "sklearn_toydnn", params, True))
    elif setting.augmentation == "jitter":
        params = {"std": setting.std}
        calls.append(Call("GaussianNoise", "sklearn_toydnn", params, True))
    calls.append(Call("StandardScaler", "sklearn.preprocessing", {}))
    return [*calls, _network(setting)]


def _network(setting):
    names = [
        *("hidden_layer_sizes", "activation", "output_activation", "dropout_rate"),
        *("kernel_initializer", "optimizer", "batch_size", "epochs"),
        *("early_stopping", "n_iter_no_change"),
    ]
    params = {
        name: getattr(setting, name)
        for name in names
        if getattr(setting, name) != getattr(_DEFAULT, name)
    }
    if not setting.early_stopping:
        params.pop("n_iter_no_change", None)
    if setting.learning_rate != "auto":
        params["optimizer__learning_rate"] = setting.learning_rate
    return Call("DNNClassifier", "sklearn_toydnn", params, True)


def make_steps(setting, seed=None):
    """Return the steps; the network requests validation data."""
    *before, net = [call.make(seed) for call in steps(setting)]
    return [*before, net.set_fit_request(X_val=True, y_val=True)]


def first(X, y, n):
    """Return the first `n` points."""
    return X[:n], y[:n]


def make_pipeline(setting, seed=None, n_largest=0):
    """Return a pipeline of the steps that also scales the validation data.

    If `n_samples` of the setting is less than `n_largest`, the pipeline trains on the
    first `n_samples` of the points that it gets.
    """
    from imblearn import FunctionSampler
    from imblearn.pipeline import make_pipeline

    all_steps = make_steps(setting, seed)
    if setting.n_samples < n_largest:
        sampler = FunctionSampler(func=first, kw_args={"n": setting.n_samples})
        all_steps.insert(0, sampler)
    return make_pipeline(*all_steps, transform_input=["X_val"])


def _write_pipeline(setting, seeded, indent, n_largest=0):
    *before, net = steps(setting)
    before = [call.write(seeded, indent + 4) for call in before]
    net = net.write(seeded, indent + 4, ".set_fit_request(X_val=True, y_val=True)")
    if setting.n_samples < n_largest:
        kw_args = f'kw_args={{"n": {setting.n_samples}}}'
        before.insert(0, f"FunctionSampler(func=first, {kw_args})")
    return write_call(
        "make_pipeline", [*before, net, 'transform_input=["X_val"]'], indent
    )


# ---- programs


def write_program(page):
    """Return a program that prints the result that the page shows."""
    compares = page.view == "versus" and not reason_not_comparable(
        page.baseline, page.setting
    )
    if compares:
        program = _write_comparison(page)
    elif page.view == "watch":
        program = _write_watching(page.setting)
    elif N_SEEDS[page.view] == 1:
        program = _write_fit(page.setting)
    else:
        program = _write_fits(page.setting, N_SEEDS[page.view])
    if "np." not in program:
        program = program.replace("import numpy as np\n", "")
    return re.sub(r"\n{4,}", "\n\n\n", program)


def _write_fit(setting):
    names, body = _write_body(setting)
    return f"""\
{_write_head(setting, names)}
{SEED} = {setting.random_state}
{body}
print(pipe.score(X_test, y_test))
"""


def _write_fits(setting, n_seeds):
    names, body = _write_body(setting, 4)
    first = setting.random_state
    seeds = f"{first}, {first + n_seeds}" if first else n_seeds
    return f"""\
{_write_head(setting, names)}


def accuracy({SEED}):
    {body}
    return pipe.score(X_test, y_test)


scores = [accuracy({SEED}) for {SEED} in range({seeds})]
print(scores)
print(np.mean(scores))
"""


def _write_body(setting, indent=0):
    """Return names to import, and the lines that draw the data and fit."""
    pipeline = _write_pipeline(setting, True, indent)
    lines = [
        *_write_data(setting, indent),
        f"pipe = {pipeline}",
        "pipe.fit(X, y, X_val=X_val, y_val=y_val)",
    ]
    return _names(steps(setting)), f"\n{' ' * indent}".join(lines)


def _write_watching(setting):
    """Return a program that trains epoch by epoch."""
    setting = setting.changed(early_stopping=False)  # `partial_fit` rejects it
    *augment, scaler, net = steps(setting)
    lines = [f"{SEED} = {setting.random_state}", *_write_data(setting, 0)]
    for call in augment:
        copies = call.name == "GaussianAugmenter"
        before = "X, y = " if copies else "X = "
        after = ".fit_resample(X, y)" if copies else ".fit_transform(X)"
        lines.append(call.write(True, 0, after, before))
    lines += [scaler.write(True, 0, ".fit(X)", "scaler = ")]
    lines += [net.write(True, 0, before="net = ")]
    names = _names(steps(setting))
    body = "\n".join(lines)
    return f"""\
{_write_head(setting, names, routing=False)}
{body}
for epoch in range({setting.epochs}):
    net.partial_fit(scaler.transform(X), y, classes=np.unique(y))
    print(epoch + 1, net.score(scaler.transform(X_test), y_test))
"""


def _write_comparison(page):
    a, b = page.baseline, page.setting
    n_largest = max(a.n_samples, b.n_samples)
    names = _names([*steps(a), *steps(b)]) | {"compare": "sklearn_toydnn"}
    definition = ""
    if a.n_samples != b.n_samples:
        names["FunctionSampler"] = "imblearn"
        definition = "\n\ndef first(X, y, n):\n    return X[:n], y[:n]\n\n"
    call = maker_call(b)
    maker = call.name
    if _flips(b):
        maker = "make"
    elif call.params:
        names["partial"] = "functools"
        maker = write_call("partial", [call.name, *call.arguments()], 4)
    arguments = [
        '{"A": a, "B": b}',
        maker,
        *(f"{k}={_write(v)}" for k, v in comparison_params(a, b).items()),
        f"margin={page.margin}",
    ]
    return f"""\
{_write_head(b, names)}
{definition}
a = {_write_pipeline(a, False, 0, n_largest)}
b = {_write_pipeline(b, False, 0, n_largest)}
result = {write_call("compare", arguments)}
print(result)
"""


def _names(calls):
    """Return the names to import, with their modules."""
    return {call.name: call.module for call in calls}


def _write_head(setting, names, routing=True):
    """Return imports, configuration and, if needed, a function that draws the data."""
    names, modules = names | _names([maker_call(setting)]), {}
    if routing:
        resamples = {*names} & {"GaussianAugmenter", "FunctionSampler"}
        package = "imblearn" if resamples else "sklearn"
        names["make_pipeline"] = f"{package}.pipeline"
    for name, module in names.items():
        modules.setdefault(module, []).append(name)
    lines = ["import numpy as np", *(["import sklearn"] if routing else [])]
    lines += [
        f"from {module} import {', '.join(sorted(imported))}"
        for module, imported in sorted(modules.items())
    ]
    lines += ["", _ROUTING] if routing else []
    lines += ["", "", _write_flips(setting)] if _flips(setting) else []
    end = "\n\n" if _flips(setting) else "" if routing else "\n"
    return "\n".join(lines).rstrip() + end


def _write_data(setting, indent):
    """Return the lines that draw the data and split them."""
    call = maker_call(setting)
    n_samples = f"{N_TEST + N_VAL} + {setting.n_samples}"
    name, arguments = call.name, [n_samples, *call.arguments()]
    if _flips(setting):
        name, arguments = "make", [n_samples]
    call_text = write_call(name, [*arguments, f"random_state={SEED}"], indent)
    bounds = [N_TEST, N_TEST + N_VAL]
    return [
        f"X, y = {call_text}",
        f"X_test, X_val, X = np.split(X, {bounds})",
        f"y_test, y_val, y = np.split(y, {bounds})",
    ]


# ---- comparison of A and B


def comparison_params(a, b):
    """Return the parameters of `compare` for two settings."""
    return {
        "train_size": max(a.n_samples, b.n_samples),
        "test_size": N_TEST,
        "val_size": N_VAL,
        "n_repeats": "auto",
        "baseline": "A",
        "scoring": "accuracy",
        "random_state": b.random_state,
    }


def reason_not_comparable(a, b):
    """Return the reason why two settings cannot be compared, or an empty string."""
    if a == b:
        return "B is the same as A. Change a parameter to compare them."
    differing = [name for name in a.differences(b) if name in DATA]
    if not differing:
        return ""
    return (
        f"A and B differ in {', '.join(differing)}, so their accuracies are not "
        'comparable. Click "Use this setting as A", then change another parameter.'
    )
