"""Debian's Chromium, one for all scenarios; and axe, which looks for what keeps people out."""

import base64
import pathlib
import shutil

from axe_core_python.selenium import Axe
from selenium import webdriver

_DRIVER = "/usr/bin/chromedriver"
installed = pathlib.Path(_DRIVER).exists() and shutil.which("chromium") is not None

#: Where the pictures of a run are kept.
PICTURES = pathlib.Path(__file__).parents[2] / "build" / "screenshots"
SCHEMES = ("light", "dark")
WIDE, NARROW = 1200, 320  # CSS pixels; 320 is also 1280 at 400 %
_HEIGHT = 900
_TALLEST = 2400
#: It asks nobody but the gateway.
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--no-proxy-server", "--hide-scrollbars", "--lang=en-US"),
)
_shared: "list[Browser]" = []


class Browser:
    def __init__(self, folder: pathlib.Path):
        """``folder``: for its profile."""
        options = webdriver.ChromeOptions()
        for flag in (*_FLAGS, f"--user-data-dir={folder}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(_DRIVER))
        self.driver.set_page_load_timeout(180)
        self.driver.set_script_timeout(180)

    def begin(self, url: str) -> None:
        """As somebody who was never there."""
        self.driver.get("about:blank")
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.complaints()
        self.look("light", WIDE)
        self.driver.get(url)

    def look(self, scheme: str, width: int) -> None:
        wanted = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wanted})
        size = {"width": width, "height": _HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def complaints(self) -> list[str]:
        """Of its console, since it was asked last: errors, warnings, what the page may not do."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def picture(self, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], _TALLEST), "scale": 1}
        wanted = {"captureBeyondViewport": True, "clip": clip}
        taken = self.driver.execute_cdp_cmd("Page.captureScreenshot", wanted)
        (PICTURES / f"{name}.png").write_bytes(base64.b64decode(taken["data"]))

    def barriers(self, rules: tuple[str, ...] = ()) -> list[str]:
        """What axe finds wrong with the page as it is, by all of its rules or these."""
        options = {"runOnly": list(rules)} if rules else {}
        options["resultTypes"] = ["violations"]
        found = Axe().run(self.driver, options=options)["violations"]
        return [f"{each['id']}: {each['help']}: {each['nodes'][0]['html']}" for each in found]


def shared(folder: pathlib.Path) -> Browser:
    if not _shared:
        _shared.append(Browser(folder))
    return _shared[0]


def close() -> None:
    while _shared:
        _shared.pop().driver.quit()
