"""The catalogue in a real browser: searching while typing, and an import from the file to the catalogue."""

import os
from pathlib import Path
from typing import Any

from playwright.async_api import expect

from hutong.kernel.gs1 import check_digit
from tests.catalog.test_importing import HEADER, ROWS, as_xlsx
from tests.support.network import Network


async def shoot(page: Any, name: str) -> None:
    """Keep a picture where HUTONG_SCREENSHOTS says, to look at."""
    if folder := os.environ.get("HUTONG_SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"catalog-{name}.png", full_page=True)


async def test_the_list_follows_what_is_typed(page_as: Any, network: Network) -> None:
    page = await page_as("office")
    await page.goto("/catalog?lang=en")
    assert await page.locator("#products tbody tr").count() == len(network.products) + 1
    await shoot(page, "products")
    await page.fill("#field-q", "longjing")
    await expect(page.locator("#products tbody tr")).to_have_count(1)
    assert "q=longjing" in page.url
    await page.click("#products tbody a")
    await page.wait_for_selector("text=Yunqi Longjing 100 g")
    await shoot(page, "product")


async def test_a_list_is_tried_its_bad_rows_downloaded_and_the_good_ones_imported(page_as: Any, network: Network, tmp_path: Path) -> None:
    file = tmp_path / "商品.xlsx"
    file.write_bytes(as_xlsx([HEADER, *ROWS, [f"690990092222{check_digit('690990092222')}", "", "<b>粗体</b>", "", "", "", "", ""]]))
    page = await page_as("office")
    await page.goto("/catalog/import?lang=en")
    await page.set_input_files("#field-file", file)
    await page.click("text=Try it")
    await page.wait_for_selector("#import-rest")
    assert await page.locator("#bad-rows tbody tr").count() == 7
    await shoot(page, "import")
    async with page.expect_download() as download:
        await page.click("text=Download the bad rows")
    content = Path(await (await download.value).path()).read_text(encoding="utf-8-sig")
    assert len(content.splitlines()) == 8
    await page.click("#import-rest")
    await page.wait_for_selector("text=4 rows are imported.")
    await page.set_viewport_size({"width": 390, "height": 800})
    await page.goto("/catalog/products?lang=zh&q=粗体")
    assert await page.locator("text=<b>粗体</b>").count() == 1
    await shoot(page, "phone")
