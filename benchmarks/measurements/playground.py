"""How soon the playground answers a user, measured in Chromium.

Settings: 500 points, 50 epochs, and structures that are already compiled unless stated
otherwise. Times run from the key press on a slider, or from the release of its thumb,
to the second frame after the browser receives a new picture of the plane. Frames per
second count the pictures painted while a slider is dragged. Four visitors, each in a
window, request a new structure at the same moment, many times. Their longest wait is
the largest time that the page reports to one of them. Memory is that of the server and
all its processes, two minutes after the visitors have left, minus the memory before
they came. The browser runs on the same machine, without a graphics card.
"""

import os
import re
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from selenium.webdriver import ActionChains, Keys

from .._study import Study
from ..browser import Tab, browsing, serving
from .speed import add_targets, plot, summary

TARGETS = {
    "key press on a slider to new regions, ms": ("<=", 300),
    "release of the units slider to new regions, ms": ("<=", 300),
    "frames per second while dragging n_samples": (">=", 4),
    "frames per second while dragging noise": (">=", 4),
    "frames per second while dragging dropout_rate": (">=", 4),
    "frames per second while dragging learning_rate": (">=", 4),
    "key press on a slider to ten networks, s": ("<=", 1.5),
    "frames per second in the watch view": (">=", 10),
    "four visitors, longest wait for a new structure, s": ("<=", 5),
    "server memory growth after the visitors, MB": ("<=", 50),
}
QUERY = "?epochs=50"
N_VISITORS = 4


def tasks(**settings):
    """Yield a single task: all measures use the same browser."""
    yield settings


def measure(repeats, structures, rest):
    """Return one row per measurement."""
    rows, (*_, longest_wait, memory) = [], TARGETS
    with _serving() as (address, server), browsing() as driver:
        page = Tab(driver, address)
        for repeat in range(repeats):
            values = _measure_one_visitor(page)
            rows += [(name, repeat, value) for name, value in values.items()]
    with _serving() as (address, server), browsing() as driver:
        page = Tab(driver, address).open(QUERY)
        driver.get("about:blank")
        time.sleep(20)  # wait until all processes are ready
        before = _memory_of(server.pid)
        rows.append((longest_wait, 0, max(_visit(page, structures))))
        driver.get("about:blank")
        time.sleep(rest)
        rows.append((memory, 0, (_memory_of(server.pid) - before) / 1e6))
    return add_targets(rows, TARGETS)


@contextmanager
def _serving():
    """Serve the playground with an empty disk cache, so that programs are compiled."""
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        env = os.environ | {"SKLEARN_TOYDNN_CACHE": folder}
        yield stack.enter_context(serving(env=env))


# ---- one visitor


def _measure_one_visitor(page):
    page.open(QUERY)
    page.watch_paints()
    key, release, *drags, ten, watch, _, _ = TARGETS
    values = {key: np.median([*_key_to_paint(page)]), release: _release_to_paint(page)}
    for name in drags:
        values[name] = _drag(page, name.split()[-1])
    page.click("10 networks")
    page.wait_for_status("10 networks, each on fresh data, trained")
    values[ten] = _ten_to_paint(page)
    page.open(QUERY + "&view=watch&epochs=300")
    page.watch_paints()
    page.wait(lambda: len(page.seen("paints")) > 2)
    values[watch] = _rate(page, lambda: time.sleep(3))
    return values


def _key_to_paint(page):
    for key in [Keys.ARROW_LEFT, Keys.ARROW_RIGHT] * 5:
        yield _until_painted(page, lambda key=key: page.press("dropout_rate", key))


def _until_painted(page, act, moment="pressed"):
    """Return the milliseconds from a key press or release to the new picture."""
    page.watch_paints()
    act()
    page.wait(lambda: page.seen("paints"))
    return page.seen("paints")[-1] - page.seen(moment)[-1]


def _release_to_paint(page):
    times = []
    for _ in range(2):  # the first round compiles the structures
        for step in (-26, 26):
            thumb = _hold_thumb(page, "units of layer 1")
            thumb.move_by_offset(step, 0).perform()
            time.sleep(0.5)
            release = ActionChains(page.driver).release().perform
            times.append(_until_painted(page, release, "lifted"))
            time.sleep(0.5)
    return np.median(times[2:])


def _hold_thumb(page, label):
    slider = page.find(label)
    page.run("arguments[0].scrollIntoView({block: 'center'})", slider)
    thumb = page.run("return arguments[0].parentElement", slider)
    return ActionChains(page.driver, duration=50).click_and_hold(thumb)


def _drag(page, label):
    drag = _hold_thumb(page, label)
    for step in range(48):
        drag.move_by_offset(8 if step // 12 % 2 == 0 else -8, 0)
    rate = _rate(page, drag.perform)
    ActionChains(page.driver).release().perform()
    page.wait_for_status("One network trained")
    return rate


def _rate(page, act):
    """Return the number of pictures painted per second during an action."""
    page.watch_paints()
    start = time.perf_counter()
    act()
    return len(page.seen("paints")) / (time.perf_counter() - start)


def _ten_to_paint(page):
    page.watch_paints()
    page.press("dropout_rate")
    time.sleep(0.2)
    page.wait_for_status("10 networks, each on fresh data, trained")
    time.sleep(0.3)
    return (page.seen("paints")[-1] - page.seen("pressed")[-1]) / 1e3


# ---- four visitors


def _visit(page, structures):
    """Return the longest wait of the visitors for each new structure."""
    driver, windows, waits = page.driver, [], []
    for visitor in range(N_VISITORS):
        driver.switch_to.new_window("window")
        windows.append(driver.current_window_handle)
        page.open(f"{QUERY}&hidden_layer_sizes=10,{10 + visitor}")
    for n_units in range(11, 11 + structures):
        for window in windows:
            driver.switch_to.window(window)
            page.press("units of layer 1")
        waits.append(max(_wait_of(page, window, n_units) for window in windows))
    for window in windows:
        driver.switch_to.window(window)
        driver.close()
    driver.switch_to.window(driver.window_handles[0])
    return waits


def _wait_of(page, window, n_units):
    page.driver.switch_to.window(window)
    page.wait_for_query(f"hidden_layer_sizes={n_units},")
    page.wait(page.is_current)
    return float(re.search(r"trained in ([\d.]+) s", page.words())[1])


def _memory_of(pid):
    """Return the memory of a process and its descendants in bytes."""
    process = Path(f"/proc/{pid}")
    status = (process / "smaps_rollup").read_text()
    size = 1024 * int(re.search(r"^Pss:\s+(\d+)", status, re.M)[1])
    children = [path.read_text() for path in process.glob("task/*/children")]
    return size + sum(map(_memory_of, " ".join(children).split()))


STUDY = Study(
    __name__,
    title="Playground: response times",
    alt="Each measure relative to its target, a dot per repetition.",
    full={"repeats": 7, "structures": 30, "rest": 120},
    quick={"repeats": 1, "structures": 3, "rest": 10},
    tasks=tasks,
    measure=measure,
    summary=summary,
    plot=plot,
    n_jobs=1,  # other tasks would disturb the times
)
