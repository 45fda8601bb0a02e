"""Capture through the API: exactly once, each sale on its own, every total equal to its lines."""

import asyncio
import json
import random
from collections.abc import Callable
from datetime import timedelta
from itertools import product
from typing import Any

import httpx
import psycopg
import pytest

from hutong.kernel.clock import now
from hutong.kernel.ids import uuid7
from tests.sales.books import counts, differences
from tests.support.network import Network
from tests.support.sales import SHANGHAI, line, return_of, sale

Key = Callable[[str], httpx.AsyncClient]
Owner = psycopg.Connection[Any]


@pytest.fixture
def till(with_key: Key, network: Network) -> httpx.AsyncClient:
    return with_key(network.till.key)


@pytest.fixture
def integrator(with_key: Key, network: Network) -> httpx.AsyncClient:
    return with_key(network.one.key)


async def test_the_same_sale_twice_is_captured_once_and_answers_the_same(till: httpx.AsyncClient, network: Network, owner: Owner) -> None:
    document = sale(network)
    first = await till.post("/v1/sales", json=document)
    second = await till.post("/v1/sales", json=document)
    assert (first.status_code, second.status_code) == (201, 200), first.text
    assert first.json() == second.json()
    assert counts(owner) == (1, 2)
    assert differences(owner) == {}


async def test_another_spelling_of_the_same_sale_is_the_same_sale(till: httpx.AsyncClient, network: Network) -> None:
    document = sale(network)
    assert (await till.post("/v1/sales", json=document)).status_code == 201
    respelled = dict(reversed(list(document.items())))
    respelled["lines"] = [each | {"quantity": f"{each['quantity']}.000"} for each in document["lines"]]
    assert (await till.post("/v1/sales", json=respelled)).status_code == 200


async def test_the_same_id_with_other_content_is_refused_and_changes_nothing(
    till: httpx.AsyncClient, network: Network, owner: Owner
) -> None:
    document = sale(network)
    await till.post("/v1/sales", json=document)
    other = sale(network, [line(network.products[3])], id=document["id"])
    answer = await till.post("/v1/sales", json=other)
    assert (answer.status_code, answer.json()["code"]) == (409, "sale_differs")
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert counts(owner) == (1, 2)
    assert differences(owner) == {}


async def test_a_receipt_number_is_taken_once_a_till_and_day(till: httpx.AsyncClient, network: Network, owner: Owner) -> None:
    document = sale(network)
    await till.post("/v1/sales", json=document)
    answer = await till.post("/v1/sales", json=sale(network, receipt=document["receipt"]))
    assert (answer.status_code, answer.json()["code"]) == (409, "receipt_taken")
    assert counts(owner)[0] == 1
    assert (await till.post("/v1/sales", json=sale(network, receipt=document["receipt"], at=now() - timedelta(days=1)))).status_code == 201


async def test_a_bad_sale_in_a_batch_harms_no_neighbour(integrator: httpx.AsyncClient, network: Network, owner: Owner) -> None:
    known = sale(network)
    await integrator.post("/v1/sales", json=known)
    batch = [
        sale(network),
        sale(network, total=1),
        known,
        sale(network, id=known["id"]),
        sale(network, receipt=known["receipt"]),
        sale(network, store=network.two.stores[0]),
        {"id": "nonsense"},
        return_of(network, sale(network)),
        sale(network, till=network.one.stores[1].tills[0], store=network.one.stores[1]),
        sale(network, completed_at="2999-01-01T00:00:00+08:00"),
    ]
    answer = await integrator.post("/v1/sales:batch", json={"sales": batch})
    assert answer.status_code == 200
    outcomes = answer.json()["outcomes"]
    assert [each["status"] for each in outcomes] == [201, 422, 200, 422, 409, 404, 422, 422, 201, 422]
    assert outcomes[1]["problem"]["expected"] == batch[0]["total"]
    assert outcomes[9]["problem"]["code"] == "clock_ahead"
    assert outcomes[7]["problem"]["code"] == "original_unknown"
    assert counts(owner)[0] == 3
    assert differences(owner) == {}


async def test_many_at_once_share_commits_and_all_are_there_once(integrator: httpx.AsyncClient, network: Network, owner: Owner) -> None:
    documents = [sale(network, store=store, till=store.tills[0]) for store in network.one.stores for _ in range(40)]
    sent = documents + documents[:60]
    random.Random(7).shuffle(sent)
    answers = await asyncio.gather(*(integrator.post("/v1/sales", json=each) for each in sent))
    assert sorted({answer.status_code for answer in answers}) == [200, 201]
    assert sum(answer.status_code == 201 for answer in answers) == len(documents)
    assert counts(owner)[0] == len(documents)
    assert differences(owner) == {}
    row = owner.execute("select count(distinct captured_at) from sale").fetchone()
    assert row is not None
    assert row[0] < len(documents), "concurrent sales should have shared transactions"


