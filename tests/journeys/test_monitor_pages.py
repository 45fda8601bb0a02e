"""People watch trade in a real browser: it appears by itself, greys when the feed is late, comes back, and tells nobody too much."""

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from hutong.platform.live import apply_frame
from tests.support.browser import chromium
from tests.support.network import Network
from tests.support.sales import line, return_of, sale
from tests.support.server import CHECKOUT, RunningServer

SCRIPTS = CHECKOUT / "src/hutong/monitor/static/monitor"
Sign = Callable[[str], tuple[str, str]]

pytestmark = pytest.mark.skipif(not SCRIPTS.exists(), reason="needs a checkout")


@pytest.fixture
def watch(browser: Any, session_of: Sign) -> Callable[..., Any]:
    """``async with watch(server, "manager") as page`` is a signed-in browser page; its ``refused`` lists what the content policy stopped."""

    @asynccontextmanager
    async def opened(server: RunningServer, login: str, **options: Any) -> AsyncIterator[Any]:
        context = await browser.new_context(base_url=server.url, **({"locale": "en-GB"} | options))
        token, _ = session_of(login)
        await context.add_cookies([{"name": "hutong_session", "value": token, "url": server.url}])
        page = await context.new_page()
        broken: list[str] = []
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.on("console", lambda message: broken.append(message.text) if "Content Security Policy" in message.text else None)
        yield page
        await context.close()
        assert not broken, json.dumps(broken, ensure_ascii=False)

    return opened


def ring_up(server: RunningServer, network: Network, *sales: dict[str, Any]) -> None:
    """Post sales as the first retailer's integrator does."""
    for each in sales:
        answer = httpx.post(
            f"{server.url}/v1/sales", json=each, headers={"Authorization": f"Bearer {network.one.key}"}, timeout=30, trust_env=False
        )
        assert answer.status_code == 201, answer.text


async def test_a_sale_appears_on_the_stores_page_within_a_second_and_opens_its_receipt(
    server: RunningServer, network: Network, watch: Callable[..., Any]
) -> None:
    async with watch(server, "manager") as page:
        await page.goto(f"/monitor/stores/{network.store.gln}")
        await page.get_by_text("No sale yet today; the first one appears here by itself.").wait_for()
        await page.wait_for_timeout(500)  # the stream is open
        first = sale(network)
        ring_up(server, network, first)
        began = time.monotonic()
        row = page.locator(f'[data-id="{first["id"]}"]')
        await row.wait_for(timeout=5000)
        assert time.monotonic() - began < 1.0
        figure = f"¥{first['total'] / 100:,.2f}"
        assert figure in await page.locator(".pane-value .tile-value").inner_text()
        assert await page.locator(".pane-tickets .tile-value").inner_text() == "1"
        assert await page.get_by_text("No sale yet today").is_hidden()

        await row.get_by_role("link").click()
        receipt = page.get_by_role("article")
        await receipt.wait_for()
        text = await receipt.inner_text()
        assert first["receipt"] in text
        assert figure in text
        assert network.products[0].name_en in text
        assert "Alipay" in text
        assert "VAT" in text


async def test_a_return_and_a_void_say_what_they_are_in_words(server: RunningServer, network: Network, watch: Callable[..., Any]) -> None:
    bought = sale(network)
    back = return_of(network, bought, [1])
    void = sale(network, kind="void", tenders=[])
    ring_up(server, network, bought, back, void)
    async with watch(server, "manager") as page:
        await page.goto(f"/monitor/stores/{network.store.gln}")
        assert "Return" in await page.locator(f'[data-id="{back["id"]}"]').inner_text()
        assert "Void" in await page.locator(f'[data-id="{void["id"]}"]').inner_text()
        await page.goto(f"/monitor/stores/{network.store.gln}/sales/{back['id']}")
        await page.get_by_role("link", name="See the sale it returns").click()
        await page.wait_for_url(f"**/{bought['id']}")
        assert "1 came back" in await page.get_by_role("article").inner_text()
        await page.goto(f"/monitor/stores/{network.store.gln}/sales/{void['id']}")
        assert "nothing was sold" in await page.get_by_role("article").inner_text()


