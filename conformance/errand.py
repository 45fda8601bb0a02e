"""The errand that every foreign client runs with the sandbox: pay, ask, refund, cancel, show a QR code, split, fetch the bill.

A driver gives ``call(method, business, notify_url)``, which answers the node once its client has verified the signature and raises
where the client refuses the answer, and ``genuine(form)``, by which its client judges a notification. Nothing here knows of hutong; it runs in the foreign client's own environment.
"""

import http.server
import io
import json
import sys
import threading
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


class Sandbox:
    """The operator's side."""

    def __init__(self, url):
        self.url = url

    def ask(self, method, path, body=None):
        """Ask the operator's API."""
        data = None if body is None else json.dumps(body).encode()
        with _open(urllib.request.Request(self.url + "/admin" + path, data, method=method), timeout=60) as answer:
            return json.loads(answer.read())

    def person(self, **fields):
        """A new customer's id."""
        return self.ask("POST", "/people", fields)["id"]

    def code(self, person):
        """What the customer's wallet shows."""
        return self.ask("POST", f"/people/{person}/code", {})["code"]


def run(sandbox, call, genuine, prefix):
    """Go through everything; answers how many answers were verified. Raises AssertionError where one is not as it should be."""
    calls = []

    def ask(method, business, notify_url=None):
        node = call(method, business, notify_url)
        calls.append(method)
        return node

    payments(sandbox, ask, prefix)
    refunds_and_cancels(sandbox, ask, prefix)
    qr(sandbox, ask, prefix)
    splits(sandbox, ask, prefix)
    notifications(sandbox, ask, genuine, prefix)
    forgery(sandbox, call)
    bill(sandbox, ask)
    print(json.dumps({"verified": len(calls), "methods": sorted(set(calls))}))
    return len(calls)


def expect(node, **fields):
    """Each field is as it should be."""
    wrong = {name: (node.get(name), value) for name, value in fields.items() if node.get(name) != value}
    assert not wrong, f"is, should be: {wrong} in {node}"


def pay(sandbox, ask, number, amount, person, **more):
    """Pay by the person's code."""
    business = {"out_trade_no": number, "total_amount": amount, "subject": "豆浆 油条 {大}", "scene": "bar_code", "store_id": "0017"}
    return ask("alipay.trade.pay", business | {"auth_code": sandbox.code(person)} | more)


def payments(sandbox, ask, prefix):
    """Paid, waiting, refused, unknown."""
    person = sandbox.person(balance=50_000, password_above=20_000)
    node = pay(sandbox, ask, f"{prefix}1", "88.88", person)
    expect(node, code="10000", total_amount="88.88", receipt_amount="88.88", out_trade_no=f"{prefix}1")
    expect(ask("alipay.trade.query", {"out_trade_no": f"{prefix}1"}), code="10000", trade_status="TRADE_SUCCESS", trade_no=node["trade_no"])
    expect(ask("alipay.trade.query", {"out_trade_no": f"{prefix}none"}), code="40004", sub_code="ACQ.TRADE_NOT_EXIST")
    waits = pay(sandbox, ask, f"{prefix}2", "300.00", person)
    expect(waits, code="10003")
    expect(ask("alipay.trade.query", {"out_trade_no": f"{prefix}2"}), trade_status="WAIT_BUYER_PAY")
    sandbox.ask("POST", f"/trades/{waits['trade_no']}/approve", {})
    expect(ask("alipay.trade.query", {"out_trade_no": f"{prefix}2"}), trade_status="TRADE_SUCCESS")
    expect(pay(sandbox, ask, f"{prefix}3", "199.99", person), code="40004", sub_code="ACQ.BUYER_BALANCE_NOT_ENOUGH")


def refunds_and_cancels(sandbox, ask, prefix):
    """In part, again, whole, and by cancel."""
    refund = {"out_trade_no": f"{prefix}1", "refund_amount": "8.88", "out_request_no": "r1", "refund_reason": "退/换"}
    expect(ask("alipay.trade.refund", refund), code="10000", fund_change="Y", refund_fee="8.88")
    expect(ask("alipay.trade.refund", refund), code="10000", fund_change="N", refund_fee="8.88")
    found = ask("alipay.trade.fastpay.refund.query", {"out_trade_no": f"{prefix}1", "out_request_no": "r1"})
    expect(found, refund_status="REFUND_SUCCESS", refund_amount="8.88")
    expect(ask("alipay.trade.cancel", {"out_trade_no": f"{prefix}2"}), code="10000", action="refund", retry_flag="N")
    unseen = ask("alipay.trade.cancel", {"out_trade_no": f"{prefix}unseen"})
    expect(unseen, code="10000", action=None)
    expect(ask("alipay.trade.query", {"out_trade_no": f"{prefix}2"}), trade_status="TRADE_CLOSED")