async def test_returns_cannot_exceed_the_sale_also_not_in_parallel(till: httpx.AsyncClient, network: Network, owner: Owner) -> None:
    original = sale(network, [line(network.products[0], 3000), line(network.products[1])])
    assert (await till.post("/v1/sales", json=original)).status_code == 201
    one = original["lines"][0]
    single = one | {"quantity": "1", "amount": one["unit_price"], "original_line": 1}
    single["vat"] = round(single["amount"] * 13 / 113 + 1e-9)
    attempts = [
        sale(network, [single], kind="return", original=original["id"], tenders=[{"type": "cash", "amount": single["amount"]}])
        for _ in range(12)
    ]
    answers = await asyncio.gather(*(till.post("/v1/sales", json=each) for each in attempts))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [422] * 9, [each.text for each in answers]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 422} == {"return_exceeds_sale"}
    row = owner.execute("select quantity, amount from line_returned").fetchone()
    assert row is not None
    assert (row[0], row[1]) == (3, 3 * one["unit_price"])
    assert differences(owner) == {}
    again = await asyncio.gather(*(till.post("/v1/sales", json=each) for each in attempts))
    assert sorted(answer.status_code for answer in again) == [200] * 3 + [422] * 9


async def test_a_return_in_the_batch_of_its_sale_counts_against_it(integrator: httpx.AsyncClient, network: Network, owner: Owner) -> None:
    original = sale(network)
    answer = await integrator.post(
        "/v1/sales:batch", json={"sales": [original, return_of(network, original), return_of(network, original, [1])]}
    )
    assert sorted(each["status"] for each in answer.json()["outcomes"]) == [201, 201, 422]
    assert differences(owner) == {}


async def test_a_return_may_name_another_day_and_store(
    integrator: httpx.AsyncClient, as_person: Key, network: Network, owner: Owner
) -> None:
    original = sale(network, at=now() - timedelta(days=3))
    await integrator.post("/v1/sales", json=original)
    elsewhere = network.one.stores[2]
    back = return_of(network, original) | {"store": elsewhere.gln, "till": elsewhere.tills[0].code}
    assert (await integrator.post("/v1/sales", json=back)).status_code == 201
    for reader in (integrator, as_person("manager"), as_person("office")):
        read = (await reader.get(f"/v1/sales/{original['id']}")).json()
        assert [each["returned"] for each in read["lines"]] == ["1", "2"]
    assert differences(owner) == {}


async def test_another_retailers_sale_cannot_be_returned(with_key: Key, till: httpx.AsyncClient, network: Network, owner: Owner) -> None:
    original = sale(network)
    await till.post("/v1/sales", json=original)
    store = network.two.stores[0]
    back = return_of(network, original) | {"store": store.gln, "till": store.tills[0].code}
    answer = await with_key(network.two.key).post("/v1/sales", json=back)
    assert (answer.status_code, answer.json()["code"]) == (422, "original_unknown")


async def test_a_void_is_kept_and_counts_as_no_trade(till: httpx.AsyncClient, network: Network, owner: Owner) -> None:
    document = sale(network, kind="void", tenders=[])
    assert (await till.post("/v1/sales", json=document)).status_code == 201
    read = (await till.get(f"/v1/sales/{document['id']}")).json()
    assert (read["kind"], read["total"], len(read["lines"])) == ("void", document["total"], 2)
    row = owner.execute("select sum(value), sum(tickets), sum(voids) from store_minute").fetchone()
    assert row == (0, 0, 1)
    assert differences(owner) == {}


async def test_what_was_sent_is_what_is_read_back(till: httpx.AsyncClient, network: Network) -> None:
    document = sale(network, [line(network.products[0], 1234, 7), line(network.weighed, 555)], receipt='quo"te\\{,}null')
    assert (await till.post("/v1/sales", json=document)).status_code == 201
    read = (await till.get(f"/v1/sales/{document['id']}")).json()
    for field in ("id", "kind", "store", "till", "receipt", "business_date", "cashier", "total", "discount", "vat", "tenders", "change"):
        assert read[field] == document[field], field
    for stored, given in zip(read["lines"], document["lines"], strict=True):
        assert {field: stored[field] for field in given} == given


async def test_a_product_nobody_registered_is_captured_and_flagged(till: httpx.AsyncClient, network: Network, owner: Owner) -> None:
    unknown = line(network.products[0], code="4006381333931")
    house = line(network.products[0], code="LUNCH-7")
    document = sale(network, [unknown, house, line(network.products[1])])
    assert (await till.post("/v1/sales", json=document)).status_code == 201
    read = (await till.get(f"/v1/sales/{document['id']}")).json()
    assert [each["registered"] for each in read["lines"]] == [False, False, True]
    assert differences(owner) == {}


