"""Webhooks: what happens in the network, told to programs that subscribed, signed and exactly as it is in the ledger."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from hutong.monitor.webhooks.api import router as api
from hutong.monitor.webhooks.delivery import Deliverer
from hutong.monitor.webhooks.fanout import keep_fanning_out
from hutong.monitor.webhooks.housekeeping import WEBHOOK_JOBS
from hutong.monitor.webhooks.pages import router as pages
from hutong.platform.config import Settings
from hutong.platform.database import Database
from hutong.platform.outbound import Outbound
from hutong.platform.tasks import cancel

__all__ = ["WEBHOOK_JOBS", "lifespan", "router", "sending"]

router = APIRouter()
router.include_router(api)
router.include_router(pages)


@asynccontextmanager
async def sending(database: Database, outbound: Outbound) -> AsyncIterator[None]:
    """Turns events into deliveries and sends them while this is open. Any number of processes may have it open."""
    deliverer = Deliverer(database, outbound)
    tasks = [asyncio.create_task(keep_fanning_out(database, deliverer.poke)), asyncio.create_task(deliverer.run())]
    try:
        yield
    finally:
        await cancel(*tasks)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keeps the client that addresses are checked and called with (``app.state.outbound``), and sends, unless a worker does."""
    settings: Settings = app.state.settings
    async with Outbound(allow_private=settings.allow_private_webhooks) as outbound:
        app.state.outbound = outbound
        if not settings.jobs:
            yield
            return
        async with sending(app.state.database, outbound):
            yield
