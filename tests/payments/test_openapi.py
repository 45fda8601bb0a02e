"""What the reference says of payments: every route with every answer, examples that the program itself reads, codes that exist."""

import re
from typing import Any

import msgspec
import pytest

from hutong import payments
from hutong.kernel import errors as common
from hutong.payments import errors, wire
from hutong.payments.openapi import capture_openapi

PATHS, SCHEMAS = capture_openapi()
OPERATIONS = [(path, method, operation) for path, methods in PATHS.items() for method, operation in methods.items()]
IDS = [f"{method} {path}" for path, method, _ in OPERATIONS]


def codes() -> set[str]:
    """Every code that an error of payments, or a common one, can have."""
    found = [each for module in (errors, common) for each in vars(module).values() if isinstance(each, type)]
    return {each.code for each in found if issubclass(each, common.HutongError)}


def test_every_route_of_tills_is_described():
    there = {(route.path, method.lower()) for route in payments.capture_routes for method in route.methods or () if method != "HEAD"}
    assert {(path, method) for path, method, _ in OPERATIONS} == there - {("/alipay/notify", "post")}


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=IDS)
def test_examples_are_what_the_program_reads_and_answers(path: str, method: str, operation: dict[str, Any]):
    contents = [operation["requestBody"]] if "requestBody" in operation else []
    contents += [answer for status, answer in operation["responses"].items() if status in ("200", "201")]
    tried = 0
    for content in contents:
        document = content["content"]["application/json"]
        name = document["schema"].get("$ref", "").rpartition("/")[2]
        for example in document["examples"].values():
            for each in [example["value"]] if name else example["value"]["payments"]:
                kind = getattr(wire, name or "PaymentView")
                assert set(each) <= {field.encode_name for field in msgspec.structs.fields(kind)}
                msgspec.convert(each, kind)
                tried += 1
    assert tried


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=IDS)
def test_problems_are_named_by_codes_that_exist(path: str, method: str, operation: dict[str, Any]):
    named = {
        code
        for status, answer in operation["responses"].items()
        if status >= "400"
        for code in re.findall(r"`(\w+)`: ", answer["description"])
    }
    assert named - codes() == set()
    assert {"401", "429", "503"} <= set(operation["responses"])
    assert ("requestBody" in operation) == ({"400", "413"} <= set(operation["responses"]))
