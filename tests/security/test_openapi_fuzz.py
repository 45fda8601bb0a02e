"""What the OpenAPI document promises, held against generated requests: no defect, no status, type or shape that it does not name.

``make test`` sends each operation a request or two of an operator's, ``make test-slow`` several, also wrong ones and an integrator's, and
``HYPOTHESIS_PROFILE=thorough`` (``make fuzz``) hundreds.
"""

import os
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.generation import GenerationMode

from tests.support.network import stored

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
EXAMPLES = int(os.environ.get("HUTONG_FUZZ", "400")) if THOROUGH else 5
CHECKED = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance", "response_schema_conformance",
)  # fmt: skip
STREAMS = "/v1/streams/"
"""Streams go on for minutes: tests of their own watch them."""

Asked = dict[str, list[GenerationMode]]
A_FEW: Asked = {"operator": [GenerationMode.POSITIVE]}
MANY: Asked = {"operator": list(GenerationMode), "integrator": list(GenerationMode) if THOROUGH else [GenerationMode.POSITIVE]}

load_all_checks()


def fuzzing(examples: int) -> hypothesis_settings:
    """So many examples, the same ones every time unless it is to be thorough."""
    return hypothesis_settings(
        max_examples=examples,
        deadline=None,
        derandomize=not THOROUGH,
        database=None,
        phases=[Phase.explicit, Phase.generate] if not THOROUGH else list(Phase),
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture
def as_somebody(network: Any, owner: Any, session_of: Any) -> dict[str, Any]:
    """The headers of an integrator's key and of an operator's session; made good again, should a request have ended them."""

    def integrator() -> dict[str, str]:
        owner.execute("update api_key set revoked_at = null where key_hash = %s", [stored(network.one.history_key)])
        return {"Authorization": f"Bearer {network.one.history_key}"}

    def operator() -> dict[str, str]:
        owner.execute("update person set disabled_at = null where id = %s", [network.people["operator"].id])
        token, csrf = session_of("operator")
        return {"Cookie": f"hutong_session={token}", "X-CSRF-Token": csrf}

    return {"integrator": integrator, "operator": operator}


def operations(schema: Any) -> Iterator[Any]:
    for each in schema.get_all_operations():
        operation = each.ok()
        if not operation.path.startswith(STREAMS):
            yield operation


@pytest.mark.timeout(7200 if THOROUGH else 240)
@pytest.mark.parametrize(("asked", "examples"), [(A_FEW, 1), pytest.param(MANY, EXAMPLES, marks=pytest.mark.slow)], ids=["a few", "many"])
def test_the_document_holds_for_generated_requests(server, as_somebody, asked, examples):
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    checks = CHECKS.get_by_names(list(CHECKED))
    failures: dict[str, str] = {}
    for who, modes in asked.items():
        with requests.Session() as session:
            for operation, mode in product(operations(schema), modes):
                session.headers.update(as_somebody[who]())
                if failure := tried(operation, mode, session, checks, examples):
                    failures[f"{operation.method.upper()} {operation.path} {mode.value} as {who}"] = failure
    assert not failures, "\n\n".join(f"{where}\n{what}" for where, what in failures.items())


def tried(operation: Any, mode: GenerationMode, session: requests.Session, checks: Any, examples: int) -> str:
    """What is wrong with the answers to generated requests, valid ones or such as the document forbids; nothing if all is well."""

    @fuzzing(examples)
    @given(case=operation.as_strategy(generation_mode=mode))
    def probe(case: Any) -> None:
        case.call_and_validate(session=session, checks=checks, timeout=30)

    try:
        probe()
    except Unsatisfiable:  # there is nothing that could be wrong
        return ""
    except BaseExceptionGroup as several:
        return "\n".join(str(each)[:1200] for each in several.exceptions)
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:1500]
    return ""