async def test_a_clock_that_is_ahead_is_told_by_how_much(till: httpx.AsyncClient, network: Network, owner: Owner) -> None:
    answer = await till.post("/v1/sales", json=sale(network, at=now() + timedelta(minutes=7)))
    assert answer.status_code == 422
    assert 415 <= answer.json()["ahead_seconds"] <= 420
    assert (await till.post("/v1/sales", json=sale(network, at=now() + timedelta(minutes=4), id=str(uuid7())))).status_code == 201


async def test_late_sales_land_on_their_own_date_and_history_needs_its_permission(with_key: Key, network: Network, owner: Owner) -> None:
    integrator, historian = with_key(network.one.key), with_key(network.one.history_key)
    late, ancient = now() - timedelta(days=9), now() - timedelta(days=900)
    assert (await integrator.post("/v1/sales", json=sale(network, at=late))).status_code == 201
    document = sale(network, at=ancient, id=str(uuid7(int(ancient.timestamp() * 1000))))
    refused = await integrator.post("/v1/sales", json=document)
    assert (refused.status_code, refused.json()["code"]) == (422, "too_late")
    assert (await historian.post("/v1/sales", json=document)).status_code == 201
    dates = {row[0] for row in owner.execute("select distinct business_date from sale")}
    assert dates == {at.astimezone(SHANGHAI).date() for at in (late, ancient)}
    assert differences(owner) == {}


async def test_a_till_cannot_speak_for_another_till_or_store(till: httpx.AsyncClient, network: Network, owner: Owner) -> None:
    other = network.one.stores[1]
    for document in (
        sale(network, store=other),
        sale(network, store=network.two.stores[0]),
        sale(network, till=other.tills[0]) | {"till": "zz"},
    ):
        answer = await till.post("/v1/sales", json=document)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_store")
    implied = sale(network)
    del implied["store"], implied["till"]
    assert (await till.post("/v1/sales", json=implied)).status_code == 201
    assert counts(owner)[0] == 1


async def test_an_integrators_new_till_is_registered_by_its_first_sale(
    integrator: httpx.AsyncClient, network: Network, owner: Owner
) -> None:
    document = sale(network) | {"till": "K-77"}
    assert (await integrator.post("/v1/sales", json=document)).status_code == 201
    row = owner.execute("select count(*) from till where code = 'K-77' and store_id = %s", [network.store.id]).fetchone()
    assert row == (1,)


async def test_pages_of_sales_hold_each_sale_once(integrator: httpx.AsyncClient, network: Network) -> None:
    documents = [sale(network, store=store, till=store.tills[0]) for store in network.one.stores for _ in range(5)]
    await integrator.post("/v1/sales:batch", json={"sales": documents})
    for filters in ({}, {"business_date": documents[0]["business_date"]}):
        seen: list[str] = []
        cursor = None
        while True:
            answer = (await integrator.get("/v1/sales", params=filters | {"limit": 4} | ({"cursor": cursor} if cursor else {}))).json()
            seen += [each["id"] for each in answer["sales"]]
            cursor = answer["next"]
            if cursor is None:
                break
        assert seen == sorted((each["id"] for each in documents), reverse=True)
    store = network.one.stores[1]
    only = (await integrator.get("/v1/sales", params={"store": store.gln})).json()["sales"]
    assert {each["store"] for each in only} == {store.gln}
    assert len(only) == 5


async def test_others_see_neither_the_sale_nor_that_there_is_one(
    with_key: Key, as_person: Key, till: httpx.AsyncClient, network: Network
) -> None:
    document = sale(network)
    await till.post("/v1/sales", json=document)
    for stranger in (
        with_key(network.two.key),
        with_key(network.brands[0].key),
        as_person("manager-2"),
        as_person("office-two"),
        as_person("nobody"),
    ):
        there = await stranger.get(f"/v1/sales/{document['id']}")
        absent = await stranger.get(f"/v1/sales/{uuid7()}")
        assert (there.status_code, absent.status_code) == (404, 404)
        assert (await stranger.get("/v1/sales", params={"store": network.store.gln})).status_code in (403, 404)
    for friend in (with_key(network.one.key), as_person("manager"), as_person("office"), as_person("operator")):
        assert (await friend.get(f"/v1/sales/{document['id']}")).status_code == 200


