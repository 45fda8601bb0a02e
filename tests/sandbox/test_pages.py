"""The wallet's pages: what people see and do there, in both languages, and what nobody else can do through them."""

import re

import httpx
import pytest

from tests.sandbox.merchant import Merchant
from tests.support.browser import chromium
from tests.support.sandbox import RunningSandbox


@pytest.fixture
def browser(sandbox: RunningSandbox) -> httpx.Client:
    with httpx.Client(base_url=sandbox.url, trust_env=False, headers={"accept-language": "en"}, follow_redirects=True) as made:
        yield made


def test_a_person_shows_a_code_pays_with_the_password_and_sees_the_receipt_and_the_refund(
    sandbox: RunningSandbox, merchant: Merchant, browser: httpx.Client, number: str
) -> None:
    person = sandbox.person(name="林小满", balance=90_000, password_above=1_000, password="135790")
    assert person in browser.get("/wallet").text
    home = browser.get(f"/wallet/p/{person}").text
    code = re.search(r'data-code="(\d{18})"', home)[1]
    assert browser.get(f"/wallet/code.svg?text={code}").text.startswith("<?xml")
    before = browser.get(f"/wallet/p/{person}/state").text
    trade = merchant.pay(number, "60.00", code)["trade_no"]
    assert browser.get(f"/wallet/p/{person}/state").text != before
    assert f"/trade/{trade}" in browser.get(f"/wallet/p/{person}").text
    page = f"/wallet/p/{person}/trade/{trade}"
    wrong = browser.post(page, data={"answer": "approve", "password": "0"})
    assert wrong.status_code == 409 and "The password is wrong." in wrong.text
    assert sandbox.people()[person]["balance"] == 90_000
    assert "waits for you" not in browser.post(page, data={"answer": "approve", "password": "135790"}).text
    assert sandbox.people()[person]["balance"] == 84_000
    merchant.refund(number, "20.00", "r1")
    assert "partly paid back" in browser.get(page).text and "¥20.00" in browser.get(page).text
    assert trade in browser.get(f"/wallet/p/{person}/receipts").text


def test_scanning_declining_signing_and_ending(sandbox: RunningSandbox, merchant: Merchant, browser: httpx.Client, number: str) -> None:
    person = sandbox.person(balance=90_000)
    scan = f"/wallet/p/{person}/scan"
    qr = merchant.call("alipay.trade.precreate", {"out_trade_no": number, "total_amount": "5.00", "subject": "S"})["qr_code"]
    opened = browser.post(scan, data={"text": qr})
    assert "/trade/" in opened.url.path
    assert "not paid" in browser.post(opened.url.path, data={"answer": "decline"}).text
    frozen = {"out_order_no": number, "out_request_no": "f", "order_title": "T", "amount": "9.00", "product_code": "PREAUTH_PAY"}
    opened = browser.post(scan, data={"text": merchant.call("alipay.fund.auth.order.voucher.create", frozen)["code_value"]})
    assert "Still frozen" in browser.post(opened.url.path, data={"answer": "approve", "password": "246810"}).text
    business = {"personal_product_code": "GENERAL_WITHHOLDING_P", "external_agreement_no": number, "access_params": {"channel": "QRCODE"}}
    sign = merchant.call("alipay.user.agreement.page.sign", business)["pageRedirectionData"]
    assert browser.post(scan, data={"text": sign}).url.path.startswith("/wallet/sign/")
    assert "signed" in browser.post(sign, data={"person": person, "password": "246810"}).text
    token = sign.rpartition("/")[2]
    assert token in browser.get(f"/wallet/p/{person}/agreements").text
    assert "no longer valid" in browser.post(f"/wallet/p/{person}/agreements/{token}/end").text
    assert browser.post(scan, data={"text": "nonsense"}).status_code == 409


def test_pages_are_strict_escape_what_merchants_write_and_speak_chinese(
    sandbox: RunningSandbox, merchant: Merchant, browser: httpx.Client, number: str
) -> None:
    person = sandbox.person(name="<script>alert(1)</script>")
    trade = merchant.pay(number, "5.00", sandbox.code(person), subject='<img src=x onerror="a()">'.replace("=", "").replace("/", ""))
    page = browser.get(f"/wallet/p/{person}/trade/{trade['trade_no']}")
    assert "<script>alert" not in page.text and "&lt;img src" in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert not re.search(r"<script(?![^>]* src=)|\sstyle=|\son\w+=", browser.get(f"/wallet/p/{person}").text)
    assert "付款成功" in browser.get(page.url.path, params={"lang": "zh"}).text


def test_nobody_acts_for_another_or_from_another_site(
    sandbox: RunningSandbox, merchant: Merchant, browser: httpx.Client, number: str
) -> None:
    person, stranger = sandbox.person(password_above=0), sandbox.person()
    trade = merchant.pay(number, "5.00", sandbox.code(person))["trade_no"]
    assert browser.post(f"/wallet/p/{stranger}/trade/{trade}", data={"answer": "approve", "password": "246810"}).status_code == 404
    page, form = f"/wallet/p/{person}/trade/{trade}", {"answer": "approve", "password": "246810"}
    assert browser.post(page, data=form, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert merchant.query(number)["trade_status"] == "WAIT_BUYER_PAY"
    assert browser.get("/wallet/p/nobody").status_code == browser.get("/wallet/sign/none").status_code == 404


def test_the_operator_is_whoever_sits_at_the_machine(sandbox: RunningSandbox, browser: httpx.Client) -> None:
    assert browser.post("/wallet/operate", data={"plug": "pull"}).status_code == 200
    assert sandbox.ask("GET", "/plug")["plugged"] is False and "unplugged" in browser.get("/wallet").text
    browser.post("/wallet/operate", data={"plug": "put"})
    assert sandbox.ask("GET", "/plug")["plugged"] is True
    for headers in ({"host": "wallet.example.com"}, {"sec-fetch-site": "cross-site"}):
        assert browser.get("/admin/people", headers=headers).status_code == 403
        assert browser.post("/wallet/operate", data={"plug": "pull"}, headers=headers).status_code == 403
    assert sandbox.ask("GET", "/plug")["plugged"] is True


@pytest.mark.slow
def test_the_page_renews_itself_in_a_browser_and_breaks_no_rule(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    from playwright.sync_api import sync_playwright

    person, said = sandbox.person(name="周一鸣", balance=90_000, password_above=2_000), []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 320, "height": 700}, locale="en-GB")
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(f"{sandbox.url}/wallet/p/{person}")
        merchant.pay(number, "30.00", page.get_attribute("[data-code]", "data-code"))
        page.click("ul.urgent a", timeout=10_000)
        page.fill("#password", "246810")
        page.click("button.main")
        page.wait_for_selector(".tag.good")
        merchant.refund(number, "10.00", "r1")
        page.wait_for_selector(".tag.back", timeout=10_000)
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        page.goto(f"{sandbox.url}/wallet/p/{person}")
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        browser.close()
    assert said == []
