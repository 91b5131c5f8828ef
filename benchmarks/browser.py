"""A page of the playground in headless Chromium, for tests and benchmarks."""

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
HANGS = 600  # seconds: no computer is so slow
# Parts of the page have shadow roots of their own, through which CSS does not look.
_DEEP = """
window.deep = (selector) => {
  const found = [];
  (function walk(root) {
    for (const element of root.querySelectorAll("*")) {
      if (element.matches(selector)) found.push(element);
      if (element.shadowRoot) walk(element.shadowRoot);
    }
  })(document);
  return found;
};
"""


@contextmanager
def serving(server=SERVER, **options):
    """Serve the playground in a process of its own; yield its address and it."""
    command = [sys.executable, *server, "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options) as run:
        try:
            line = run.stdout.readline()
            yield re.search(r"http://\S+/", line)[0], run
        finally:
            run.terminate()


@contextmanager
def browsing(width=1300, height=1000):
    """Open Chromium, for which there is nothing but this machine."""
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
    logged = {"performance": "ALL", "browser": "ALL"}
    options.set_capability("goog:loggingPrefs", logged)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options, service)
    try:
        driver.set_script_timeout(HANGS)
        yield driver
    finally:
        driver.quit()


class Tab:
    """A page in a tab of a browser, as a person uses it."""

    def __init__(self, driver, address):
        self.driver, self.address = driver, address

    def run(self, script, *arguments):
        """Run a script in the page."""
        return self.driver.execute_script(script, *arguments)

    def open(self, query=""):
        """Open the page, and wait until it has computed."""
        self.driver.get(self.address + query)
        self.run(_DEEP)
        self.wait_for_status()
        # Its parts are drawn one by one.
        drawn = "return ['canvas', 'pre code'].every(name => deep(name).length)"
        self.wait(lambda: self.run(drawn))
        return self

    def wait(self, condition):
        """Wait until a condition holds, and return what it is."""
        end = time.monotonic() + HANGS
        while not (found := condition()):
            assert time.monotonic() < end, self.words()
            time.sleep(0.05)
        return found

    def wait_for_status(self, pattern=r"trained in|Epoch \d+ of|repetitions,|same as"):
        """Wait until the page says something like this."""
        return self.wait(lambda: re.search(pattern, self.words()))

    def wait_for_query(self, text):
        """Wait until the address holds this."""
        self.wait(lambda: text in self.query())

    def wait_for_program(self, text):
        """Wait until the shown program holds this."""
        self.wait(lambda: text in self.program())

    def words(self):
        """Return what the page says in words, alerts too."""
        return self.run(
            'return deep("[role=status], [role=alert], .verdict, p").map('
            '  element => element.textContent).join("\\n")'
        )

    def accuracy(self):
        """Return the accuracy that is shown, as it is written."""
        return re.search(r"test points[^:]*: ([\d.]+)", self.words())[1]

    def program(self):
        """Return the program that is shown."""
        return self.run('return deep("pre code")[0].textContent')

    def query(self):
        """Return the query of the address."""
        return self.run("return window.location.search")

    # ---- what a person does

    def find(self, label):
        """Return the control with this label, or None."""
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
        """Return the control with this label, once it is drawn."""
        return self.wait(lambda: self.find(label))

    def press(self, label, *keys):
        """Press keys in a control."""
        self.control(label).send_keys(*(keys or (Keys.ARROW_RIGHT,)))

    def click(self, label):
        """Click on a control."""
        self.run("arguments[0].click()", self.control(label))

    def choose(self, label, option):
        """Choose an option of a list."""
        Select(self.control(label)).select_by_visible_text(option)

    # ---- what is seen

    def watch_paints(self):
        """Note when pictures of the plane are painted, and keys and fingers lift."""
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
        """Return the milliseconds at which something was seen."""
        return self.run("return window[arguments[0]]", name)

    def is_current(self):
        """Return whether the pictures are those of what is asked for."""
        return self.run(
            "return document.querySelector('[style*=\"--opacity\"]').style"
            "  .getPropertyValue('--opacity') == 1"
        )

    def opacity(self):
        """Return how opaque the picture of the plane is."""
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
        """Return the addresses from which something has been asked for."""
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
        """Return what the browser has complained of."""
        log = self.driver.get_log("browser")
        return [entry for entry in log if entry["level"] == "SEVERE"]
