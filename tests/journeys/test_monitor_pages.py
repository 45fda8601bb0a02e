"""People watch trade in a real browser: it appears by itself, greys when the feed is late, comes back, and tells nobody too much."""

import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import reduce
from random import Random
from typing import Any

import httpx
import psycopg
import pytest

from hutong.platform.live import apply_frame
from hutong.platform.web import percent, short_money
from hutong.platform.web.i18n import current_locale
from tests.support.browser import chromium
from tests.support.network import Network, insert_network, stored
from tests.support.postgres import SharedPostgres
from tests.support.sales import line, return_of, sale
from tests.support.server import CHECKOUT, RunningServer, start_server

SCRIPTS = CHECKOUT / "src/hutong/platform/web/static/web"


@dataclass(frozen=True)
class Shop:
    """A running server with the small network, which the tests of this file share: each rings up its own sales."""

    server: RunningServer
    network: Network
    database_url: str


@pytest.fixture(scope="module")
def shop(postgres: SharedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One server for all tests that do not break it."""
    with postgres.fresh_database() as url:
        network = insert_network(url)
        server = start_server(url, tmp_path_factory.mktemp("shop") / "server.log")
        yield Shop(server, network, url)
        server.stop()


@pytest.fixture
def watch(browser: Any) -> Callable[..., Any]:
    """``async with watch(shop, "manager") as page`` is a signed-in browser page; script errors and refusals by the content policy fail."""

    @asynccontextmanager
    async def opened(shop: Shop, login: str, **options: Any) -> AsyncIterator[Any]:
        context = await browser.new_context(base_url=shop.server.url, **({"locale": "en-GB"} | options))
        await context.add_cookies([{"name": "hutong_session", "value": session_for(shop, login), "url": shop.server.url}])
        page = await context.new_page()
        broken: list[str] = []
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.on("console", lambda message: broken.append(message.text) if "Content Security Policy" in message.text else None)
        yield page
        await context.close()
        assert not broken, json.dumps(broken, ensure_ascii=False)

    return opened


def session_for(shop: Shop, login: str) -> str:
    """Signs a person in without the sign-in page: the cookie's value."""
    token = secrets.token_urlsafe(32)
    with psycopg.connect(shop.database_url, autocommit=True) as owner:
        owner.execute(
            "insert into browser_session (token_hash, person_id, csrf, expires_at) values (%s, %s, %s, now() + interval '1 hour')",
            [stored(token), shop.network.people[login].id, secrets.token_urlsafe(32)],
        )
    return token


def ring_up(shop: Shop, *sales: dict[str, Any]) -> None:
    """Post sales as the first retailer's integrator does."""
    for each in sales:
        answer = httpx.post(
            f"{shop.server.url}/v1/sales",
            json=each,
            headers={"Authorization": f"Bearer {shop.network.one.key}"},
            timeout=30,
            trust_env=False,
        )
        assert answer.status_code == 201, answer.text


async def test_a_sale_appears_on_the_stores_page_within_a_second_and_opens_its_receipt(shop: Shop, watch: Callable[..., Any]) -> None:
    store = shop.network.one.stores[1]  # no other test sells here
    async with watch(shop, "manager-2") as page:
        async with page.expect_response(lambda response: "/v1/streams/" in response.url):
            await page.goto(f"/monitor/stores/{store.gln}")
        await page.get_by_text("No sale yet today; the first one appears here by itself.").wait_for()
        first = sale(shop.network, store=store)
        ring_up(shop, first)
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
        assert shop.network.products[0].name_en in text
        assert "Alipay" in text
        assert "VAT" in text


async def test_a_return_and_a_void_say_what_they_are_in_words(shop: Shop, watch: Callable[..., Any]) -> None:
    bought = sale(shop.network)
    back = return_of(shop.network, bought, [1])
    void = sale(shop.network, kind="void", tenders=[])
    ring_up(shop, bought, back, void)
    async with watch(shop, "manager") as page:
        await page.goto(f"/monitor/stores/{shop.network.store.gln}")
        assert "Return" in await page.locator(f'[data-id="{back["id"]}"]').inner_text()
        assert "Void" in await page.locator(f'[data-id="{void["id"]}"]').inner_text()
        await page.goto(f"/monitor/stores/{shop.network.store.gln}/sales/{back['id']}")
        await page.get_by_role("link", name="See the sale it returns").click()
        await page.wait_for_url(f"**/{bought['id']}")
        assert "1 came back" in await page.get_by_role("article").inner_text()
        await page.goto(f"/monitor/stores/{shop.network.store.gln}/sales/{void['id']}")
        assert "nothing was sold" in await page.get_by_role("article").inner_text()


@pytest.mark.slow
async def test_tiles_turn_grey_with_the_time_when_the_feed_breaks_and_go_on_when_it_is_back(
    make_server: Callable[..., RunningServer], database_url: str, network: Network, watch: Callable[..., Any]
) -> None:
    shop = Shop(make_server(), network, database_url)
    async with watch(shop, "manager") as page:
        await page.goto(f"/monitor/stores/{network.store.gln}")
        await page.locator('.pane-value .as-of .fed:has-text("as of")').wait_for()
        shop.server.kill()
        await page.locator(".pane-value.stale .unfed").wait_for(timeout=25_000)
        assert "feed late since" in await page.locator(".pane-recent .as-of").inner_text()
        assert "Feed late since" in await page.locator("#feed-state").inner_text()
        make_server(port=shop.server.port)
        missed = sale(network)
        ring_up(shop, missed)
        await page.locator(f'[data-id="{missed["id"]}"]').wait_for(timeout=20_000)
        await page.locator(".pane-value:not(.stale)").wait_for()
        assert await page.locator("#feed-state").inner_text() == ""


async def test_the_page_speaks_both_languages(shop: Shop, watch: Callable[..., Any]) -> None:
    ring_up(shop, sale(shop.network))
    async with watch(shop, "manager") as page:
        await page.goto(f"/monitor/stores/{shop.network.store.gln}")
        assert await page.get_by_role("heading", level=1).inner_text() == shop.network.store.name_en
        await page.locator('[data-language="zh"]').click()
        await page.get_by_role("heading", name="最新销售").wait_for()
        assert await page.get_by_role("heading", level=1).inner_text() == shop.network.store.name_zh
        await page.locator(".pane-value .fed").filter(has_text="截至").wait_for()


async def test_a_brand_sees_its_line_and_nothing_of_the_basket(shop: Shop, watch: Callable[..., Any]) -> None:
    own = next(product for product in shop.network.products if product.brand_id == shop.network.brands[0].id)
    other = next(product for product in shop.network.products if product.brand_id == shop.network.brands[1].id)
    basket = sale(shop.network, [line(own, 7000), line(other, 987_000)], cashier="c-4711", receipt="B-770033")
    ring_up(shop, basket)
    async with watch(shop, "brand") as page:
        await page.goto(f"/monitor/brands/{shop.network.brands[0].code}")
        await page.locator(".pane-recent li").filter(has_text=own.name_en).filter(has_text="× 7").wait_for()
        whole = await page.content()
        for secret in (basket["id"], basket["receipt"], basket["cashier"], other.name_en, other.code, str(basket["total"])):
            assert secret not in whole, secret
        assert (await page.goto(f"/monitor/stores/{shop.network.store.gln}/sales/{basket['id']}")).status == 404
        assert (await page.goto(f"/monitor/stores/{shop.network.store.gln}")).status == 404


async def test_receipts_and_pages_of_others_are_not_found(shop: Shop, watch: Callable[..., Any]) -> None:
    bought = sale(shop.network)
    ring_up(shop, bought)
    async with watch(shop, "manager-two") as page:
        for address in (
            f"/monitor/stores/{shop.network.store.gln}",
            f"/monitor/stores/{shop.network.store.gln}/sales/{bought['id']}",
            f"/monitor/stores/{shop.network.two.stores[0].gln}/sales/{bought['id']}",
            f"/monitor/stores/{shop.network.two.stores[0].gln}/sales/nonsense",
            f"/monitor/retailers/{shop.network.one.code}",
            f"/monitor/brands/{shop.network.brands[0].code}",
        ):
            assert (await page.goto(address)).status == 404, address
        assert (await page.goto("/monitor")).status == 403


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_scripts_write_what_the_server_painted(shop: Shop, watch: Callable[..., Any], language: str) -> None:
    bought = sale(shop.network, [line(product, 1000 + 1500 * index) for index, product in enumerate(shop.network.products)])
    ring_up(shop, bought, return_of(shop.network, bought, [1]), *(sale(shop.network) for _ in range(3)))
    places = ["/monitor", f"/monitor/stores/{shop.network.store.gln}", f"/monitor/retailers/{shop.network.one.code}", "/monitor/places/31"]
    async with watch(shop, "operator", extra_http_headers={"Accept-Language": language}) as page:
        for address in [*places, f"/monitor/brands/{shop.network.brands[0].code}"]:
            await page.route("**/static/monitor/*.js*", lambda route: route.abort())
            await page.goto(f"{address}?lang={language}")
            painted = await texts_of(page)
            await page.unroute("**/static/monitor/*.js*")
            await page.goto(f"{address}?lang={language}")
            await page.locator("#monitor[data-painted]").wait_for()
            assert await texts_of(page) == painted, address
        written = "async (all) => { const { shortMoney, percent } = await import('/static/web/figures.js'); return all.map((each) => [shortMoney(each, 'CNY'), percent(each / 1600)]); }"
        with in_language(language):
            assert await page.evaluate(written, HALVES) == [[short_money(each), percent(each / 1600)] for each in HALVES]


HALVES = [
    50,
    150,
    250,
    31_850,
    -31_850,
    999_949,
    999_950,
    1_000_000,
    1_000_500,
    1_234_500,
    1_234_600,
    99_999_500,
    12_345_000,
    1_234_500_000,
    12_345_000_000,
    999_995_000_000,
    1,
    3,
    100,
    300,
]
"""Amounts, and sixteenths of a percent, that lie halfway or near it: both sides must round them alike."""


@contextmanager
def in_language(language: str) -> Iterator[None]:
    before = current_locale.set(language)
    yield
    current_locale.reset(before)


async def texts_of(page: Any) -> list[str]:
    """All live texts but those that time alone changes."""
    found: list[str] = await page.evaluate(
        """[...document.querySelectorAll("#monitor [data-text]:not([data-as$=-words], [data-text=rate], [data-as=till-sign])")]
           .map((element) => `${element.dataset.text} ${element.textContent}`)"""
    )
    return found


async def test_the_network_screen_fits_a_wall_and_a_phone_without_scrolling_sideways(shop: Shop, watch: Callable[..., Any]) -> None:
    ring_up(shop, sale(shop.network))
    async with watch(shop, "operator", viewport={"width": 1920, "height": 1080}) as page:
        await page.goto("/monitor?wall=1")
        await page.locator(".wheels.rolling, .wheels").first.wait_for()
        assert await page.evaluate(
            "document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth"
        )
        await page.set_viewport_size({"width": 360, "height": 780})
        for address in (
            "/monitor",
            f"/monitor/stores/{shop.network.store.gln}",
            f"/monitor/retailers/{shop.network.one.code}",
            "/monitor/places/31",
        ):
            await page.goto(address)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address


async def test_the_drill_leads_from_the_network_to_the_receipt(shop: Shop, watch: Callable[..., Any]) -> None:
    bought = sale(shop.network)
    ring_up(shop, bought)
    async with watch(shop, "operator") as page:
        await page.goto("/monitor")
        await page.locator('.unit a[href*="/monitor/places/31"]').click()
        await page.locator(".pane-cities").get_by_role("link", name="Shanghai").click()
        await page.locator(".pane-placestores").get_by_role("link", name=shop.network.store.name_en).click()
        await page.locator(f'[data-id="{bought["id"]}"] a').click()
        await page.get_by_role("article", name=f"Receipt {bought['receipt']}").wait_for()


def test_the_browser_applies_frames_exactly_as_the_reference_does() -> None:
    chance = Random(20261122)
    start = {"today": 1, "recent": [], "minutes": {"1": [1, 1]}, "stores": {}, "identity": {"zone": "Asia/Shanghai"}}
    runs = [[some_frame(chance) for _ in range(chance.randint(0, 6))] for _ in range(300)]
    assert applied_by_script(start, runs) == [reduce(apply_frame, run, start) for run in runs]


def some_frame(chance: Random) -> dict[str, Any]:
    """A frame of one of the possible shapes: nothing, whole sections, cells that are new, changed or taken away."""
    values: list[Any] = [None, 0, 10**12, "", "文", [], [1], {"code": "1"}, False]
    whole = {section: chance.choice(values) for section in chance.sample(["today", "recent"], chance.randint(0, 2))}
    cells = {
        section: {key: chance.choice([None, [1, 2], [3, 4], {}]) for key in chance.sample(["1", "2", "600", "44"], chance.randint(0, 4))}
        for section in chance.sample(["minutes", "stores"], chance.randint(0, 2))
    }
    return {"set": whole, "cells": cells}


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