GARBAGE: list[tuple[bytes, int]] = [
    (b"", 400), (b"{", 400), (b"[]", 422), (b"null", 422), (b'"x"', 422), (b"\xff\xfe{}", 400), (b'{"id":"\xff"}', 400),
    (b"{}", 422), (b"[" * 100_000, 422), (b'{"sales": 1}', 422), ('{"id": "ü"}'.encode("latin-1"), 400),
]  # fmt: skip


async def test_garbage_gets_a_problem_document_and_writes_nothing(till: httpx.AsyncClient, owner: Owner) -> None:
    for path, (body, status) in product(("/v1/sales", "/v1/sales:batch"), GARBAGE):
        answer = await till.post(path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code in ({status, 422} if path.endswith("batch") else {status}), (path, body[:40], answer.text)
        assert answer.headers["content-type"].startswith("application/problem+json"), (path, body[:40])
        assert answer.json()["status"] == answer.status_code, (path, body[:40])
    assert counts(owner) == (0, 0)


async def test_rules_of_the_document_are_kept(till: httpx.AsyncClient, network: Network, owner: Owner) -> None:
    good = sale(network)
    wrong: list[dict[str, Any]] = [
        good | {"lines": []},
        good | {"lines": good["lines"] * 6_000},
        good | {"total": -1},
        good | {"total": 1.5},
        good | {"total": 10**30},
        good | {"receipt": "nul\u0000"},
        good | {"receipt": ""},
        good | {"receipt": "x" * 33},
        good | {"surprise": 1},
        good | {"completed_at": "2026-11-22T10:00:00"},
        good | {"business_date": "0001-01-01"},
        good | {"business_date": "9999-12-31"},
        good | {"id": "5b8a4e1e-6f3e-4a7c-9a53-0d8f0b6f4c11"},
        good | {"id": str(uuid7(1))},
        good | {"id": str(uuid7(2**47))},
        good | {"kind": "gift"},
        good | {"original": str(uuid7())},
        good | {"lines": [line(network.products[0], quantity="NaN")]},
        good | {"tenders": [{"type": "alipay", "amount": good["total"] - 1}]},
        good | {"tenders": []},
        good | {"change": 1},
    ]
    for document in wrong:
        answer = await till.post("/v1/sales", content=json.dumps(document), headers={"content-type": "application/json"})
        assert answer.status_code in (413, 422), (answer.status_code, answer.text[:200])
        assert answer.json()["detail"]
    assert counts(owner) == (0, 0)


async def test_duplicate_keys_in_the_json_do_not_smuggle_anything(till: httpx.AsyncClient, network: Network, owner: Owner) -> None:
    body = json.dumps(sale(network))
    doubled = body[:-1] + ', "total": 1}'
    assert (await till.post("/v1/sales", content=doubled, headers={"content-type": "application/json"})).status_code == 422
    assert counts(owner) == (0, 0)


async def test_two_retailers_may_use_the_same_id_and_neither_mixes_with_the_other(
    with_key: Key, as_person: Key, network: Network, owner: Owner
) -> None:
    one, store = sale(network), network.two.stores[0]
    two = sale(network, [line(network.products[5])], store=store, id=one["id"])
    assert (await with_key(network.one.key).post("/v1/sales", json=one)).status_code == 201
    assert (await with_key(network.two.key).post("/v1/sales", json=two)).status_code == 201
    both = (await as_person("operator").get("/v1/sales")).json()["sales"]
    assert sorted(len(each["lines"]) for each in both) == [1, 2]
    assert (await with_key(network.two.key).get(f"/v1/sales/{one['id']}")).json()["total"] == two["total"]
    assert differences(owner) == {}


async def test_a_file_of_faults_keeps_no_till_waiting(
    integrator: httpx.AsyncClient, till: httpx.AsyncClient, network: Network, owner: Owner
) -> None:
    faulty = [return_of(network, sale(network)) for _ in range(600)]
    file = asyncio.create_task(integrator.post("/v1/sales:batch", json={"sales": [*faulty, sale(network)]}))
    await asyncio.sleep(0)
    for _ in range(5):
        assert (await till.post("/v1/sales", json=sale(network))).status_code == 201
    assert not file.done(), "the file was judged before the tills' sales were captured"
    outcomes = (await file).json()["outcomes"]
    assert [each["status"] for each in outcomes] == [422] * 600 + [201]
    assert counts(owner)[0] == 6
    assert differences(owner) == {}


async def test_a_sale_is_a_sign_of_its_tills_life(app: Any, till: httpx.AsyncClient, network: Network, owner: Owner) -> None:
    await till.post("/v1/sales", json=sale(network))
    await app.state.intake.write_signs_of_life()
    seen = dict(owner.execute("select id, last_seen_at is not null and last_seen_at > now() - interval '1 minute' from till").fetchall())
    assert seen.pop(network.till.id)
    assert not any(seen.values())
