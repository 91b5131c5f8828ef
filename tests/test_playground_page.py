"""Tests of the playground in a browser."""

import re
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

pytest.importorskip("panel", reason="the extra playground is not installed")

from bokeh.protocol import Protocol
from bokeh.util.token import generate_jwt_token, generate_session_id
from selenium.webdriver import ActionChains, Keys
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.ioloop import IOLoop
from tornado.websocket import websocket_connect

from benchmarks.browser import (
    HANGS,
    MISSING,
    Tab,
    browsing,
    serving,
)

pytestmark = pytest.mark.skipif(
    MISSING is not None, reason=f"{MISSING} is not installed"
)


# No time limit, and training slow enough to be paused.
PATIENT = """
from sklearn_toydnn.playground import __main__, _session, _workers
_workers.MAX_SECONDS = float("inf")
_session._MAX_FRAME_RATE = 2
__main__.main()
"""


@pytest.fixture(scope="module")
def address():
    with serving(["-c", PATIENT]) as (address, _):
        yield address


@pytest.fixture(scope="module")
def driver():
    with browsing() as driver:
        yield driver


@pytest.fixture
def page(driver, address):
    return Tab(driver, address)


# ---- opening and security


def test_the_page_loads_nothing_from_other_hosts(page):
    page.open()
    assert page.driver.title == "sklearn-toydnn playground"
    assert float(page.accuracy()) > 0.9
    hosts = {urlsplit(url).netloc for url in page.requests() if url.startswith("http")}
    assert hosts == {urlsplit(page.address).netloc}
    assert page.errors() == []


def test_a_reconnecting_page_loads_nothing_from_other_hosts(address):
    """It gets a new session if the server has dropped the first one."""

    async def session():
        request = HTTPRequest(address.replace("http", "ws") + "ws")
        token = generate_jwt_token(generate_session_id())
        connection = await websocket_connect(request, subprotocols=["bokeh", token])
        await connection.read_message()  # acknowledgment of the connection
        pull = Protocol().create("PULL-DOC-REQ")
        for part in (pull.header_json, pull.metadata_json, pull.content_json):
            await connection.write_message(part)
        received = ""
        while '"roots"' not in received:
            received = str(await connection.read_message())
            assert received != "None", "the server does not answer"
        connection.close()
        return received

    links = re.findall(r'"https?://[^"]*\.css\b[^"]*"', IOLoop().run_sync(session))
    assert links == []


def test_the_server_listens_on_this_machine_only(address):
    port = urlsplit(address).port
    with open("/proc/net/tcp") as table:
        addresses = [line.split()[1] for line in table if line.split()[3] == "0A"]
    assert [one for one in addresses if one.endswith(f":{port:04X}")] == [
        f"0100007F:{port:04X}"
    ]


@pytest.mark.parametrize(
    "origin, is_allowed", [("http://evil.example", False), (None, True)]
)
def test_pages_of_other_origins_cannot_connect(address, origin, is_allowed):
    url = address.replace("http", "ws") + "ws"
    request = HTTPRequest(
        url,
        headers={"Origin": origin or address.rstrip("/")},
        connect_timeout=HANGS,
        request_timeout=HANGS,
    )

    async def connect():
        (await websocket_connect(request, subprotocols=["bokeh"])).close()

    if is_allowed:  # the token is missing, but the server accepts the origin
        IOLoop().run_sync(connect)
    else:
        with pytest.raises(HTTPClientError, match="403"):
            IOLoop().run_sync(connect)


@pytest.mark.parametrize(
    "host, is_allowed", [("evil.example", False), ("localhost", True)]
)
def test_foreign_host_names_are_refused(address, host, is_allowed):
    """With DNS rebinding, the host of a foreign page resolves to this machine."""
    port = urlsplit(address).port
    headers = {"Host": f"{host}:{port}", "Origin": f"http://{host}:{port}"}
    timeouts = {"connect_timeout": HANGS, "request_timeout": HANGS}

    async def answers():
        for path in ("", "static/js/bokeh.min.js"):
            request = HTTPRequest(address + path, headers=headers, **timeouts)
            yield (await AsyncHTTPClient().fetch(request, raise_error=False)).code
        url = address.replace("http", "ws") + "ws"
        request = HTTPRequest(url, headers=headers, **timeouts)
        try:
            (await websocket_connect(request, subprotocols=["bokeh"])).close()
            yield 200
        except HTTPClientError as error:
            yield error.code

    async def collect():
        return [code async for code in answers()]

    assert IOLoop().run_sync(collect) == [200 if is_allowed else 403] * 3


