"""The applications that benchmarks serve: our own, and the same with a capture that answers at once without a database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from hutong.app import create_app
from hutong.kernel.clock import now


def create() -> FastAPI:
    """The application as it is."""
    return create_app(long_lived=True)


class AnswersAtOnce:
    """Stands where CaptureQueue does and commits nothing: the bound that capture is measured against."""

    async def submit(self, sales: Sequence[Any]) -> list[Any]:
        return [now()] * len(sales)


def create_without_database() -> FastAPI:
    """The application whose capture route reads, authorises and checks a sale and then answers without committing it."""
    app = create_app(long_lived=True)
    started = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[Any]:
        async with started(application) as state:
            application.state.intake._queue = AnswersAtOnce()
            yield state

    app.router.lifespan_context = lifespan
    return app
