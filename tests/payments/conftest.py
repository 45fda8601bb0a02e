"""Fixtures of payments: one sandbox Alipay a test process, and the small network's first retailer with an account there."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.network import Network
from tests.support.sandbox import RunningSandbox, running_sandbox


@pytest.fixture(scope="session")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """The sandbox that the tests of one process share: each adds people of its own, and numbers never meet."""
    folder: Path = tmp_path_factory.mktemp("sandbox")
    with running_sandbox(folder) as running:
        yield running


@pytest.fixture
def sandbox(shared_sandbox: RunningSandbox) -> Iterator[RunningSandbox]:
    """The shared sandbox, whole again after each test."""
    yield shared_sandbox
    shared_sandbox.no_faults()
    shared_sandbox.plug()


@pytest.fixture
async def wallet(app: Any, network: Network, sandbox: RunningSandbox) -> int:
    """The id of the first retailer's Alipay account, at the sandbox."""
    from tests.payments.support import add_account

    return (await add_account(app, network.one.id, sandbox)).id


@pytest.fixture
def payer(sandbox: RunningSandbox) -> Callable[..., str]:
    """``payer()`` is a new customer with 10,000 yuan; keyword arguments as for ``RunningSandbox.person``."""
    return lambda **fields: sandbox.person(**{"balance": 1_000_000, "password_above": 100_000_000} | fields)
