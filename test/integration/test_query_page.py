"""The page, in a real browser: what it shows, how it follows, that everybody can use it.

A picture of each look is left in build/page/, to be looked at.
"""

import re
import shutil
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright, expect

from ddb import TODAY, encode
from query_service import Query
from test_query_answers import NOW

PICTURES = Path(__file__).resolve().parents[2] / "build" / "page"
LOOKS = {"wide": (1280, 900, "light"), "dark": (1280, 900, "dark"), "phone": (390, 844, "light")}
HURTFUL = '<img src=x onerror="document.title=1">&amp;"\''


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        # The sandbox needs what containers and root do not have.
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def put(sync):
    def put_row(ago, counts, version=1, key="global", error=0):
        sync.put_row(TODAY - ago, key, v={"B": encode(32, counts)}, ver={"N": str(version)}, ttl={"N": str(NOW)},
                     total={"N": str(sum(counts.values()))}, error={"N": str(error)}, updated_at={"N": "1795500000"})
    return put_row


@pytest.fixture
def show(sync, daemon, browser):
    """show(path, look): the page of a topk-query over the table; whatever goes wrong in it fails the test."""
    pages, problems, queries = [], [], []

    def open_page(path="/?period=7", look="wide", arguments=(), wait=True, **environment):
        if not queries:
            queries.append(Query(daemon, ["--live-interval", "200ms", "--cache-ttl", "100ms", *arguments],
                                 {**sync.environment(), **environment}))
        width, height, scheme = LOOKS[look]
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme, locale="en-GB")
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: problems.append(request.url) if f":{queries[0].port}/" not in request.url
                and not request.url.startswith("data:") else None)
        page.goto(f"http://127.0.0.1:{queries[0].port}{path}")
        if wait:
            expect(page.locator("#list tbody tr").first).to_be_visible()
        pages.append(page)
        page.problems = problems
        return page

    yield open_page
    for page in pages:
        page.close()
    assert problems == []


def rows(page):
    """(rank, item, count) of each row."""
    return page.locator("#list tbody tr:not(.detail)").evaluate_all(
        "rows => rows.map(row => ['.rank', '.item', '.count'].map(part => row.querySelector(part).innerText))")


def fill(put):
    for ago in range(0, 14):
        put(ago, {"apple": 500, "pear": 300 + 30 * ago, HURTFUL: 100 + ago, **{f"item-{n}": 60 - n for n in range(20)}})


def test_the_list(put, show):
    put(0, {"apple": 500, "pear": 30, HURTFUL: 7}, error=3)
    put(1, {"apple": 10, "pear": 1000}, error=2)
    page = show("/?period=7&n=10")
    assert rows(page) == [["1", "pear", "1,030\nto 1,035"], ["2", "apple", "510\nto 515"], ["3", HURTFUL, "7\nto 12"]]
    expect(page.locator("#summary")).to_contain_text("1,547 counted in 7 days")
    expect(page.locator("#summary")).to_contain_text("at most 5")
    assert page.locator("tr:has-text('apple') .days svg").get_attribute("aria-label").endswith("10, " + days_label(page, 0) + ": 500")
    assert page.title() == "topk"


def days_label(page, ago):
    return page.evaluate(f"new Date({(TODAY - ago) * 86400_000}).toLocaleString(undefined, {{day: 'numeric', month: 'short', timeZone: 'UTC'}})")


def test_it_follows(put, show):
    put(0, {"apple": 5, "pear": 3})
    page = show("/?period=1")
    expect(page.locator("#connection")).to_have_text("live")
    assert [row[1] for row in rows(page)] == ["apple", "pear"]
    page.locator("button", has_text="pear").focus()
    put(0, {"apple": 5, "pear": 8}, version=2)
    expect(page.locator("#list tbody tr").first).to_contain_text("pear")
    expect(page.locator("#announcement")).to_have_text("pear is first now.")
    assert page.evaluate("document.activeElement.dataset.item") == "pear"


