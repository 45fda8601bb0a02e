"""Sales: captured exactly once, in groups, with the totals that monitors read; and read again as receipts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from hutong.catalog import ProductCodes
from hutong.platform.config import Settings
from hutong.platform.database import Database
from hutong.platform.tasks import cancel
from hutong.sales.api import router
from hutong.sales.books import book_missing, booking
from hutong.sales.books_check import SALE_INVARIANTS
from hutong.sales.capture import CaptureQueue
from hutong.sales.intake import Intake
from hutong.sales.openapi import capture_openapi
from hutong.sales.queries import recent_sales, sale_by_id, sales_by_ids, sales_page
from hutong.sales.routes import capture_routes

__all__ = [
    "SALE_INVARIANTS",
    "CaptureQueue",
    "Intake",
    "book_missing",
    "booking",
    "capture_openapi",
    "capture_routes",
    "lifespan",
    "recent_sales",
    "router",
    "sale_by_id",
    "sales_by_ids",
    "sales_page",
]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Runs the capture of this process; ``app.state.on_commit``, if set, is called after each commit."""
    settings: Settings = app.state.settings
    database: Database = app.state.database

    def committed() -> None:
        on_commit = getattr(app.state, "on_commit", None)
        if on_commit is not None:
            on_commit()

    queue = CaptureQueue(database, ProductCodes(), settings.capture_connections, settings.capture_backlog, committed)
    app.state.capture = queue
    app.state.intake = Intake(database, queue, app.state.outlets, settings.late_days)
    queue.start()
    signs = asyncio.create_task(app.state.intake.keep_signs_of_life(), name="signs-of-life")
    try:
        if settings.jobs:
            async with booking(database, lambda: queue.pressed):
                yield
        else:
            yield
    finally:
        await cancel(signs)
        await queue.stop()
        await app.state.intake.write_signs_of_life()