@pytest.mark.slow
async def test_tiles_turn_grey_with_the_time_when_the_feed_breaks_and_go_on_when_it_is_back(
    make_server: Callable[..., RunningServer], network: Network, watch: Callable[..., Any]
) -> None:
    server = make_server()
    async with watch(server, "manager") as page:
        await page.goto(f"/monitor/stores/{network.store.gln}")
        await page.locator('.pane-value .as-of .fed:has-text("as of")').wait_for()
        server.kill()
        await page.locator(".pane-value.stale .unfed").wait_for(timeout=25_000)
        assert "feed late since" in await page.locator(".pane-recent .as-of").inner_text()
        assert "Feed late since" in await page.get_by_role("status").first.inner_text()
        again = make_server(port=server.port)
        missed = sale(network)
        ring_up(again, network, missed)
        await page.locator(f'[data-id="{missed["id"]}"]').wait_for(timeout=20_000)
        await page.locator(".pane-value:not(.stale)").wait_for()
        assert await page.locator("#feed-state").inner_text() == ""


async def test_the_page_speaks_both_languages(server: RunningServer, network: Network, watch: Callable[..., Any]) -> None:
    ring_up(server, network, sale(network))
    async with watch(server, "manager") as page:
        await page.goto(f"/monitor/stores/{network.store.gln}")
        assert await page.get_by_role("heading", level=1).inner_text() == network.store.name_en
        await page.locator('[data-language="zh"]').click()
        await page.get_by_role("heading", name="最新销售").wait_for()
        assert await page.get_by_role("heading", level=1).inner_text() == network.store.name_zh
        await page.locator(".pane-value .fed").filter(has_text="截至").wait_for()


async def test_a_brand_sees_its_line_and_nothing_of_the_basket(server: RunningServer, network: Network, watch: Callable[..., Any]) -> None:
    own = next(product for product in network.products if product.brand_id == network.brands[0].id)
    other = next(product for product in network.products if product.brand_id == network.brands[1].id)
    basket = sale(network, [line(own), line(other, 3000)])
    ring_up(server, network, basket)
    async with watch(server, "brand") as page:
        await page.goto(f"/monitor/brands/{network.brands[0].code}")
        await page.locator(".pane-recent li").filter(has_text=own.name_en).wait_for()
        whole = await page.content()
        for secret in (basket["id"], basket["receipt"], basket["cashier"], other.name_en, other.code, str(basket["total"])):
            assert secret not in whole, secret
        assert (await page.goto(f"/monitor/stores/{network.store.gln}/sales/{basket['id']}")).status == 404
        assert (await page.goto(f"/monitor/stores/{network.store.gln}")).status == 404


async def test_receipts_and_pages_of_others_are_not_found(server: RunningServer, network: Network, watch: Callable[..., Any]) -> None:
    bought = sale(network)
    ring_up(server, network, bought)
    async with watch(server, "manager-two") as page:
        for address in (
            f"/monitor/stores/{network.store.gln}",
            f"/monitor/stores/{network.store.gln}/sales/{bought['id']}",
            f"/monitor/stores/{network.two.stores[0].gln}/sales/{bought['id']}",
            f"/monitor/stores/{network.two.stores[0].gln}/sales/nonsense",
            f"/monitor/retailers/{network.one.code}",
            f"/monitor/brands/{network.brands[0].code}",
        ):
            assert (await page.goto(address)).status == 404, address
        assert (await page.goto("/monitor")).status == 403


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_scripts_write_what_the_server_painted(
    server: RunningServer, network: Network, watch: Callable[..., Any], language: str
) -> None:
    bought = sale(network, [line(product, 1000 + 1500 * index) for index, product in enumerate(network.products)])
    ring_up(server, network, bought, return_of(network, bought, [1]), *(sale(network) for _ in range(3)))
    places = ["/monitor", f"/monitor/stores/{network.store.gln}", f"/monitor/retailers/{network.one.code}", "/monitor/places/31"]
    async with watch(server, "operator", extra_http_headers={"Accept-Language": language}) as page:
        for address in [*places, f"/monitor/brands/{network.brands[0].code}"]:
            await page.route("**/static/monitor/*.js*", lambda route: route.abort())
            await page.goto(f"{address}?lang={language}")
            painted = await texts_of(page)
            await page.unroute("**/static/monitor/*.js*")
            await page.goto(f"{address}?lang={language}")
            await page.wait_for_timeout(700)
            assert await texts_of(page) == painted, address


