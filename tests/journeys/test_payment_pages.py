"""A cashier takes payments in a real browser, with a scanner, a QR code and a bad line; a manager watches and stops one."""

import asyncio
import json
import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hutong.directory import Principal
from hutong.payments import AlipayAccount, add_alipay_account
from hutong.platform.config import Settings
from hutong.platform.database import Database
from tests.support.network import Network, insert_network, stored
from tests.support.postgres import SharedPostgres
from tests.support.sandbox import RunningSandbox, running_sandbox
from tests.support.server import RunningServer, children, start_server


@dataclass(frozen=True)
class Counter:
    """A running server whose first retailer takes Alipay at a sandbox; the tests of this file share it."""

    server: RunningServer
    sandbox: RunningSandbox
    network: Network
    owner: psycopg.Connection[Any]

    def payments(self, amount: int) -> list[tuple[str, str, str]]:
        """Number, state and sale of all payments of this amount, the oldest first."""
        rows = self.owner.execute("select number, state, sale_id::text from payment where amount = %s order by id", [amount]).fetchall()
        return [(str(number), str(state), str(sale)) for number, state, sale in rows]


@pytest.fixture(scope="module")
def counter(postgres: SharedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    folder: Path = tmp_path_factory.mktemp("counter")
    with postgres.fresh_database() as url, running_sandbox(folder) as sandbox, psycopg.connect(url, autocommit=True) as owner:
        network = insert_network(url)
        server = start_server(url, folder / "server.log")
        asyncio.run(set_up(url, folder, server, sandbox, network))
        yield Counter(server, sandbox, network, owner)
        server.stop()


async def set_up(url: str, folder: Path, server: RunningServer, sandbox: RunningSandbox, network: Network) -> None:
    """Give the first retailer its account at the sandbox."""
    database = Database(url)
    settings = Settings(database_url=url, data_dir=folder / "data", base_url=server.url)
    account = AlipayAccount(
        app_id=sandbox.app_id, seller_id=sandbox.seller_id, gateway=sandbox.gateway, private_key=sandbox.private_key,
        alipay_public_key=sandbox.alipay_public_key,
    )  # fmt: skip
    await add_alipay_account(database, Principal.system("test"), settings, network.one.id, "main", account)
    await database.close()


@pytest.fixture
def watch(browser: Any) -> Callable[..., Any]:
    """``async with watch(counter, "cashier") as page`` is a signed-in browser page; script errors and refusals by the content policy fail."""

    @asynccontextmanager
    async def opened(counter: Counter, login: str, **options: Any) -> AsyncIterator[Any]:
        token = secrets.token_urlsafe(32)
        counter.owner.execute(
            "insert into browser_session (token_hash, person_id, csrf, expires_at) values (%s, %s, %s, now() + interval '1 hour')",
            [stored(token), counter.network.people[login].id, secrets.token_urlsafe(32)],
        )
        context = await browser.new_context(base_url=counter.server.url, **({"locale": "en-GB"} | options))
        await context.add_cookies([{"name": "hutong_session", "value": token, "url": counter.server.url}])
        page = await context.new_page()
        broken: list[str] = []
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.on("console", lambda message: broken.append(message.text) if "Content Security Policy" in message.text else None)
        yield page
        await context.close()
        assert not broken, json.dumps(broken, ensure_ascii=False)

    return opened


async def ready(page: Any, counter: Counter) -> None:
    """Open the page where payments are taken."""
    await page.goto(f"/payments/stores/{counter.network.store.gln}/take")
    await page.locator("#take[data-ready]").wait_for()


async def scan(page: Any, counter: Counter, amount: str, customer: str) -> None:
    """Type an amount, then what a scanner sends: the code and Enter, wherever the cursor is."""
    await page.keyboard.type(amount)
    await page.keyboard.press("Enter")
    await page.keyboard.type(counter.sandbox.code(customer))
    await page.keyboard.press("Enter")
    await page.keyboard.press("Enter")  # scanners stutter, and people press again


async def says(page: Any, state: str) -> None:
    await page.locator("#take-state", has_text=state).wait_for(timeout=15_000)


async def test_a_scanned_code_is_charged_once_however_often_enter_is_pressed(counter: Counter, watch: Callable[..., Any]) -> None:
    customer = counter.sandbox.person(balance=100_000, password_above=100_000_000)
    async with watch(counter, "cashier") as page:
        await ready(page, counter)
        await scan(page, counter, "12.34", customer)
        await says(page, "Paid")
        assert await page.locator("#take-sum").inner_text() == "¥12.34"
        assert [state for _, state, _ in counter.payments(1_234)] == ["paid"]
        assert counter.sandbox.people()[customer]["balance"] == 100_000 - 1_234
        await page.reload()  # what was taken is still there, and nothing is taken again
        await says(page, "Paid")
        await page.get_by_role("button", name="Next payment").click()
        assert await page.locator("#take-amount").input_value() == ""
        assert await page.evaluate("document.activeElement.id") == "take-amount"
        assert len(counter.payments(1_234)) == 1


async def test_a_cut_line_changes_nothing_the_same_payment_is_sent_until_it_arrives(counter: Counter, watch: Callable[..., Any]) -> None:
    customer = counter.sandbox.person(balance=100_000, password_above=100_000_000)
    async with watch(counter, "cashier") as page:
        await ready(page, counter)
        cut, ids = 0, []

        async def line(route: Any) -> None:
            nonlocal cut
            cut += 1
            ids.append(route.request.post_data_json["id"])
            if cut == 1:
                await route.abort()  # it never arrives
            elif cut == 2:
                await route.fetch()
                await route.abort()  # it arrives, and the answer is lost
            else:
                await route.continue_()

        await page.route("**/v1/payments?*", line)
        await scan(page, counter, "23.45", customer)
        await says(page, "Paid")
        assert (cut, len(set(ids)), len(counter.payments(2_345))) == (3, 1, 1)
        assert counter.sandbox.people()[customer]["balance"] == 100_000 - 2_345


@pytest.mark.slow
async def test_a_customer_who_hesitates_is_stopped_and_tried_again_for_the_same_sale(counter: Counter, watch: Callable[..., Any]) -> None:
    slow, quick = (
        counter.sandbox.person(balance=100_000, password_above=100),
        counter.sandbox.person(balance=100_000, password_above=100_000_000),
    )
    async with watch(counter, "cashier", viewport={"width": 390, "height": 800}) as page:
        await ready(page, counter)
        await scan(page, counter, "34.56", slow)
        await says(page, "Waiting for the customer")
        await page.reload()
        await says(page, "Waiting for the customer")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
        await page.get_by_role("button", name="Stop it").click()
        await says(page, "Closed, not paid")
        await page.get_by_role("button", name="Try again").click()
        assert await page.evaluate("document.activeElement.id") == "take-code"
        await page.keyboard.type(counter.sandbox.code(quick))
        await page.keyboard.press("Enter")
        await says(page, "Paid")
        (_, first, sale), (_, second, same) = counter.payments(3_456)
        assert (first, second, sale) == ("closed", "paid", same)


@pytest.mark.slow
async def test_a_qr_code_is_shown_until_it_is_paid(counter: Counter, watch: Callable[..., Any]) -> None:
    customer = counter.sandbox.person(balance=100_000, password_above=100_000_000)
    async with watch(counter, "cashier") as page:
        await ready(page, counter)
        await page.keyboard.type("45.67")
        await page.get_by_role("button", name="Show a QR code instead").click()
        picture = page.locator("#take-picture")
        await picture.wait_for(timeout=15_000)
        assert await picture.evaluate("image => image.decode().then(() => image.naturalWidth > 100)")
        (content,) = counter.owner.execute("select qr from payment where amount = 4567").fetchone() or ("",)
        trade = await asyncio.to_thread(counter.sandbox.scan, customer, content)
        assert trade["state"] == "WAIT_BUYER_PAY"
        await asyncio.to_thread(counter.sandbox.approve, trade["trade_no"])
        await says(page, "Paid")
        assert await picture.is_hidden()


@pytest.mark.slow
async def test_a_refusal_says_what_to_mend_and_charges_nothing(counter: Counter, watch: Callable[..., Any]) -> None:
    poor = counter.sandbox.person(balance=5, password_above=100_000_000)
    async with watch(counter, "cashier") as page:
        await ready(page, counter)
        await page.keyboard.type("1234567890123456")  # a code in the amount's field goes where it belongs
        assert await page.locator("#take-amount").input_value() == ""
        assert await page.locator("#take-code").input_value() == "1234567890123456"
        await page.locator("#take-code").fill("")
        await page.locator("#take-amount").fill("56.78")
        await page.keyboard.press("Enter")
        await page.keyboard.type("9999999999999999")
        await page.keyboard.press("Enter")
        await page.locator("#take-code-error", has_text="This is no payment code").wait_for()
        await page.keyboard.type(counter.sandbox.code(poor))
        await page.keyboard.press("Enter")
        await says(page, "Declined")
        assert "show a fresh code" in await page.locator("#take-words").inner_text()
        assert [state for _, state, _ in counter.payments(5_678)] == ["declined"]


async def test_a_manager_sees_a_payment_at_once_and_stops_it(counter: Counter, watch: Callable[..., Any]) -> None:
    slow = counter.sandbox.person(balance=100_000, password_above=100)
    async with watch(counter, "manager") as page, watch(counter, "cashier") as till:
        async with page.expect_response(lambda response: "/v1/streams/payments/" in response.url):
            await page.goto(f"/payments/stores/{counter.network.store.gln}")
        await ready(till, counter)
        await scan(till, counter, "67.89", slow)
        standing = page.locator(".standing", has_text="¥67.89")
        await standing.get_by_text("Keep the goods").wait_for(timeout=5_000)
        await page.locator(".pay-rows li", has_text="¥67.89").get_by_text("Waiting for the customer").wait_for()
        await standing.get_by_role("button", name="Stop it").click()
        await page.get_by_role("button", name="Yes, go on").click()
        await standing.get_by_text("Closed: nothing is paid.").wait_for(timeout=15_000)
        await says(till, "Closed, not paid")
        await standing.get_by_role("link", name="Open").click()
        await page.get_by_text("Somebody stopped it.").wait_for()
        assert "Manager Person" in await page.locator(".story").inner_text()


def hold(server: RunningServer, number: signal.Signals) -> None:
    """Let the server fall silent, or go on."""
    for pid in (server.process.pid, *children(server.process.pid)):
        os.kill(pid, number)


@pytest.mark.slow
async def test_the_page_turns_grey_when_the_feed_breaks_and_goes_on_when_it_is_back(counter: Counter, watch: Callable[..., Any]) -> None:
    async with watch(counter, "manager") as page:
        await page.goto(f"/payments/stores/{counter.network.store.gln}")
        await page.locator("#payments[data-painted]").wait_for()
        hold(counter.server, signal.SIGSTOP)
        await page.locator("#payments.stale").wait_for(timeout=40_000)
        assert "Feed late since" in await page.locator("#feed-state").inner_text()
        hold(counter.server, signal.SIGCONT)
        await page.locator("#payments:not(.stale)").wait_for(timeout=40_000)
