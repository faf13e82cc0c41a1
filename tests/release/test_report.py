"""The report in a real browser: by pointer, by keyboard, at phone width, with hostile texts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from algstack.release import stage
from algstack.release.report import as_script, difference
from tests.release.conftest import context, document, write_workspace

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
in_browser = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver")

HOSTILE = "</script><img src=x onerror=alert(1)>\n<!-- ∀ 𝔸 \u2028 -->\ntheorem x : 1 = 1 := rfl\n"


def test_data_stands_in_a_script_whatever_it_holds() -> None:
    text = as_script({"a": HOSTILE + "\ud800"})
    assert "<" not in text
    assert "\u2028" not in text
    assert text.encode()
    import json

    assert json.loads(text) == {"a": HOSTILE + "\ud800"}


def test_lines_stand_side_by_side() -> None:
    rows = difference("a\nb\nc\n", "a\nB\nc\nd\n")
    assert rows == [["=", "a", "a"], ["~", "b", "B"], ["=", "c", "c"], ["+", None, "d"]]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    made = [
        document(number, lang="coq" if number % 2 else "lean", text=f"-- {number}\n" + HOSTILE) for number in range(40)
    ]
    workspace = write_workspace(folder / "work", [made], [str(one["id"]) for one in made[36:]])
    stage.run(context(workspace))
    return workspace.release("1.0.0") / "report.html"


@pytest.fixture(scope="module")
def open_page(page: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    from selenium import webdriver

    opened = []

    def open_page(width: int = 1280, height: int = 900, place: str = "") -> Any:
        options = webdriver.ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for argument in (
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options, webdriver.ChromeService(str(DRIVER)))
        opened.append(driver)
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(page.as_uri() + place)
        return driver

    yield open_page
    for driver in opened:
        driver.quit()


@pytest.fixture(scope="module")
def browser(open_page: Callable[..., Any]) -> Any:
    return open_page()


def by_id(driver: Any, name: str) -> Any:
    return driver.find_element("id", name)


def press(driver: Any, *keys: str) -> None:
    from selenium.webdriver import ActionChains

    ActionChains(driver).send_keys(*keys).perform()


@in_browser
def test_it_opens_without_an_error_and_asks_the_network_for_nothing(browser: Any) -> None:
    assert browser.get_log("browser") == []
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert "36" in by_id(browser, "numbers").text
    assert len(browser.find_elements("css selector", "figure svg")) >= 4


@in_browser
def test_it_is_used_by_keyboard_alone(browser: Any) -> None:
    from selenium.webdriver import Keys

    by_id(browser, "tab-overview").send_keys(Keys.ARROW_RIGHT)
    assert browser.switch_to.active_element.get_attribute("id") == "tab-samples"
    press(browser, "/")
    assert browser.switch_to.active_element.get_attribute("id") == "search"
    press(browser, "repo-3", Keys.ARROW_DOWN)
    assert browser.switch_to.active_element.get_attribute("id") == "sample-list"
    first = by_id(browser, "sample").find_element("tag name", "h3").text
    press(browser, Keys.ARROW_DOWN)
    second = by_id(browser, "sample").find_element("tag name", "h3").text
    assert first != second
    assert "owner/repo-3" in second
    press(browser, Keys.HOME)
    assert by_id(browser, "sample").find_element("tag name", "h3").text == first


@in_browser
def test_a_bar_leads_to_its_samples(browser: Any) -> None:
    by_id(browser, "tab-overview").click()
    browser.find_element("css selector", "#figure-tokens .bar[data-key='coq']").click()
    assert by_id(browser, "choose-lang").get_attribute("value") == "coq"
    options = browser.find_elements("css selector", "#sample-list [role='option']")
    assert options
    assert all("coq" in option.text for option in options)


@in_browser
def test_hostile_text_is_shown_and_not_run(browser: Any) -> None:
    by_id(browser, "tab-samples").click()
    shown = browser.find_element("css selector", "#sample pre code").get_attribute("textContent")
    assert HOSTILE in shown
    assert browser.find_elements("css selector", "#sample img") == []
    assert browser.get_log("browser") == []


@in_browser
@pytest.mark.parametrize("place", ["#overview", "#samples", "#pairs", "#repositories"])
def test_nothing_is_wider_than_a_phone(open_page: Callable[..., Any], place: str) -> None:
    driver = open_page(390, 844, place)
    assert driver.execute_script("return document.documentElement.scrollWidth") <= 390
    assert driver.get_log("browser") == []
