"""The switches and kinds of faults: all explained, all in the guide, all tried by some test, and refused where they are wrong."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hutong.sandbox.faults import KINDS
from hutong.sandbox.switches import Switches, change, explained, of_texts
from tests.sandbox.merchant import Merchant
from tests.support.sandbox import RunningSandbox

HERE = Path(__file__).parent
GUIDE = HERE.parents[1] / "docs" / "sandbox.md"


def test_the_command_explains_every_switch() -> None:
    from hutong.cli.main import build

    said = CliRunner().invoke(build(), ["sandbox", "alipay", "--explain"], env={"COLUMNS": "200"})
    assert said.exit_code == 0
    assert [name for name in Switches.__struct_fields__ if name not in said.output] == []


def test_the_guide_has_every_switch_and_fault_as_it_is() -> None:
    text = GUIDE.read_text()
    missing = [f"| `{name}` | {default} | {meaning} |" for name, default, meaning in explained()]
    missing += [f"| `{kind}` | {meaning} |" for kind, meaning in KINDS.items()]
    assert [line for line in missing if line not in text] == []


def test_every_switch_and_fault_is_tried() -> None:
    tests = "".join(path.read_text() for path in HERE.glob("test_*.py"))
    assert [name for name in (*Switches.__struct_fields__, *KINDS) if tests.count(name) == 0] == []


@pytest.mark.parametrize("text", ["code_seconds=0", "code_seconds=soon", "nobody=1", "payer_named_by=face", "fee_rate=10001"])
def test_a_wrong_value_is_refused_and_changes_nothing(text: str) -> None:
    switches = Switches()
    with pytest.raises(ValueError, match=text.partition("=")[0]):
        change(switches, {"bill_hour": "7"} | of_texts([text]))
    assert switches == Switches()


def test_texts_become_values() -> None:
    switches = Switches()
    change(switches, of_texts(["shuffle_keys=false", "risk_share=0.25", "qr_timeout = 5m"]))
    assert (switches.shuffle_keys, switches.risk_share, switches.qr_timeout) == (False, 0.25, "5m")
    with pytest.raises(ValueError, match="name=value"):
        of_texts(["shuffle_keys"])


@pytest.mark.parametrize(("switch", "product"), [("face_to_face_timeout", "FACE_TO_FACE_PAYMENT"), ("other_timeout", "created")])
def test_usual_times_are_switches(sandbox: RunningSandbox, merchant: Merchant, number: str, switch: str, product: str) -> None:
    person = sandbox.person(password_above=0)
    business = {"out_trade_no": number, "total_amount": "5.00", "subject": "S"}

    def ask(letter: str) -> None:
        if product == "created":
            merchant.call("alipay.trade.create", business | {"out_trade_no": number + letter, "buyer_id": person})
        else:
            merchant.pay(number + letter, "5.00", sandbox.code(person))

    ask("a")
    sandbox.switch(**{switch: "1m"})
    ask("b")
    sandbox.advance(61)
    assert merchant.query(f"{number}a")["trade_status"] == "WAIT_BUYER_PAY"
    assert merchant.query(f"{number}b")["trade_status"] == "TRADE_CLOSED"


def test_the_qr_codes_time_and_the_cancels_are_switches(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    sandbox.switch(qr_timeout="1m", cancel_hours=1)
    order = {"out_trade_no": number, "total_amount": "5.00", "subject": "S"}
    qr = merchant.call("alipay.trade.precreate", order)["qr_code"]
    merchant.pay(f"{number}b", "5.00", sandbox.code(sandbox.person()))
    sandbox.advance(61)
    with pytest.raises(AssertionError, match="TRADE_HAS_CLOSE"):
        sandbox.scan(sandbox.person(), qr)
    sandbox.advance(3600)
    assert merchant.cancel(f"{number}b")["sub_code"] == "ACQ.TRADE_CANCEL_TIME_OUT"