def test_rank_changes_since_the_period_before(put, show):
    put(1, {"pear": 9, "apple": 5})
    put(0, {"apple": 7, "pear": 3, "fig": 1})
    page = show("/?period=1")
    assert page.locator("#list tbody .change").all_inner_texts() == ["▲ 1", "▼ 1", "new"]
    assert page.locator("#list tbody .change span").first.get_attribute("aria-label") == "up 1, from 2"


def test_other_questions(put, show):
    put(0, {"apple": 5})
    put(3, {"plum": 50})
    put(0, {"fig": 2}, key="eu")
    page = show("/?period=1")
    page.get_by_label("30 days").check()
    expect(page.locator("#list tbody tr").first).to_contain_text("plum")
    page.get_by_label("Key").fill("eu")
    page.get_by_label("Key").press("Enter")
    expect(page.locator("#list tbody tr").first).to_contain_text("fig")
    assert re.search(r"key=eu.*period=30", page.url)
    page.get_by_label("Range").check()
    page.get_by_label("From").fill("2019-01-01")
    expect(page.locator("#summary")).to_have_class("summary failed")
    expect(page.locator("#summary")).to_contain_text("retention")
    page.problems.clear()  # the browser reports the answer 400


def test_by_keyboard_alone(put, show):
    fill(put)
    page = show("/?period=7")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.item') !== null"):
            break
    page.keyboard.press("Enter")
    expect(page.locator("tr.detail li")).to_have_count(7)
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    page.keyboard.press("Enter")
    expect(page.locator("tr.detail")).to_have_count(0)


def test_a_token_is_asked_for(put, show, tmp_path):
    put(0, {"apple": 5})
    tokens = tmp_path / "tokens"
    tokens.write_text("sesame-1\nsesame-2\n")
    tokens.chmod(0o600)
    page = show("/?period=1", arguments=["--token-file", str(tokens)], wait=False)
    expect(page.locator("#access")).to_be_visible()
    page.get_by_role("textbox", name="Token").fill("sesame-2")
    page.get_by_role("textbox", name="Token").press("Enter")
    expect(page.locator("#list tbody tr").first).to_contain_text("apple")
    page.problems.clear()  # the browser reports the answers 401


def test_health(put, show, sync):
    put(0, {"apple": 5})
    page = show("/?period=1", TOPK_METRICS_URLS="feeder=http://127.0.0.1:9/metrics")
    expect(page.locator("#health")).to_contain_text("feeder")
    expect(page.locator("#health")).to_contain_text("down")
    expect(page.locator("#problems li").first).to_be_visible()


def test_a_store_that_is_away(put, show, proxy):
    """The page says so, before it has a list or beside the last one, and goes on by itself."""
    put(0, {"apple": 5})
    there, proxy.target = proxy.target, "http://127.0.0.1:1"
    page = show("/?period=1", wait=False, DDB_ENDPOINT=proxy.endpoint)
    expect(page.locator("#connection")).to_have_text("store away")
    expect(page.locator("#summary")).to_have_text("The store can not be reached. The list comes by itself once it can.")
    expect(page.locator("#list")).to_be_hidden()
    for name, (width, height, scheme) in LOOKS.items():
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        check_look(page, f"away-{name}")
    proxy.target = there
    expect(page.locator("#list tbody tr").first).to_contain_text("apple")
    expect(page.locator("#connection")).to_have_text("live")
    proxy.target = "http://127.0.0.1:1"
    expect(page.locator("#connection")).to_have_text("store away", timeout=20_000)
    assert [row[1] for row in rows(page)] == ["apple"]
    proxy.target = there
    expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator("#summary")).to_contain_text("5 counted")


@pytest.mark.parametrize("look", LOOKS)
def test_looks(put, show, look):
    fill(put)
    page = show("/?period=7", look)
    page.locator(".item button").nth(1).click()
    check_look(page, look)


def check_look(page, name):
    """Nothing sticks out, and axe, which knows WCAG, has nothing to say."""
    PICTURES.mkdir(exist_ok=True)
    page.wait_for_timeout(100)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
