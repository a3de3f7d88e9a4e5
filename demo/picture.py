"""A picture of the page, for the README: what a browser shows of a running topk-query."""

import shutil

from playwright.sync_api import sync_playwright


def take(url, path):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 720}, color_scheme="light", locale="en-GB")
        page.goto(url)
        page.locator("#list tbody tr").first.wait_for()
        page.locator(".item button").nth(1).click()
        page.wait_for_timeout(500)
        page.screenshot(path=path)
        browser.close()
