"""Open Airflow's pages of a real API server in Chromium, driven by Selenium."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import requests
from airflow_harness import AirflowHome, Standalone
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver import Chrome, ChromeOptions, ChromeService, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.ui import WebDriverWait

TIMEOUT = 60
TYPE = "SendPulse Automation 360"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium", "chromium-driver")


def chromium() -> tuple[str, str]:
    """Return the paths of Chromium and of its driver; install Debian's packages if they are missing.

    :raises RuntimeError: They are missing and can't be installed.
    """
    if not (found := _on_path()):
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            raise RuntimeError(
                "The tests in tests/browser need Chromium and chromedriver on PATH, and only root can install them: "
                f"apt-get install {' '.join(PACKAGES)}"
            )
        for command in ("update", "install --yes --no-install-recommends"):
            packages = PACKAGES if command != "update" else ()
            result = subprocess.run(
                ["apt-get", "--quiet", *command.split(), *packages],
                env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
                capture_output=True,
                text=True,
                check=False,
            )
            if result.returncode:
                raise RuntimeError(f"apt-get {command} failed:\n{result.stderr[-2000:]}")
        found = _on_path()
    if not found:
        raise RuntimeError(f"There is no Chromium on PATH, although apt-get installed {' '.join(PACKAGES)}.")
    return found


def _on_path() -> tuple[str, str] | None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


@contextmanager
def browsing(height: int = 1400) -> Iterator[Chrome]:
    """Start a headless browser."""
    browser, driver = chromium()
    options = ChromeOptions()
    options.binary_location = browser
    for argument in (
        "--headless=new",
        "--no-sandbox",  # Chromium's own; it refuses to run as root with it
        "--disable-dev-shm-usage",  # containers have a small one
        "--lang=en-US",
        f"--window-size=1400,{height}",
    ):
        options.add_argument(argument)
    chrome = Chrome(options, ChromeService(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


class Server(Standalone):
    """Airflow's API server with the UI. With `alone`, the scheduler and the other components don't start."""

    def __init__(self, home: AirflowHome, env: dict[str, str], *, alone: bool = True) -> None:
        super().__init__(home, env)
        self._alone = alone

    def __enter__(self) -> Self:
        if not self._alone:
            super().__enter__()
        else:
            self._process = self.home.start("api-server", "--apps", "core", output="standalone.log")
        try:
            self.until(self._answers)
        except BaseException:
            self.__exit__()
            raise
        return self

    @property
    def url(self) -> str:
        return self.home.env["AIRFLOW__API__BASE_URL"]

    def rest(self, method: str, path: str, **body: Any) -> Any:
        """Send a request to the REST API and return the decoded response."""
        token = requests.get(f"{self.url}/auth/token", timeout=TIMEOUT).json()["access_token"]
        answer = requests.request(
            method,
            f"{self.url}/api/v2/{path}",
            headers={"Authorization": f"Bearer {token}"},
            json=body or None,
            timeout=TIMEOUT,
        )
        assert answer.ok, f"{answer.status_code} {answer.text}"
        return answer.json()

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/api/v2/monitor/health", timeout=TIMEOUT).ok
        except requests.ConnectionError:
            return False


class Pages:
    """Airflow's pages, with elements found by their visible text."""

    def __init__(self, browser: Chrome, url: str) -> None:
        self.browser = browser
        self._url = url

    def open(self, path: str) -> None:
        self.browser.get(f"{self._url}/{path}")

    def see(self, xpath: str) -> WebElement:
        """Wait until the first matching element can be clicked, and return it."""
        return self._wait(expected_conditions.element_to_be_clickable((By.XPATH, xpath)), xpath)

    def press(self, words: str) -> None:
        """Click a button by its text or its aria-label."""
        self.see(f"//button[normalize-space()='{words}' or @aria-label='{words}']").click()

    def field(self, label: str) -> WebElement:
        """Return the input that follows a label."""
        beside = "following::*[self::input or self::textarea][1]"
        return self.see(f"//*[@role='dialog']//label[starts-with(normalize-space(), '{label}')]/{beside}")

    def texts(self, xpath: str) -> list[str]:
        """Return the text of the visible elements."""
        return [element.text for element in self.browser.find_elements(By.XPATH, xpath) if element.is_displayed()]

    def add_connection(self, conn_id: str) -> None:
        """Open the form for a new connection, and choose this provider's connection type."""
        self.open("connections")
        self.press("Add Connection")
        self.see("//input[@name='connection_id']").send_keys(conn_id)
        self.see("//*[@role='dialog']//input[@role='combobox']").send_keys(TYPE)
        self.see(f"//*[@role='option'][normalize-space()='{TYPE}']").click()

    def edit_connection(self, conn_id: str) -> None:
        """Open the form of a saved connection."""
        self.open("connections")
        button = f"//tr[contains(., '{conn_id}')]//button[@aria-label='Edit Connection']"

        def opened(browser: Chrome) -> bool:
            # The table is rendered again when its rows have loaded, and a click before that is lost.
            if not browser.find_elements(By.XPATH, "//*[@role='dialog']"):
                self.see(button).click()
            return self._at_rest(browser)

        self._wait(opened, f"the form of {conn_id}")

    def unfold(self, section: str) -> None:
        """Unfold a section of the form; the other sections fold."""
        trigger = self.see(f"//*[@role='dialog']//button[normalize-space()='{section}']")
        if trigger.get_attribute("aria-expanded") != "true":
            trigger.click()
        self._wait(self._at_rest, f"{section}, unfolded")

    def fill(self, typed: dict[str, str]) -> None:
        """Replace the content of fields in the unfolded section."""
        for label, text in typed.items():
            field = self.field(label)
            field.send_keys(Keys.CONTROL, "a")
            field.send_keys(Keys.DELETE, text)
            self.browser.execute_script("arguments[0].blur()", field)

    def save(self) -> None:
        """Save the form, and wait until it closes."""
        self.press("Save")
        self._wait(
            expected_conditions.invisibility_of_element_located((By.XPATH, "//*[@role='dialog']")), "the closed form"
        )

    @staticmethod
    def _at_rest(browser: Chrome) -> bool:
        """Return whether a form is open and its animations have ended."""
        return browser.execute_script(
            "const form = document.querySelector('[role=dialog]');"
            "return form !== null && form.getAnimations({subtree: true}).every(one => one.playState !== 'running')"
        )

    def _wait(self, condition: Any, what: str) -> Any:
        try:
            return WebDriverWait(
                self.browser,
                TIMEOUT,
                ignored_exceptions=(StaleElementReferenceException, ElementClickInterceptedException),
            ).until(condition)
        except TimeoutException:
            text = self.browser.find_element(By.TAG_NAME, "body").text
            raise AssertionError(f"Not seen on {self.browser.current_url}: {what}. The page's text:\n{text}") from None