def test_every_control_has_a_name_and_takes_the_keyboard_focus(page):
    page.open("?augmentation=copies&early_stopping=True")
    roles = {"slider", "combobox", "checkbox", "button", "spinbutton", "textbox"}

    def find_controls():
        tree = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        return [n for n in tree if n.get("role", {}).get("value") in roles]

    # The controls are drawn one by one; this is the last.
    page.control("n_iter_no_change")
    page.wait(lambda: len(find_controls()) > 25)
    controls = find_controls()
    names = [node.get("name", {}).get("value", "") for node in controls]
    assert all(names), names
    for node in controls:
        states = {one["name"]: one["value"] for one in node.get("properties", [])}
        hidden = states.get("disabled", {}).get("value")
        assert states.get("focusable", {}).get("value") or hidden, node


# ---- controls

SLIDERS = [
    *("n_samples", "noise", "flip_y", "fraction", "std", "dropout_rate"),
    *("learning_rate", "epochs", "n_iter_no_change"),
]
CHOICES = {
    "activation": "tanh",
    "output_activation": "sigmoid",
    "kernel_initializer": "orthogonal",
    "optimizer": "sgd",
}


@pytest.mark.slow
def test_each_control_changes_the_setting(page):
    page.open("?n_samples=60&epochs=3&augmentation=copies&early_stopping=True")
    for name in SLIDERS:
        page.press(name)
        page.wait_for_query(f"{name}=")
    page.press("layers")
    page.wait_for_query("hidden_layer_sizes=20,20,20")
    page.press("units of layer 3", Keys.ARROW_LEFT)
    page.wait_for_query("hidden_layer_sizes=20,20,19")
    for name, option in CHOICES.items():
        page.choose(name, option)
        page.wait_for_query(f"{name}={option}")
        page.wait_for_program(f'{name}="{option}"')
    page.choose("batch_size", "16")
    page.wait_for_program("batch_size=16")
    page.choose("augmentation", "jitter")
    page.wait_for_program("GaussianNoise(")
    page.choose("data", "three blobs")
    page.wait_for_program("make_blobs(")
    page.click("early_stopping")
    page.wait(lambda: "early_stopping" not in page.query())
    page.click("Fresh data")
    page.wait_for_query("random_state=30")
    page.wait_for_status("One network trained in")


@pytest.mark.slow
def test_the_link_restores_the_page(page):
    page.open("?n_samples=60&epochs=3")
    page.press("noise")
    page.choose("data", "circles")
    page.wait_for_query("data=circles")
    page.click("10 networks")
    page.wait_for_status("10 networks, each on fresh data, trained")
    link, program, accuracy = page.query(), page.program(), page.accuracy()
    page.open(link)
    page.wait_for_status("10 networks, each on fresh data, trained")
    assert page.program() == program and page.accuracy() == accuracy
    assert page.query() == link


@pytest.mark.slow
def test_back_leaves_the_page(page):
    page.driver.get("about:blank")
    page.open("?n_samples=60&epochs=3")
    for _ in range(3):
        page.press("noise")
    page.wait_for_query("noise=1.5")
    page.driver.back()
    assert page.driver.current_url == "about:blank"


@pytest.mark.slow
@pytest.mark.parametrize("query", ["?data=moons&n_samples=300", "?view=ten&epochs=20"])
def test_the_shown_code_gives_the_accuracy(page, query):
    page.open(query)
    page.wait_for_status("trained in")
    code = page.program()
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    printed = float(done.stdout.split()[-1])
    assert f"{printed:.4f}" == page.accuracy()
    if "ten" not in query:
        assert (
            float(page.accuracy()) == printed
        )  # exact with four digits for 2,000 points


