"""EMVCo's own example and two of other makers come out to the character; damaged and false codes are refused with a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutong.payments.emvqr import BadQr, MerchantQr, checksum, decode, encode, make, template

EXAMPLE = (
    "00020101021229300012D156000000000510A93FO3230Q31280012D15600000001030812345678520441115802CN5914BEST TRANSPORT"
    "6007BEIJING64200002ZH0104最佳运输0202北京540523.7253031565502016233030412340603***0708A60086670902ME"
    "91320016A0112233449988770708123456786304A13A"
)
START = "00020101021252044131153137210116372101160123456789ABCDE60"
UNIONPAY = [
    f"{START}10Phnom Penh5913Merchant Shop5802KH540510.005303840622501081234567802090124444446304A0BA",
    f"{START}16Banteay Meanchey5913Kuntheas Shop5802KH540510.005303840621201081234567863041FF2",
]


def with_checksum(body: str) -> str:
    return f"{body}6304{checksum(body + '6304')}"


def test_the_checksum_is_the_one_of_the_specification():
    assert checksum("123456789") == "29B1"
    assert checksum(EXAMPLE[:-4]) == "A13A"


def test_the_specifications_example_is_read_and_written_again():
    qr = decode(EXAMPLE)
    assert (qr.name, qr.city, qr.currency, qr.amount, qr.is_dynamic) == ("BEST TRANSPORT", "BEIJING", "156", 2372, True)
    assert qr.template("64") == {"00": "ZH", "01": "最佳运输", "02": "北京"}
    assert qr.template("62") == {"03": "1234", "06": "***", "07": "A6008667", "09": "ME"}
    assert set(qr.accounts) == {"29", "31"} and qr.template("31") == {"00": "D15600000001", "03": "12345678"}
    assert encode(qr) == EXAMPLE


def test_codes_of_another_maker_have_the_checksums_that_they_should():
    assert checksum(UNIONPAY[0][:-4]) == "A0BA" and checksum(UNIONPAY[1][:-4]) == "1FF2"
    qr = decode(UNIONPAY[0])
    assert (qr.name, qr.amount, qr.currency, set(qr.accounts)) == ("Merchant Shop", 1000, "840", {"15"})
    assert encode(qr) == UNIONPAY[0]
    long = decode(UNIONPAY[1])  # its city has 16 characters: the specification allows 15
    assert long.city == "Banteay Meanchey"
    with pytest.raises(BadQr, match="object 60 is 'Banteay Meanchey'; it must be a city of 1 to 15"):
        encode(long)


def test_a_code_is_put_together_in_order_and_read_back():
    qr = make(
        accounts={"26": {"00": "com.example.pay", "01": "6901234500012"}, "15": "3137210116372101"},
        category="5411",
        name="胡同便利店",
        city="BEIJING",
        amount=8808,
        additional={"03": "0012", "07": "3"},
    )
    text = encode(qr)
    assert text.startswith("00020101021215163137210116372101") and "540588.08" in text and decode(text) == qr
    assert qr.amount == 8808 and qr.template("26")["00"] == "com.example.pay"
    still = make(accounts={"15": "1"}, category="5411", name="a", city="b")
    assert still.amount is None and not still.is_dynamic


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no merchant's payment code"),
        ("https://qr.alipay.com/bax1", "no merchant's payment code"),
        ("281234567890123456", "no merchant's payment code"),
        (EXAMPLE[:-4] + "A13B", "misread or changed"),
        (EXAMPLE.replace("23.72", "23.73"), "the checksum is A13A, but"),
        (EXAMPLE[:-1], "only 3 follow"),
        (EXAMPLE[:60], "cut off"),
        (EXAMPLE + "x", "id and a length"),
        (EXAMPLE + "9901x", "does not end with its checksum"),
        ("000201" + "x" * 600, "at most 512"),
        ("0002016304FFFF", "misread"),
        (with_checksum("000201"), "no account"),
        (with_checksum("0002011x"), "must stand"),
        (with_checksum("000202150115204541153031565802CN5901a6001b"), "object 00 is '02'"),
        (with_checksum("000201150115204541153031565802CN5901a"), "city.*missing"),
        (with_checksum("000201150115204541153031565802CN5901a6001b6103"), "must stand"),
        (with_checksum("000201150115204541153031565802cn5901a6001b"), "country of 2 capital letters"),
        (with_checksum("00020115011520454115303156540312,5802CN5901a6001b"), "amount such as"),
        (with_checksum("000201150115204541153031565802CN5901a6001b6001c"), "comes twice"),
        (with_checksum("000201150115204541153031565802CN5901a6001b62049999"), "template 62"),
        (with_checksum("000201١50115204541153031565802CN5901a6001b"), "must stand"),
    ],
)
def test_what_is_damaged_or_no_such_code_is_refused_with_a_reason(text, reason):
    with pytest.raises(BadQr, match=reason):
        decode(text)


def test_what_cannot_be_written_is_refused():
    for objects, reason in (
        ((("01", "11"), ("00", "01")), "first object"),
        ((("00", "01"), ("x", "1")), "an id is not one"),
        ((("00", "01"), ("63", "ABCD")), "an id is not one"),
    ):
        with pytest.raises(BadQr, match=reason):
            encode(MerchantQr(objects))
    with pytest.raises(BadQr, match="1 to 99"):
        template({"01": "x" * 100})
    with pytest.raises(BadQr, match="name of 1 to 25"):
        make(accounts={"15": "1"}, category="5411", name="x" * 26, city="b")


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text):
    for each in (text, "000201" + text):
        try:
            encoded = each.encode()
        except UnicodeEncodeError:
            continue
        assert encoded is not None
        with pytest.raises(BadQr):
            decode(each)


@given(st.integers(0, 10**9), st.text("abc 茶城", min_size=1, max_size=15), st.text("0123456789", min_size=1, max_size=50))
def test_what_is_written_is_read_back(amount, city, account):
    qr = make(accounts={"15": account}, category="5411", name=city, city=city, amount=amount)
    assert decode(encode(qr)) == qr and qr.amount == amount
