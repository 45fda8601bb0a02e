"""The catalogue's pages: names of others are only ever text, forms say what is wrong, imports are tried before they are written."""

import csv
import io
import itertools
from collections.abc import Callable
from typing import Any

import httpx
import psycopg

from hutong.catalog import ProductCodes
from hutong.kernel.gs1 import check_digit
from hutong.platform.database import Database
from tests.catalog.ledger import TOTALS, brand_totals, ring_up
from tests.catalog.test_importing import EXPECTED, HEADER, ROWS, as_csv
from tests.support.network import Network

Person = Callable[[str], httpx.AsyncClient]
SCRIPT = "<script>alert(1)</script>"


def gtin(body: str) -> str:
    return body + check_digit(body)


async def test_every_page_opens_in_both_languages_for_those_who_may(as_person: Person, network: Network) -> None:
    for login, lang in itertools.product(("operator", "office", "manager", "brand", "integrator"), ("en", "zh")):
        client = as_person(login)
        manages = login != "manager"
        for address in ["/catalog/products", f"/catalog/products/{network.products[0].id}", "/catalog/unregistered"]:
            answer = await client.get(address, params={"lang": lang})
            assert answer.status_code == 200, (login, lang, address, answer.text)
        for address in ["/catalog/products/new", "/catalog/import"]:
            assert (await client.get(address, params={"lang": lang})).status_code == (200 if manages else 403), (login, lang, address)


async def test_search_as_you_type_answers_the_list_alone(as_person: Person, network: Network) -> None:
    answer = await as_person("office").get("/catalog/products", params={"q": "云栖"}, headers={"HX-Request": "true"})
    assert "<html" not in answer.text
    assert answer.text.count("/catalog/products/") == 3


async def test_names_with_markup_are_shown_as_text_everywhere(as_person: Person, network: Network) -> None:
    client = as_person("office")
    made = await client.post("/catalog/products/new", data={"code": "X-1", "name_zh": SCRIPT, "name_en": SCRIPT})
    assert made.status_code == 303
    bad = as_csv([["货号", "名称", "品牌"], [SCRIPT, SCRIPT, SCRIPT]])
    pages = [
        await client.get(made.headers["location"]),
        await client.get("/catalog/products"),
        await client.get("/catalog/products", params={"q": SCRIPT}),
        await client.get("/catalog/products/new", params={"code": SCRIPT, "retailer": SCRIPT}),
        await client.post("/catalog/import", files={"file": ("x.csv", bad)}),
    ]
    for answer in pages:
        assert answer.status_code == 200
        assert SCRIPT not in answer.text
        assert "&lt;script&gt;" in answer.text


async def test_a_code_rung_up_unregistered_is_listed_and_registered_from_the_list(
    database: Database, as_person: Person, network: Network, owner: psycopg.Connection[Any]
) -> None:
    client, code, brand = as_person("office"), gtin("690990017777"), network.brands[0]
    wanted = [(network.one.id, code), (network.two.id, "T-9")]
    ids = await ProductCodes().ensure(database, wanted)
    ring_up(owner, network.store, [(ids[wanted[0]], code, 500), (ids[wanted[0]], code, 700)])
    ring_up(owner, network.two.stores[0], [(ids[wanted[1]], "T-9", 100)])

    listed = await client.get("/catalog/unregistered?lang=en")
    assert code in listed.text
    assert "¥12.00" in listed.text
    assert "T-9" not in listed.text
    wrong = await client.post("/catalog/products/new?lang=en", data={"code": code, "name_zh": "新茶", "brand": "beiya"})
    assert wrong.status_code == 422
    assert "company prefix belongs to another brand than beiya" in wrong.text
    right = await client.post("/catalog/products/new", data={"code": code, "name_zh": "新茶", "vat_rate": "13"})
    assert right.status_code == 303
    assert right.headers["location"].startswith(f"/catalog/products/{ids[wanted[0]]}")
    assert code not in (await client.get("/catalog/unregistered")).text
    assert brand_totals(owner, brand.id) == dict.fromkeys(TOTALS, (1200, 2, 2))


async def test_a_product_of_somebody_else_cannot_be_changed_by_its_page(
    as_person: Person, network: Network, owner: psycopg.Connection[Any]
) -> None:
    before = owner.execute("select name_zh from product order by id").fetchall()
    for login, product in [
        ("office-two", network.weighed),
        ("office", network.products[0]),
        ("brand-two", network.products[0]),
        ("brand", network.weighed),
    ]:
        answer = await as_person(login).post(f"/catalog/products/{product.id}", data={"name_zh": "改"})
        assert answer.status_code == 404, login
    assert (await as_person("office-two").get(f"/catalog/products/{network.weighed.id}")).status_code == 404
    assert (await as_person("manager").post(f"/catalog/products/{network.weighed.id}", data={"name_zh": "改"})).status_code == 403
    assert owner.execute("select name_zh from product order by id").fetchall() == before


async def test_prices_on_a_products_page_are_those_of_ones_own_retailers(as_person: Person, network: Network) -> None:
    address = f"/catalog/products/{network.products[0].id}?lang=en"
    assert "Wangyue" not in (await as_person("office").get(address)).text
    assert "Qingsong" in (await as_person("office").get(address)).text
    assert "No prices to see" in (await as_person("brand").get(address)).text


async def test_an_import_is_reported_by_line_and_reason_its_bad_rows_come_back_and_the_rest_goes_in(
    as_person: Person, network: Network, owner: psycopg.Connection[Any]
) -> None:
    client, files = as_person("office"), {"file": ("list.csv", as_csv([HEADER, *ROWS]))}
    tried = await client.post("/catalog/import?lang=en", files=files)
    assert tried.status_code == 200
    assert "Import the 3 good rows" in tried.text
    assert "The check digit of the barcode" in tried.text
    assert "导入" not in tried.text
    assert "校验码" in (await client.post("/catalog/import?lang=zh", files=files)).text
    assert owner.execute("select count(*) from product where code = 'K-7'").fetchone() == (0,)

    bad = await client.post("/catalog/import/bad-rows?lang=en", files=files)
    assert bad.headers["content-type"].startswith("text/csv")
    assert "attachment" in bad.headers["content-disposition"]
    rows = list(csv.reader(io.StringIO(bad.content.decode("utf-8-sig"))))
    assert len(rows) == 1 + len(EXPECTED)
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)

    done = await client.post("/catalog/import?lang=en&step=write", files=files)
    assert "3 rows are imported" in done.text
    assert owner.execute("select count(*) from product where code = 'K-7'").fetchone() == (1,)
    unreadable = await client.post("/catalog/import?lang=en", files={"file": ("x.png", b"\x89PNG\r\n\x1a\n")})
    assert unreadable.status_code == 200
    assert "notice bad" in unreadable.text
