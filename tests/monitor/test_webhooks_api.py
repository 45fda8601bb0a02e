"""Webhooks by API and by page: who may do what, what is shown once, what is refused, and that a stranger's answer is 404."""

import re
from typing import Any
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute

from hutong.kernel.ids import uuid7
from hutong.monitor.webhooks.api import router as api
from hutong.monitor.webhooks.model import MOST_WEBHOOKS
from hutong.monitor.webhooks.pages import router as pages
from tests.monitor.webhooking import statuses, subscribe

HOOK = "https://8.8.8.8/in"  # an address, so that no name server is asked


@pytest.fixture
def office(as_person):
    return as_person("office")


async def made(client, **changes):
    answer = await client.post("/v1/webhooks", json={"url": HOOK, "kinds": ["sale.captured"]} | changes)
    assert answer.status_code == 201, answer.text
    return answer.json()


def dead(owner, webhook, count=1, status="dead"):
    ids = [str(uuid7()) for _ in range(count)]
    for each in ids:
        owner.execute(
            """insert into webhook_delivery (id, webhook_id, retailer_id, brand_id, kind, payload, status, attempts, last_error, last_status)
               select %s, id, retailer_id, brand_id, 'sale.captured', '{"a":1}', %s, 8, 'It answered with an error.', 500 from webhook where id = %s""",
            [each, status, webhook],
        )
    return ids


async def test_a_webhook_is_made_and_its_secret_shown_this_once(office, owner):
    webhook = await made(office)
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", webhook["secret"])
    assert (webhook["retailer"], webhook["brand"], webhook["enabled"]) == ("one", None, True)
    read = (await office.get(f"/v1/webhooks/{webhook['id']}")).json()
    assert "secret" not in read and read == {key: value for key, value in webhook.items() if key != "secret"}
    assert webhook["secret"] not in (await office.get("/v1/webhooks")).text
    assert webhook["secret"] not in owner.execute("select coalesce(string_agg(detail::text, ''), '') from audit").fetchone()[0]
    assert owner.execute("select action from audit where action like 'webhook%'").fetchall() == [("webhook.create",)]


async def test_it_is_changed_switched_off_and_on_and_deleted(office, owner):
    webhook = await made(office)
    address = f"/v1/webhooks/{webhook['id']}"
    changed = (await office.patch(address, json={"url": "https://1.1.1.1:8443/x", "kinds": ["product.registered"]})).json()
    assert (changed["url"], changed["kinds"]) == ("https://1.1.1.1:8443/x", ["product.registered"])
    off = (await office.patch(address, json={"enabled": False})).json()
    assert (off["enabled"], off["disabled_reason"]) == (False, "owner")
    assert (await office.post(f"{address}/ping")).json()["code"] == "webhook_off"
    assert (await office.patch(address, json={"enabled": True})).json()["enabled"] is True
    assert (await office.delete(address)).status_code == 204
    assert (await office.get(address)).status_code == (await office.delete(address)).status_code == 404
    assert (await office.get("/v1/webhooks")).json() == {"items": [], "next_cursor": None}
    assert owner.execute("select secret from webhook").fetchone() == ("",)


async def test_a_new_secret_leaves_the_old_one_signing_for_a_day(office, owner):
    webhook = await made(office)
    rotated = (await office.post(f"/v1/webhooks/{webhook['id']}/secret")).json()
    assert rotated["secret"] != webhook["secret"]
    assert owner.execute("select secret, previous_secret from webhook").fetchone() == (rotated["secret"], webhook["secret"])
    assert (await office.get(f"/v1/webhooks/{webhook['id']}")).json()["previous_secret_until"]


FORBIDDEN = (
    "http://8.8.8.8/", "https://127.0.0.1/", "https://10.0.0.1:8443/", "https://169.254.169.254/latest", "https://[::1]/", "https://2130706433/", "https://localhost/",
    "https://user:pass@8.8.8.8/", "https://8.8.8.8:22/", "https://no-such-name.invalid/", "nonsense",
)  # fmt: skip


async def test_an_address_that_may_not_be_called_is_refused_when_made_and_when_changed(office, owner):
    for url in FORBIDDEN:
        answer = await office.post("/v1/webhooks", json={"url": url, "kinds": ["sale.captured"]})
        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "webhook_address", "url"), url
    assert owner.execute("select count(*) from webhook").fetchone() == (0,)
    webhook = await made(office)
    for url in FORBIDDEN:
        assert (await office.patch(f"/v1/webhooks/{webhook['id']}", json={"url": url})).status_code == 422, url
    assert owner.execute("select url from webhook").fetchone() == (HOOK,)


