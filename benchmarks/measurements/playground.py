"""How soon the playground answers: in Chromium, as a person sees it.

500 points, 50 epochs, structures that have been seen before unless it says otherwise.
From the key that moves a slider, or the finger that lets it go, to the second frame
after the browser has been handed a new picture of the plane; pictures a second are
those that are painted meanwhile. Four visitors, each in a window, ask for a new
structure at the same moment, again and again: the longest wait of one of them is what
the page says. Memory is that of the server and all its processes, two minutes after the
visitors have left, less what it was before they came. The browser runs on the same
machine, without a graphics card.
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
from .speed import plot, summary, with_marks

REACH = {
    "slider moved by key to regions painted, ms": ("<=", 300),
    "slider of units let go to regions painted, ms": ("<=", 300),
    "pictures a second while n_samples is dragged": (">=", 4),
    "pictures a second while noise is dragged": (">=", 4),
    "pictures a second while dropout_rate is dragged": (">=", 4),
    "pictures a second while learning_rate is dragged": (">=", 4),
    "ten seeds painted, s": ("<=", 1.5),
    "frames a second while a network is watched": (">=", 10),
    "four visitors, longest wait for a new structure, s": ("<=", 5),
    "server after the visitors, MB more": ("<=", 50),
}
SETTING = "?epochs=50"
N_VISITORS = 4


def tasks(**settings):
    """List the one part there is: all take turns in one browser."""
    yield settings


def measure(repeats, structures, rest):
    """Return one row per measurement."""
    rows, (*_, worst, memory) = [], REACH
    with _serving() as (address, server), browsing() as driver:
        page = Tab(driver, address)
        for repeat in range(repeats):
            found = _measure_one_visitor(page)
            rows += [(name, repeat, value) for name, value in found.items()]
    with _serving() as (address, server), browsing() as driver:
        page = Tab(driver, address).open(SETTING)
        driver.get("about:blank")
        time.sleep(20)  # so that all processes are ready
        before = _memory_of(server.pid)
        rows.append((worst, 0, max(_visit(page, structures))))
        driver.get("about:blank")
        time.sleep(rest)
        rows.append((memory, 0, (_memory_of(server.pid) - before) / 1e6))
    return with_marks(rows, REACH)


@contextmanager
def _serving():
    """Serve with no programs kept from before: new structures are to be new."""
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        own = os.environ | {"SKLEARN_TOYDNN_CACHE": folder}
        yield stack.enter_context(serving(env=own))


# ---- one visitor


def _measure_one_visitor(page):
    page.open(SETTING)
    page.watch_paints()
    key, let_go, *drags, ten, watched, _, _ = REACH
    found = {key: np.median([*_key_to_paint(page)]), let_go: _let_go_to_paint(page)}
    for name in drags:
        found[name] = _drag(page, name.split()[4])
    page.click("10 networks")
    page.wait_for_status("10 networks, each on fresh data, trained")
    found[ten] = _ten_to_paint(page)
    page.open(SETTING + "&view=watch&epochs=300")
    page.watch_paints()
    page.wait(lambda: len(page.seen("paints")) > 2)
    found[watched] = _rate(page, lambda: time.sleep(3))
    return found


def _key_to_paint(page):
    for key in [Keys.ARROW_LEFT, Keys.ARROW_RIGHT] * 5:
        yield _until_painted(page, lambda key=key: page.press("dropout_rate", key))


def _until_painted(page, act, moment="pressed"):
    """Return the milliseconds from a key, or a finger that lifts, to a new picture."""
    page.watch_paints()
    act()
    page.wait(lambda: page.seen("paints"))
    return page.seen("paints")[-1] - page.seen(moment)[-1]


def _let_go_to_paint(page):
    found = []
    for _ in range(2):  # the second time, all structures have been seen
        for step in (-26, 26):
            thumb = _take_hold(page, "units of layer 1")
            thumb.move_by_offset(step, 0).perform()
            time.sleep(0.5)
            release = ActionChains(page.driver).release().perform
            found.append(_until_painted(page, release, "lifted"))
            time.sleep(0.5)
    return np.median(found[2:])


def _take_hold(page, label):
    slider = page.find(label)
    page.run("arguments[0].scrollIntoView({block: 'center'})", slider)
    thumb = page.run("return arguments[0].parentElement", slider)
    return ActionChains(page.driver, duration=50).click_and_hold(thumb)


def _drag(page, label):
    drag = _take_hold(page, label)
    for place in range(48):
        drag.move_by_offset(8 if place // 12 % 2 == 0 else -8, 0)
    rate = _rate(page, drag.perform)
    ActionChains(page.driver).release().perform()
    page.wait_for_status("One network trained")
    return rate


def _rate(page, act):
    """Return the pictures painted a second while something happens."""
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
    """Return the longest wait at each of the moments at which all visitors ask."""
    driver, windows, waits = page.driver, [], []
    for visitor in range(N_VISITORS):
        driver.switch_to.new_window("window")
        windows.append(driver.current_window_handle)
        page.open(f"{SETTING}&hidden_layer_sizes=10,{10 + visitor}")
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
    """Return the bytes of a process and of all that it has started."""
    process = Path(f"/proc/{pid}")
    status = (process / "smaps_rollup").read_text()
    own = 1024 * int(re.search(r"^Pss:\s+(\d+)", status, re.M)[1])
    started = [path.read_text() for path in process.glob("task/*/children")]
    return own + sum(map(_memory_of, " ".join(started).split()))


STUDY = Study(
    __name__,
    title="The playground: how soon it answers",
    alt="Each measure over what it is to reach, a dot per turn.",
    full={"repeats": 7, "structures": 30, "rest": 120},
    quick={"repeats": 1, "structures": 3, "rest": 10},
    tasks=tasks,
    measure=measure,
    summary=summary,
    plot=plot,
    n_jobs=1,  # what else runs here would be measured too
)
