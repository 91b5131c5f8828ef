"""Operate the playground page in headless Chromium, for tests and benchmarks."""

import json
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

from selenium import webdriver
from selenium.webdriver import Keys
from selenium.webdriver.support.select import Select

MISSING = next(
    (name for name in ("chromium", "chromedriver") if shutil.which(name) is None), None
)
SERVER = ("-m", "sklearn_toydnn.playground")
HANGS = 600  # seconds without an answer after which the page counts as hung
# CSS selectors do not reach into the shadow roots of the page; this function does.
_DEEP = """
window.deep = (selector) => {
  const elements = [];
  (function walk(root) {
    for (const element of root.querySelectorAll("*")) {
      if (element.matches(selector)) elements.push(element);
      if (element.shadowRoot) walk(element.shadowRoot);
    }
  })(document);
  return elements;
};
"""


@contextmanager
def serving(server=SERVER, **options):
    """Serve the playground in a new process; yield its address and the process."""
    command = [sys.executable, *server, "--port", "0", "--no-browser"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, **options
    ) as process:
        try:
            line = process.stdout.readline()
            yield re.search(r"http://\S+/", line)[0], process
        finally:
            process.terminate()


@contextmanager
def browsing(width=1300, height=1000):
    """Start Chromium without access to other machines; yield its driver."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        f"--window-size={width},{height}",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ):
        options.add_argument(argument)
    log_levels = {"performance": "ALL", "browser": "ALL"}
    options.set_capability("goog:loggingPrefs", log_levels)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options, service)
    try:
        driver.set_script_timeout(HANGS)
        yield driver
    finally:
        driver.quit()


class Tab:
    """A page in a browser tab, and the actions of a user on it."""

    def __init__(self, driver, address):
        self.driver, self.address = driver, address

    def run(self, script, *arguments):
        """Run JavaScript in the page, and return its result."""
        return self.driver.execute_script(script, *arguments)

    def open(self, query=""):
        """Open the page, and wait until its first result is drawn."""
        self.driver.get(self.address + query)
        self.run(_DEEP)
        self.wait_for_status()
        # The parts of the page are drawn one after the other.
        drawn = "return ['canvas', 'pre code'].every(name => deep(name).length)"
        self.wait(lambda: self.run(drawn))
        return self

    def wait(self, condition):
        """Wait until `condition` returns a true value, and return this value."""
        end = time.monotonic() + HANGS
        while not (value := condition()):
            assert time.monotonic() < end, self.words()
            time.sleep(0.05)
        return value

    def wait_for_status(self, pattern=r"trained in|Epoch \d+ of|repetitions,|same as"):
        """Wait until the text of the page matches a pattern."""
        return self.wait(lambda: re.search(pattern, self.words()))

    def wait_for_query(self, text):
        """Wait until the query of the address contains a text."""
        self.wait(lambda: text in self.query())

    def wait_for_program(self, text):
        """Wait until the displayed program contains a text."""
        self.wait(lambda: text in self.program())

    def words(self):
        """Return the text of the page: status, alerts, verdict and paragraphs."""
        return self.run(
            'return deep("[role=status], [role=alert], .verdict, p").map('
            '  element => element.textContent).join("\\n")'
        )

    def accuracy(self):
        """Return the displayed accuracy, as a str."""
        return re.search(r"test points[^:]*: ([\d.]+)", self.words())[1]

    def program(self):
        """Return the displayed program."""
        return self.run('return deep("pre code")[0].textContent')

    def query(self):
        """Return the query of the address."""
        return self.run("return window.location.search")

    # ---- actions of a user

    def find(self, label):
        """Return the control with a label, or None."""
        return self.run(
            """
            const named = (e) => [
              e.getAttribute("aria-label"),
              ...(e.labels ? [...e.labels].map(l => l.textContent) : []),
              e.matches("button") ? e.textContent : null,
            ].some(name => name && name.trim() == arguments[0]);
            return deep("input, select, button").find(named);
            """,
            label,
        )

    def control(self, label):
        """Wait until the control with a label is drawn, and return it."""
        return self.wait(lambda: self.find(label))

    def press(self, label, *keys):
        """Press keys in a control, by default the right arrow key."""
        self.control(label).send_keys(*(keys or (Keys.ARROW_RIGHT,)))

    def click(self, label):
        """Click on a control."""
        self.run("arguments[0].click()", self.control(label))

    def choose(self, label, option):
        """Choose an option of a select element."""
        Select(self.control(label)).select_by_visible_text(option)

    # ---- observations

    def watch_paints(self):
        """Record when the plane is repainted, and keys and pointers are used."""
        self.run(
            """
            window.paints = []; window.lifted = []; window.pressed = [];
            if (window.watching) return;
            window.watching = true;
            const now = (name) => window[name].push(performance.now());
            const figure = Bokeh.documents[0].get_model_by_name("plane");
            figure.renderers[0].data_source.properties.data.change.connect(() =>
              requestAnimationFrame(() => requestAnimationFrame(() => now("paints"))));
            window.addEventListener("pointerup", () => now("lifted"), true);
            window.addEventListener("keydown", () => now("pressed"), true);
            """
        )

    def seen(self, name):
        """Return recorded times in ms: "paints", "lifted" or "pressed"."""
        return self.run("return window[arguments[0]]", name)

    def is_current(self):
        """Return whether the displayed result belongs to the current settings."""
        return self.run(
            "return document.querySelector('[style*=\"--opacity\"]').style"
            "  .getPropertyValue('--opacity') == 1"
        )

    def opacity(self):
        """Return the opacity of the plane on the screen: the least of its ancestors."""
        return float(
            self.run(
                """
                let node = deep("canvas")[0], least = 1;
                while (node) {
                  if (node instanceof Element)
                    least = Math.min(least, getComputedStyle(node).opacity);
                  node = node.assignedSlot || node.parentNode || node.host;
                }
                return least;
                """
            )
        )

    def requests(self):
        """Return the URLs of all requests since the last call."""
        messages = [
            json.loads(entry["message"])["message"]
            for entry in self.driver.get_log("performance")
        ]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def errors(self):
        """Return the errors in the log of the browser."""
        log = self.driver.get_log("browser")
        return [entry for entry in log if entry["level"] == "SEVERE"]