SAYING_SOMETHING_ELSE: tuple[dict[str, Any], ...] = (
    {"url": HOOK}, {"url": HOOK, "kinds": []}, {"url": HOOK, "kinds": ["sale.deleted"]}, {"kinds": ["sale.captured"]}, {"url": HOOK, "kinds": ["sale.captured"], "secret": "x"},
    {"url": HOOK, "kinds": ["sale.captured"], "retailer": "one", "brand": "yunqi"},
)  # fmt: skip


async def test_a_body_that_says_something_else_is_refused(office):
    for body in SAYING_SOMETHING_ELSE:
        assert (await office.post("/v1/webhooks", json=body)).status_code == 422, body


async def test_a_retailer_or_brand_of_others_answers_as_one_that_is_not_there(office, as_person):
    for where in ({"retailer": "two"}, {"retailer": "absent"}, {"brand": "yunqi"}, {"brand": "absent"}):
        answer = await office.post("/v1/webhooks", json={"url": HOOK, "kinds": ["sale.captured"]} | where)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await made(as_person("brand")))["brand"] == "yunqi"
    operator = as_person("operator")
    assert (await operator.post("/v1/webhooks", json={"url": HOOK, "kinds": ["sale.captured"]})).status_code == 422
    assert (await made(operator, retailer="two"))["retailer"] == "two"


