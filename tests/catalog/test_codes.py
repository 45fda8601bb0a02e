"""Codes as rung up find the right product: network-wide GTINs, retailers' own numbers, weighed goods."""

import asyncio
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutong.catalog import ProductCodes, ProductKey, network_gtin, product_key, product_names
from hutong.kernel.gs1 import GTIN_LENGTHS, check_digit, gtin14, is_gln, is_key, shown_gtin, variable_measure
from hutong.platform.database import Database
from hutong.platform.scope import Scope
from tests.support.network import Network

bodies = st.sampled_from(GTIN_LENGTHS).flatmap(lambda length: st.text("0123456789", min_size=length - 1, max_size=length - 1))


@given(bodies)
def test_a_body_with_its_check_digit_is_a_key_and_with_any_other_is_not(body: str) -> None:
    right = check_digit(body)
    assert is_key(body + right, GTIN_LENGTHS)
    assert not any(is_key(body + digit, GTIN_LENGTHS) for digit in "0123456789" if digit != right)


@given(bodies, st.data())
def test_changing_one_digit_of_a_gtin_is_always_noticed(body: str, data: st.DataObject) -> None:
    gtin = body + check_digit(body)
    place = data.draw(st.integers(0, len(gtin) - 1))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != gtin[place]]))
    assert gtin14(gtin[:place] + other + gtin[place + 1 :]) is None


@given(bodies)
def test_a_gtin_means_the_same_with_zeros_in_front_and_is_shown_with_a_right_check_digit(body: str) -> None:
    gtin = body + check_digit(body)
    stored = gtin14(gtin)
    assert stored is not None
    assert len(stored) == 14
    assert gtin14(stored) == stored
    assert gtin14(shown_gtin(stored)) == stored


@given(st.text(max_size=20))
def test_no_text_breaks_the_readers_of_codes(text: str) -> None:
    gtin14(text), is_gln(text), variable_measure(text), network_gtin(text)
    assert product_key(7, text).retailer_id in (None, 7)


@pytest.mark.parametrize(
    "text", ["６９０１２３４５６７８９２", "690123456789２", " 6901234567892", "6901234567892\n", "-901234567892", "٦٩٠١٢٣٤٥٦٧٨٩٢"]
)
def test_digits_of_other_scripts_and_stray_signs_are_not_a_gtin(text: str) -> None:
    assert gtin14(text) is None


@given(st.integers(0, 99999), st.integers(0, 99999), st.sampled_from(["22", "23", "24", "25", "26", "27"]))
def test_a_weighed_label_carries_item_and_value_and_only_the_item_names_the_product(item: int, value: int, prefix: str) -> None:
    body = f"{prefix}{item:05d}{value:05d}"
    label = body + check_digit(body)
    measure = variable_measure(label)
    assert measure is not None
    assert (measure.item, measure.value) == (f"{item:05d}", value)
    assert product_key(7, label) == ProductKey(7, f"{item:05d}")


@pytest.mark.parametrize("body", ["200000000001", "290000000001", "020000000001", "040000000001", "0200000", "2000000"])
def test_numbers_of_restricted_circulation_belong_to_the_retailer_that_rings_them_up(body: str) -> None:
    code = body + check_digit(body)
    assert network_gtin(code) is None
    assert product_key(7, code) == ProductKey(7, code)


def test_a_gtin_8_12_13_and_14_are_the_networks() -> None:
    for body in ("6912345", "61234567890", "690123456789", "1690123456789"):
        assert product_key(7, body + check_digit(body)).retailer_id is None


async def test_every_spelling_of_a_registered_gtin_finds_its_product(database: Database, network: Network) -> None:
    codes, product = ProductCodes(), network.products[0]
    wanted = [(network.one.id, product.code), (network.two.id, "0" + product.code)]
    assert set((await codes.ensure(database, wanted)).values()) == {product.id}
    assert [codes.get(*each) for each in wanted] == [product.id] * 2


async def test_the_same_own_number_of_two_retailers_is_two_products(database: Database, network: Network) -> None:
    found = await ProductCodes().ensure(database, [(network.one.id, "A-1"), (network.two.id, "A-1")])
    assert len(set(found.values())) == 2
    async with database.read(Scope.of_retailer(network.two.id)) as reader:
        assert set(await product_names(reader, found.values())) == {found[network.two.id, "A-1"]}


async def test_labels_of_weighed_goods_find_the_retailers_own_product_and_do_not_fill_the_memory(
    database: Database, network: Network
) -> None:
    codes = ProductCodes()
    labels = [body + check_digit(body) for body in (f"2200417{price:05d}" for price in range(100, 200))]
    found = await codes.ensure(database, [(network.one.id, label) for label in labels])
    assert set(found.values()) == {network.weighed.id} == {codes.get(network.one.id, label) for label in labels}
    assert len(codes) == 1
    assert codes.get(network.two.id, labels[0]) is None


async def test_processes_that_meet_the_same_new_codes_at_once_agree_on_one_product_each(
    database: Database, network: Network, owner: psycopg.Connection[Any]
) -> None:
    bodies = [f"69099008{number:04d}" for number in range(40)]
    wanted = [(network.one.id, body + check_digit(body)) for body in bodies] + [(network.one.id, f"new {number}") for number in range(40)]
    answers = await asyncio.gather(*(ProductCodes().ensure(database, wanted[::step]) for step in (1, -1, 1, -1)))
    assert all(answer == answers[0] for answer in answers)
    row = owner.execute("select count(*), count(registered_at) from product where id = any (%s)", [list(answers[0].values())]).fetchone()
    assert row == (80, 0)


async def test_the_memory_is_bounded_and_what_is_forgotten_is_found_again(database: Database, network: Network) -> None:
    codes = ProductCodes(limit=20)
    first = await codes.ensure(database, [(network.one.id, f"n{number}") for number in range(15)])
    for batch in range(5):
        await codes.ensure(database, [(network.one.id, f"m{batch}-{number}") for number in range(10)])
        assert len(codes) <= 20
    assert await codes.ensure(database, first) == first