async def texts_of(page: Any) -> list[str]:
    """All live texts but those that time alone changes."""
    found: list[str] = await page.evaluate(
        """[...document.querySelectorAll("#monitor [data-text]:not([data-as$=-words], [data-text=rate], [data-as=till-sign])")]
           .map((element) => `${element.dataset.text} ${element.textContent}`)"""
    )
    return found


async def test_the_network_screen_fits_a_wall_and_a_phone_without_scrolling_sideways(
    server: RunningServer, network: Network, watch: Callable[..., Any]
) -> None:
    ring_up(server, network, sale(network))
    async with watch(server, "operator", viewport={"width": 1920, "height": 1080}) as page:
        await page.goto("/monitor?wall=1")
        await page.locator(".wheels.rolling, .wheels").first.wait_for()
        assert await page.evaluate(
            "document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth"
        )
        await page.set_viewport_size({"width": 360, "height": 780})
        for address in ("/monitor", f"/monitor/stores/{network.store.gln}", f"/monitor/retailers/{network.one.code}", "/monitor/places/31"):
            await page.goto(address)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address


async def test_the_drill_leads_from_the_network_to_the_receipt(server: RunningServer, network: Network, watch: Callable[..., Any]) -> None:
    bought = sale(network)
    ring_up(server, network, bought)
    async with watch(server, "operator") as page:
        await page.goto("/monitor")
        await page.locator('.unit a[href*="/monitor/places/31"]').click()
        await page.locator(".pane-cities").get_by_role("link", name="Shanghai").click()
        await page.locator(".pane-placestores").get_by_role("link", name=network.store.name_en).click()
        await page.locator(f'[data-id="{bought["id"]}"] a').click()
        await page.get_by_role("article", name=f"Receipt {bought['receipt']}").wait_for()


json_values = some.none() | some.booleans() | some.integers(-(10**12), 10**12) | some.text(max_size=5)
cells = some.dictionaries(some.sampled_from(["1", "2", "600", "44"]), some.none() | some.lists(some.integers(0, 9), max_size=2), max_size=4)
frames = some.lists(
    some.fixed_dictionaries(
        {
            "set": some.dictionaries(some.sampled_from(["today", "recent"]), json_values, max_size=2),
            "cells": some.dictionaries(some.sampled_from(["minutes", "stores"]), cells, max_size=2),
        }
    ),
    max_size=6,
)


@settings(max_examples=1)
@given(some.lists(frames, min_size=120, max_size=120))
def test_the_browser_applies_frames_exactly_as_the_reference_does(runs: list[list[dict[str, Any]]]) -> None:

    start = {"today": 1, "recent": [], "minutes": {"1": [1, 1]}, "stores": {}, "identity": {"zone": "Asia/Shanghai"}}
    expected = []
    for run in runs:
        document = start
        for frame in run:
            document = apply_frame(document, frame)
        expected.append(document)
    assert applied_by_script(start, runs) == expected


def applied_by_script(start: dict[str, Any], runs: list[list[dict[str, Any]]]) -> Any:
    """What live.js makes of the same frames."""
    from playwright.sync_api import sync_playwright

    script = (SCRIPTS / "live.js").read_text().replace("export ", "")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page()
        answer = page.evaluate(
            f"([start, runs]) => {{ {script}; return JSON.stringify(runs.map((run) => run.reduce(applyFrame, start))); }}", [start, runs]
        )
        browser.close()
    return json.loads(answer)