async def test_there_are_only_so_many(office, owner, network):
    for _ in range(MOST_WEBHOOKS):
        subscribe(owner, HOOK, retailer=network.one.id)
    answer = await office.post("/v1/webhooks", json={"url": HOOK, "kinds": ["sale.captured"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_webhooks")


async def test_the_dead_list_is_read_in_pages_and_replayed_one_all_and_since(office, owner, network):
    webhook, _ = subscribe(owner, HOOK, retailer=network.one.id)
    address = f"/v1/webhooks/{webhook}"
    ids, arrived = sorted(dead(owner, webhook, 5)), dead(owner, webhook, 2, "delivered")
    first = (await office.get(f"{address}/deliveries?status=dead&limit=3")).json()
    second = (await office.get(f"{address}/deliveries?status=dead&limit=3&cursor={first['next_cursor']}")).json()
    assert [each["id"] for each in first["items"] + second["items"]] == ids[::-1] and second["next_cursor"] is None
    assert first["items"][0]["last_error"] == "It answered with an error." and first["items"][0]["next_at"] is None
    assert (await office.get(f"{address}/deliveries/{ids[0]}")).json()["payload"] == '{"a":1}'
    assert (await office.post(f"{address}/deliveries/{ids[0]}/replay")).status_code == 202
    assert statuses(owner) == {"dead": 4, "delivered": 2, "pending": 1}
    assert (await office.post(f"{address}/replay", json={})).json() == {"replayed": 4, "more": False}
    assert statuses(owner) == {"delivered": 2, "pending": 5}
    assert (await office.post(f"{address}/replay", json={"delivered": True})).status_code == 422
    since = {"since": "2099-01-01T00:00:00Z", "delivered": True}
    assert (await office.post(f"{address}/replay", json=since)).json()["replayed"] == 0
    answer = await office.post(f"{address}/replay", json={"since": "2024-01-01T00:00:00+08:00", "delivered": True})
    assert answer.json()["replayed"] == len(arrived)
    assert statuses(owner) == {"pending": 7}
    assert owner.execute("select distinct attempts from webhook_delivery").fetchall() == [(0,)]


async def test_a_ping_makes_a_delivery(office, owner):
    webhook = await made(office)
    delivery = (await office.post(f"/v1/webhooks/{webhook['id']}/ping")).json()["delivery"]
    shown = (await office.get(f"/v1/webhooks/{webhook['id']}/deliveries")).json()["items"]
    assert [(each["id"], each["kind"], each["status"]) for each in shown] == [(delivery, "ping", "pending")]


def calls(webhook, delivery):
    """Every route of webhooks, with a webhook's and a delivery's id in it."""
    for route in (*api.routes, *pages.routes):
        assert isinstance(route, APIRoute)
        for method in route.methods:
            yield method, route.path.format(webhook_id=webhook, delivery_id=delivery), "{" in route.path


BODIES = {"PATCH": {"url": HOOK, "enabled": False}}


async def test_a_stranger_meets_404_at_every_route_and_changes_nothing(as_person, owner, network):
    webhook, _ = subscribe(owner, HOOK, retailer=network.one.id)
    brands, _ = subscribe(owner, HOOK, brand=network.brands[0].id)
    own = {webhook: dead(owner, webhook)[0], brands: dead(owner, brands)[0]}
    before = owner.execute("select array_agg(w::text order by id) from webhook w").fetchone(), owner.execute("select array_agg(d::text order by id) from webhook_delivery d").fetchone()  # fmt: skip
    for login in ("office-two", "brand-two", "manager", "cashier", "nobody"):
        client = as_person(login)
        for target, delivery in own.items():
            for method, path, named in calls(target, delivery):
                form = {"data": {"url": HOOK, "kinds": "sale.captured", "place": f"retailer:{network.one.id}"}} if not path.startswith("/v1") else {"json": BODIES.get(method, {})}  # fmt: skip
                answer = await client.request(method, path, **(form if method in ("POST", "PATCH") else {}))
                if named:
                    assert answer.status_code in (403, 404), (login, method, path, answer.status_code)
                    if login in ("office-two", "brand-two"):
                        assert answer.status_code == 404, (login, method, path)
                assert str(target) not in re.sub(r'"instance":"[^"]*"|/webhooks/[0-9a-f-]*', "", answer.text), (login, method, path)
    after = owner.execute("select array_agg(w::text order by id) from webhook w").fetchone(), owner.execute("select array_agg(d::text order by id) from webhook_delivery d").fetchone()  # fmt: skip
    assert after == before


async def test_nobody_signed_in_is_let_in(client, owner, network):
    webhook, _ = subscribe(owner, HOOK, retailer=network.one.id)
    for method, path, _ in calls(webhook, uuid4()):
        answer = await client.request(method, path, json={})
        assert answer.status_code in (303, 401, 403), (method, path)


async def test_a_key_needs_the_permission(with_key, network):
    assert (await with_key(network.one.key).get("/v1/webhooks")).status_code == 403
    assert (await with_key(network.till.key).get("/v1/webhooks")).status_code == 403


async def test_the_pages_show_the_secret_once_the_list_and_what_was_sent(as_person, owner, network):
    office = as_person("office")
    assert "No webhooks yet" in (await office.get("/webhooks")).text
    form = {"url": HOOK, "place": f"retailer:{network.one.id}", "kinds": "sale.captured"}
    page = await office.post("/webhooks", data=form)
    assert page.status_code == 200 and "whsec_" in page.text and page.headers["cache-control"] == "no-store"
    [(webhook,)] = owner.execute("select id from webhook").fetchall()
    assert HOOK in (await office.get("/webhooks")).text
    address = f"/webhooks/{webhook}"
    assert "whsec_" not in (await office.get(address)).text and "Nothing here yet" in (await office.get(address)).text
    [delivery] = dead(owner, webhook)
    shown = (await office.get(f"{address}?status=dead")).text
    assert delivery in shown and "It answered with an error." in shown and "500" in shown
    for path, data in (
        (f"{address}/replay", {"delivery": delivery}),
        (f"{address}/ping", {}),
        (f"{address}/off", {}),
        (f"{address}/on", {}),
        (address, form),
    ):
        answer = await office.post(path, data=data)
        assert answer.status_code == 303, (path, answer.text)
        assert (await office.get(answer.headers["location"])).status_code == 200
    assert statuses(owner) == {"pending": 2}
    assert "whsec_" in (await office.post(f"{address}/secret")).text
    assert (await office.post(f"{address}/delete")).headers["location"] == "/webhooks?done=deleted"


@pytest.mark.parametrize(
    "data",
    [{"url": "https://127.0.0.1/", "kinds": "sale.captured"}, {"url": HOOK}, {"url": HOOK, "kinds": "sale.captured", "place": "moon:1"}],
)
async def test_a_form_that_cannot_be_accepted_comes_back_with_the_reason(office, network, data):
    page = await office.post("/webhooks", data={"place": f"retailer:{network.one.id}"} | data)
    assert page.status_code == 422 and 'role="alert"' in page.text and data["url"] in page.text


async def test_the_pages_speak_chinese(office, owner, network):
    webhook, _ = subscribe(owner, HOOK, retailer=network.one.id)
    dead(owner, webhook)
    page = (await office.get(f"/webhooks/{webhook}?lang=zh")).text
    assert "对方返回了错误。" in page and "已放弃" in page
    assert "新建推送" in (await office.get("/webhooks")).text
