"""What stores, retailers, brands and the network watch: live documents, their snapshots and frames, and the pages that show them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from hutong.monitor.api import openapi_parts
from hutong.monitor.api import router as api
from hutong.monitor.pages import router as pages
from hutong.monitor.topics import MonitorSource
from hutong.monitor.usual import count_usual, refresh_usual
from hutong.monitor.webhooks import WEBHOOK_JOBS, sending
from hutong.monitor.webhooks import lifespan as webhooks_lifespan
from hutong.monitor.webhooks import router as webhook_routes
from hutong.platform.config import Settings
from hutong.platform.database import Database
from hutong.platform.jobs import Job
from hutong.platform.live import Hub
from hutong.platform.live.stream import LIMIT_SECONDS

__all__ = ["jobs", "lifespan", "openapi_parts", "refresh_usual", "router", "sending"]

router = APIRouter()
router.include_router(api)
router.include_router(pages)
router.include_router(webhook_routes)

jobs = (Job("monitor.usual", "*/10 * * * *", count_usual), *WEBHOOK_JOBS)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Runs the live hub of this process (``app.state.hub``) and webhooks; captures call ``app.state.on_commit``."""
    database: Database = app.state.database
    settings: Settings = app.state.settings
    source = MonitorSource(database, settings.network_zone)
    hub = Hub(database, source)
    app.state.monitor, app.state.hub, app.state.on_commit = source, hub, hub.poke
    app.state.stream_seconds = LIMIT_SECONDS
    await hub.start()
    try:
        async with webhooks_lifespan(app):
            yield
    finally:
        await hub.close()
