"""The stage that the tests of one module share."""

from collections.abc import AsyncIterator

import pytest

from tests.security.stage import Stage, open_stage
from tests.support.postgres import SharedPostgres


@pytest.fixture(scope="module")
async def stage(anyio_backend: str, postgres: SharedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """One network with everything in it; tests of a module share it, so each makes what it changes."""
    async with open_stage(postgres, tmp_path_factory.mktemp("data")) as opened:
        yield opened