def test_the_code_is_shown_and_copied(page):
    page.open()
    page.driver.execute_cdp_cmd(
        "Browser.grantPermissions",
        {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]},
    )
    page.run("deep('summary')[0].click()")
    page.click("Copy")
    page.wait(lambda: page.find("Copied"))
    copied = page.driver.execute_async_script(
        "navigator.clipboard.readText().then(arguments[0])"
    )
    assert copied == page.program() and "DNNClassifier(" in copied


# ---- display


@pytest.mark.slow
def test_watching_plays_pauses_and_steps(page):
    def epoch():  # the status may say "Computing …" in between
        return int(page.wait_for_status(r"Epoch (\d+) of")[1])

    page.open("?view=watch&epochs=300&n_samples=60")
    page.wait(lambda: epoch() > 3)
    page.click("Pause")
    page.wait(lambda: page.find("Play"))
    now = epoch()
    page.click("One epoch")
    page.wait(lambda: epoch() == now + 1)
    page.click("Play")
    page.wait(lambda: epoch() > now + 3)


@pytest.mark.slow
def test_a_dragged_slider_grays_the_picture_and_trains_when_released(page):
    page.open("?n_samples=60&epochs=3")
    slider = page.control("units of layer 1")
    thumb = page.run("return arguments[0].parentElement", slider)
    before = page.program()
    drag = ActionChains(page.driver).click_and_hold(thumb).move_by_offset(-40, 0)
    drag.perform()
    page.wait(lambda: page.opacity() < 0.5)
    assert page.program() != before  # already that of the new setting
    assert "trained" in page.words()
    page.run(
        "window.statuses = []; new MutationObserver(() => window.statuses.push("
        "  deep('[role=status]').map(e => e.textContent).join()))"
        ".observe(deep('[role=status]')[0].parentNode,"
        "  {childList: true, subtree: true, characterData: true})"
    )
    ActionChains(page.driver).release().perform()
    page.wait(lambda: page.opacity() == 1)
    assert any("Preparing" in text for text in page.run("return window.statuses"))


@pytest.mark.slow
def test_the_comparison_shows_its_verdict(page):
    page.open("?n_samples=60&epochs=3&dropout_rate=0.9")
    page.click("Use this setting as A")
    page.wait_for_status("B is the same as A")
    page.press("dropout_rate", Keys.HOME)
    page.wait_for_status("B is better")
    assert "up to four tests" in page.words()
    assert "compare(" in page.program()
    assert "A.dropout_rate=0.9" in page.query()


@pytest.mark.slow
def test_a_question_opens_its_page(page):
    page.open()
    page.click("Can zero weights learn?")
    page.wait_for_status("only the output bias learns")
    page.wait(lambda: page.accuracy() != "0.9815")
    assert page.query() == "?kernel_initializer=zeros&question=1"
    assert 'kernel_initializer="zeros"' in page.program()


@pytest.mark.slow
def test_wrong_addresses_open_the_page_with_notices(page):
    page.open("?n_samples=1e9&noise=<script>alert(1)</script>&gpu=1&smallest=0.02")
    for notice in (
        "n_samples must be an integer from 20 to 2,000, got 1e9. Using 500.",
        "noise must be a number from 0 to 20, got '<script>alert(1)</script>'.",
        "The parameter 'gpu' is unknown and is ignored.",
        "The parameter 'smallest' has a new name and is ignored: use 'margin'.",
    ):
        page.wait(lambda notice=notice: notice in page.words())
    page.press("n_samples")
    page.wait(lambda: "n_samples must be" not in page.words())


@pytest.mark.slow
def test_it_fits_a_phone(page):
    size = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page.open("?view=ten&epochs=20")
        assert page.run("return document.documentElement.scrollWidth") <= 400
        page.run("arguments[0].scrollIntoView({block: 'end'})", page.control("epochs"))
        top = page.run("return deep('canvas')[0].getBoundingClientRect().top")
        assert 0 <= top < 400  # the picture stays visible while controls scroll
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.slow
def test_two_visitors_have_separate_sessions(page):
    page.open("?n_samples=60&epochs=3")
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    page.open("?n_samples=60&epochs=3&data=blobs")
    second = page.accuracy()
    page.driver.close()
    page.driver.switch_to.window(first)
    assert "data" not in page.query() and page.accuracy() != second
