"""What a reader does on the page, and what they can see there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dash.testing.browser import Browser
from dash.testing.wait import until
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.support.ui import Select

DEADLINE = 180

# The page tells of every answer; this keeps the last one. `plot` is the drawn figure.
LISTENER = """
document.addEventListener("liqheat:drawn", (event) => { window.lastDrawn = event.detail; });
window.plot = () => document.querySelector("#heatmap .js-plotly-plot");
"""
SETTLED = """
const frame = document.getElementById("frame");
if (!window.lastDrawn || window.lastDrawn.turn <= arguments[0]) return false;
if (frame.classList.contains("is-waiting")) return false;
return !window.lastDrawn.request || (plot() && plot().data.length > 0);
"""
HEAT = """
const heat = plot()._fullData[0];
const edges = plot().calcdata[0][0].x;  // where Plotly draws its columns
return {
  columns: heat.z[0].length, buckets: heat.z.length,
  start: edges[0], stop: edges[edges.length - 1],
  low: heat.y[0], high: heat.y[heat.y.length - 1],
  top: heat.z.reduce((most, row) => Math.max(most, ...row), 0),
  sum: heat.z.reduce((sum, row) => sum + row.reduce((a, b) => a + b, 0), 0),
  zmin: heat.zmin, zmax: heat.zmax, opacity: heat.opacity,
  colours: heat.colorscale.map((stop) => stop[1]),
};
"""

DRAWN_TIMES = """
const overTime = plot().calcdata.filter(([point]) => point.trace.xaxis === "x");
return Object.fromEntries(overTime.map((points) => {
  const {name, type} = points[0].trace;
  const times = type === "heatmap" ? points[0].x : points.map((point) => point.x);
  const found = times.filter(Number.isFinite);
  return [name, [found[0], found[found.length - 1]]];
}));
"""


class Page:
    """The heatmap page of one server in the browser."""

    def __init__(self, browser: Browser, server: str) -> None:
        self.browser = browser
        self.driver = browser.driver
        self.server = server
        self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": LISTENER})
        self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        self.set_time_zone("")

    # --- going there and waiting --------------------------------------------------------------

    def open(self, search: str = "") -> "Page":
        """Open the page afresh and wait for its first picture or message."""
        self.driver.get("about:blank")
        self.browser.reset_log_timestamp()
        self.driver.get_log("browser")
        self.driver.get(f"{self.server}/{search}")
        self.wait(lambda: self.run(SETTLED, 0))
        return self

    def set_time_zone(self, name: str) -> None:
        """Let the viewer be in a time zone; an empty name is the machine's own."""
        self.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": name})

    def wait(self, condition: Callable[[], object], timeout: float = DEADLINE) -> None:
        """Wait until a condition holds; what it looks at may not be there yet. [s]"""

        def holds() -> object:
            try:
                return condition()
            except (NoSuchElementException, StaleElementReferenceException):
                return False

        until(holds, timeout=timeout)

    @contextmanager
    def redrawn(self) -> Iterator[None]:
        """Wait, after what is done within, for the answer to it."""
        turn = self.run("return window.lastDrawn ? window.lastDrawn.turn : 0")
        yield
        self.wait(lambda: self.run(SETTLED, turn))

    def run(self, script: str, *arguments: object) -> object:
        """Return what a script returns."""
        return self.driver.execute_script(script, *arguments)

    # --- what there is to see -----------------------------------------------------------------

    @property
    def search(self) -> str:
        """The address's query."""
        return self.run("return decodeURIComponent(location.search)")

    @property
    def request(self) -> dict:
        """What the picture on the screen was computed from."""
        return self.run("return window.lastDrawn.request")

    @property
    def heat(self) -> dict:
        """The heat as it is drawn."""
        return self.run(HEAT)

    @property
    def traces(self) -> list[str]:
        """Names of what is drawn."""
        return self.run("return plot().data.map((trace) => trace.name)")

    @property
    def drawn_times(self) -> dict[str, list[float]]:
        """First and last time at which Plotly draws each trace over time. [ms]"""
        return self.run(DRAWN_TIMES)

    @property
    def ranges(self) -> list[list[float]]:
        """Visible times [ms] and prices."""
        return self.run(
            "const {xaxis, yaxis} = plot()._fullLayout;"
            "return [xaxis.range.map((edge) => xaxis.r2l(edge)), yaxis.range]"
        )

    def text(self, selector: str) -> str:
        """Return the visible text of an element."""
        return self.find(selector).text

    def chosen(self, name: str) -> list[str]:
        """Return the ticked values of a group of buttons."""
        return self.run(
            "return [...document.querySelectorAll(`#${arguments[0]} input:checked`)]"
            ".map((input) => input.value)",
            name,
        )

    def find(self, selector: str):
        """Return the element of a selector."""
        return self.driver.find_element("css selector", selector)

    def errors(self) -> list[str]:
        """Return what the browser complained about."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    # --- what a reader does -------------------------------------------------------------------

    def click(self, selector: str) -> None:
        """Click an element."""
        self.find(selector).click()

    def tick(self, name: str, value: str) -> None:
        """Click the button of a value in a group."""
        self.find(f'#{name} input[value="{value}"] + label').click()

    def select(self, name: str, value: str) -> None:
        """Choose an option of a select."""
        Select(self.find(f"#{name}")).select_by_value(value)

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def tab(self) -> None:
        """Go to the next control."""
        self.press(Keys.TAB)

    def point(self, x: float, y: float) -> ActionChains:
        """Return actions that begin with the pointer at shares of the plotted area."""
        actions = ActionChains(self.driver, duration=0)
        actions.w3c_actions.pointer_action.move_to_location(*self._pixel(x, y))
        return actions

    def wheel(self, x: float, y: float, turns: int) -> None:
        """Turn the wheel at shares of the plotted area to zoom in, a tenth by each turn."""
        left, top = self._pixel(x, y)
        actions = ActionChains(self.driver)
        for _ in range(turns):
            actions.scroll_from_origin(ScrollOrigin.from_viewport(left, top), 0, -100)
        actions.perform()

    def drag(self, x: float, y: float, right: int, down: int) -> None:
        """Drag the figure by pixels, from shares of the plotted area."""
        self.point(x, y).click_and_hold().move_by_offset(right, down).release().perform()

    def _pixel(self, x: float, y: float) -> list[int]:
        return self.run(
            "const {xaxis, yaxis} = plot()._fullLayout;"
            "const box = plot().getBoundingClientRect();"
            "return [Math.round(box.left + xaxis._offset + arguments[0] * xaxis._length),"
            "        Math.round(box.top + yaxis._offset + (1 - arguments[1]) * yaxis._length)]",
            x,
            y,
        )
