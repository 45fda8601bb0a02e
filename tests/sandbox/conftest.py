"""Fixtures of the sandbox's tests: one sandbox a module, whose clock stands and moves by hand, and a merchant that calls it."""

from collections.abc import Iterator
from itertools import count

import pytest

from tests.sandbox.listener import Listener, listening
from tests.sandbox.merchant import Merchant
from tests.support.sandbox import RunningSandbox, running_sandbox

_numbers = count(1)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), speed=0, switches={"awkward_text": "true"}) as started:
        yield started


@pytest.fixture
def sandbox(shared: RunningSandbox) -> Iterator[RunningSandbox]:
    """The module's sandbox with every switch and fault as at its start, and money at the seller's."""
    shared.seller_balance(1_000_000)
    before = shared.ask("GET", "/switches")
    yield shared
    shared.no_faults()
    shared.plug()
    shared.switch(**before)


@pytest.fixture
def merchant(sandbox: RunningSandbox) -> Iterator[Merchant]:
    made = Merchant(sandbox)
    yield made
    made.http.close()


@pytest.fixture
def number() -> str:
    return f"S1T1_{next(_numbers):06d}"


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as found:
        yield found
