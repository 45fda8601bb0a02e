"""The catalogue over HTTP: searching, registering, prices, imports; and what a stranger to a product must not see or change."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest

from hutong.kernel.clock import now
from hutong.kernel.gs1 import check_digit
from tests.catalog.test_importing import EXPECTED, HEADER, ROWS, as_csv, as_xlsx
from tests.support.network import Network

Person = Callable[[str], httpx.AsyncClient]


def gtin(body: str) -> str:
    return body + check_digit(body)


async def test_products_are_searched_page_by_page(with_key: Person, network: Network) -> None:
    client = with_key(network.one.key)
    seen, cursor = [], None
    while True:
        answer = await client.get("/v1/products", params={"limit": 3, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        seen += [each["gtin"] or each["code"] for each in answer.json()["items"]]
        if (cursor := answer.json()["next_cursor"]) is None:
            break
    assert seen == [each.code for each in (*network.products, network.weighed)]
    for parameters, count in [
        ({"q": "云栖"}, 3), ({"q": "OOLONG"}, 1), ({"q": "00417"}, 1), ({"q": "%"}, 0), ({"q": "_"}, 0), ({"brand": "beiya"}, 2),
        ({"gtin": "0" + network.products[0].code}, 1), ({"registered": "false"}, 0), ({"category": "none"}, 0), ({"q": "' or 1=1 --"}, 0),
    ]:  # fmt: skip
        assert len((await client.get("/v1/products", params=parameters)).json()["items"]) == count, parameters


async def test_a_product_is_registered_read_and_changed_by_any_spelling_of_its_code(with_key: Person, network: Network) -> None:
    client, code = with_key(network.one.key), gtin("690990091234")
    made = await client.put(f"/v1/products/{code}", json={"name_zh": "新品", "vat_rate": "9", "unit": "KGM"})
    assert made.status_code == 200
    assert made.json()["vat_rate"] == "9"
    assert made.json()["registered"]
    changed = await client.put(f"/v1/products/0{code}", json={"name_en": "New"})
    read = await client.get(f"/v1/products/{code}")
    assert read.json() == changed.json()
    assert (read.json()["name_zh"], read.json()["name_en"], read.json()["gtin"]) == ("新品", "New", code)
    own = await client.put("/v1/products/A%2F7", json={"name_zh": "斜杠"})
    assert own.json()["code"] == "A/7"
    assert (await client.get("/v1/products/A%2F7")).json() == own.json()
    assert (await with_key(network.two.key).get("/v1/products/A%2F7")).status_code == 404


async def test_a_batch_of_products_is_registered_whole_or_not_at_all(
    with_key: Person, network: Network, owner: psycopg.Connection[Any]
) -> None:
    client = with_key(network.one.key)
    good = [{"code": gtin(f"69099009{number:04d}"), "name_zh": "品"} for number in range(20, 23)]
    answer = await client.post("/v1/products", json={"products": good})
    assert [each["outcome"] for each in answer.json()["products"]] == ["created"] * 3
    refused = await client.post("/v1/products", json={"products": [{"code": "B-1", "name_zh": "品"}, {"code": "B-2"}]})
    assert refused.status_code == 422
    assert refused.json()["code"] == "rows_invalid"
    assert refused.json()["rows"] == [{"row": 2, "code": "B-2", "field": "name_zh", "reason": "name_missing", "given": ""}]
    assert owner.execute("select count(*) from product where code like 'B-%%'").fetchone() == (0,)


NO_PRODUCTS: tuple[dict[str, Any], ...] = (
    {"name_zh": "a\u0000b"}, {"name_zh": "\ud800"}, {"name": "misspelt"}, {"vat_rate": "many"}, {"vat_rate": 17}, {"unit": "XX"}, {"name_zh": "x" * 201},
)  # fmt: skip


async def test_what_cannot_be_a_product_is_refused_with_422(with_key: Person, network: Network) -> None:
    client = with_key(network.one.key)
    for body in NO_PRODUCTS:
        content = json.dumps({"name_en": "x"} | body)
        answer = await client.put("/v1/products/K-1", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, (content, answer.text)


async def test_prices_have_a_history_and_the_latest_start_counts(with_key: Person, network: Network) -> None:
    client, store, product = with_key(network.one.key), network.store, network.products[0]
    address, today = f"/v1/stores/{store.gln}/prices", now()

    async def price(at: Any = None) -> Any:
        answer = await client.get(address, params={"code": product.code, **({"at": at.isoformat()} if at else {})})
        return [(each["amount"], each["scope"]) for each in answer.json()["items"]]

    async def ask(amount: int | None, days: int, gln: str | None = None) -> httpx.Response:
        entry = {"code": product.code, "amount": amount, "valid_from": (today + timedelta(days=days)).isoformat(), "store": gln}
        return await client.post("/v1/prices", json={"prices": [entry]})

    assert await price() == [(12800, "retailer")]
    assert (await ask(11000, -1, store.gln)).json() == {"written": 1}
    assert (await ask(11000, -1, store.gln)).json() == {"written": 0}
    assert (await ask(10000, -1, store.gln)).status_code == 409
    assert (await ask(None, 2)).status_code == 200
    assert await price() == [(11000, "store")]
    assert await price(today - timedelta(days=2)) == [(12800, "retailer")]
    assert await price(today + timedelta(days=3)) == []
    listed = await client.get(address, params={"limit": 200})
    assert len(listed.json()["items"]) == 9
    assert listed.json()["items"][0]["amount"] == 11000
    assert len((await client.get(f"/v1/stores/{network.one.stores[1].gln}/prices", params={"limit": 5})).json()["items"]) == 5


async def test_another_retailers_prices_and_stores_do_not_exist(with_key: Person, network: Network, owner: psycopg.Connection[Any]) -> None:
    stranger, product = with_key(network.two.key), network.products[0].code
    before = owner.execute("select count(*) from price").fetchone()
    assert (await stranger.get(f"/v1/stores/{network.store.gln}/prices")).status_code == 404
    for body in [
        {"prices": [{"code": product, "amount": 1, "store": network.store.gln}]},
        {"retailer": "one", "prices": [{"code": product, "amount": 1}]},
        {"prices": [{"code": "00417", "amount": 1}]},
    ]:
        assert (await stranger.post("/v1/prices", json=body)).status_code == 404
    assert (await with_key(network.brands[0].key).get(f"/v1/stores/{network.store.gln}/prices")).status_code == 404
    assert (await with_key(network.brands[0].key).post("/v1/prices", json={"prices": [{"code": product, "amount": 1}]})).status_code == 403
    assert owner.execute("select count(*) from price").fetchone() == before


async def test_a_till_reads_what_its_store_sells_and_changes_nothing(with_key: Person, network: Network) -> None:
    till = with_key(network.till.key)
    assert (await till.get(f"/v1/stores/{network.store.gln}/prices", params={"code": network.weighed.code})).json()["items"][0][
        "amount"
    ] == 1180
    assert (await till.get(f"/v1/products/{network.weighed.code}")).json()["name_en"] == "Loose apples"
    assert (await till.get(f"/v1/stores/{network.one.stores[1].gln}/prices")).status_code == 404
    assert (await till.put("/v1/products/X", json={"name_en": "x"})).status_code == 403
    assert (await till.post("/v1/products:import", files={"file": ("a.csv", b"x")})).status_code == 403


@pytest.mark.parametrize("form", [as_csv, as_xlsx])
async def test_a_list_is_tried_refused_and_imported_over_http(with_key: Person, network: Network, form: Callable[..., bytes]) -> None:
    client, files = with_key(network.one.key), {"file": ("list", form([HEADER, *ROWS]))}
    tried = await client.post("/v1/products:import", files=files)
    assert tried.status_code == 200
    assert [each["line"] for each in tried.json()["bad_rows"]] == [line for line, _ in EXPECTED]
    refused = await client.post("/v1/products:import?dry_run=false", files=files)
    assert refused.status_code == 422
    assert refused.json()["report"] == tried.json()
    done = await client.post("/v1/products:import?dry_run=false&accept_rest=true", files=files)
    assert done.json()["imported"]
    assert done.json()["products"]["created"] == 2


async def test_a_file_of_many_megabytes_is_read_and_a_larger_one_refused(with_key: Person, network: Network) -> None:
    client = with_key(network.one.key)
    rows = b"code,name\n" + b"".join(b"L-%d,%s\n" % (number, b"x" * 190) for number in range(30_000))
    answer = await client.post("/v1/products:import", files={"file": ("list.csv", rows)})
    assert answer.status_code == 200
    assert answer.json()["good"] == 30_000
    assert (await client.post("/v1/products:import", files={"file": ("list.csv", b"x" * 17 * 1024 * 1024)})).status_code == 413
    assert (await client.post("/v1/products:import", data={"file": "text"})).status_code == 400