def qr(sandbox, ask, prefix):
    """A code that is scanned and approved, and one that is closed."""
    order = {"out_trade_no": f"{prefix}q", "total_amount": "12.30", "subject": "早餐"}
    code = ask("alipay.trade.precreate", order)["qr_code"]
    person = sandbox.person(balance=5_000)
    trade = sandbox.ask("POST", f"/people/{person}/scan", {"qr_code": code})
    sandbox.ask("POST", f"/trades/{trade['trade_no']}/approve", {})
    expect(ask("alipay.trade.query", {"out_trade_no": f"{prefix}q"}), trade_status="TRADE_SUCCESS", total_amount="12.30")
    made = ask("alipay.trade.create", order | {"out_trade_no": f"{prefix}c", "buyer_id": person})
    expect(ask("alipay.trade.close", {"trade_no": made["trade_no"]}), code="10000")


def splits(sandbox, ask, prefix):
    """A receiver is bound and gets a part."""
    receiver = {"type": "userId", "account": "2088123412341234", "name": "牌", "memo": "货款"}
    expect(ask("alipay.trade.royalty.relation.bind", {"out_request_no": f"{prefix}b", "receiver_list": [receiver]}), result_code="SUCCESS")
    person = sandbox.person(balance=50_000)
    trade = pay(sandbox, ask, f"{prefix}s", "100.00", person, extend_params={"royalty_freeze": "true"})["trade_no"]
    sandbox.ask("POST", "/clock", {"advance": 31})
    part = {"royalty_type": "transfer", "trans_in_type": "userId", "trans_in": "2088123412341234", "amount": "20.00", "desc": "货款"}
    settled = ask("alipay.trade.order.settle", {"trade_no": trade, "out_request_no": f"{prefix}o", "royalty_parameters": [part]})
    expect(settled, code="10000", trade_no=trade)
    details = ask("alipay.trade.order.settle.query", {"trade_no": trade, "out_request_no": f"{prefix}o"})["royalty_detail_list"]
    assert [(each["trans_in"], each["amount"], each["state"]) for each in details] == [("2088123412341234", "20.00", "SUCCESS")], details


def notifications(sandbox, ask, genuine, prefix):
    """A payment's notification is genuine, and not once anything in it was changed."""
    arrived = []

    class Address(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            arrived.append(dict(urllib.parse.parse_qsl(body, keep_blank_values=True)))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"success")

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Address)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    business = {"out_trade_no": f"{prefix}n", "total_amount": "5.00", "subject": "早餐", "scene": "bar_code"}
    business["auth_code"] = sandbox.code(sandbox.person(balance=5_000))
    ask("alipay.trade.pay", business, f"http://127.0.0.1:{server.server_port}/notify")
    sandbox.ask("POST", "/clock", {"advance": 1})
    server.shutdown()
    assert [form["trade_status"] for form in arrived] == ["TRADE_SUCCESS"], arrived
    assert genuine(dict(arrived[0]))
    assert not genuine(arrived[0] | {"total_amount": "0.01"})


def forgery(sandbox, call):
    """An answer with a wrong signature is refused: without this, verified would mean nothing."""
    sandbox.ask("POST", "/faults", {"kind": "bad_signature", "times": 1})
    try:
        node = call("alipay.trade.query", {"out_trade_no": "nobodys"}, None)
    except Exception as refused:
        print(f"a forged answer is refused: {type(refused).__name__}")
    else:
        raise AssertionError(f"the client believed a forged answer: {node}")
    finally:
        sandbox.ask("DELETE", "/faults")


def bill(sandbox, ask):
    """The day's bill, fetched and unpacked."""
    day = sandbox.ask("GET", "/clock")["now"]
    hours = (24 - (int(day[11:13]) + 8) % 24) + 10
    beijing_day = sandbox.ask("GET", "/trades?limit=1")[0]["trade_no"][:8]
    sandbox.ask("POST", "/clock", {"advance": hours * 3600})
    text = f"{beijing_day[:4]}-{beijing_day[4:6]}-{beijing_day[6:]}"
    node = ask("alipay.data.dataservice.bill.downloadurl.query", {"bill_type": "trade", "bill_date": text})
    with _open(node["bill_download_url"], timeout=30) as answer:
        archive = zipfile.ZipFile(io.BytesIO(answer.read()))
    tables = [archive.read(each).decode("gb18030") for each in archive.namelist()]
    assert any("交易合计" in table and "退款合计" in table for table in tables)


def configuration():
    """What the runner wrote for this driver."""
    with Path(sys.argv[1]).open(encoding="utf-8") as file:
        return json.load(file)
