"""Ends background tasks for certain: a library that swallows a cancellation must not keep the process from ending."""

import asyncio
from typing import Any

import structlog

AGAIN_SECONDS = 1.0
TIMES = 6

log = structlog.get_logger(__name__)


async def cancel(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel tasks and wait until they are over, whatever they end with. A cancellation of the caller is not swallowed.

    A task that goes on (a cut connection's error may take the place of the cancellation) is cancelled again each second; after
    six seconds it is left behind with a warning.
    """
    going: set[asyncio.Task[Any]] = set(tasks)
    for _ in range(TIMES):
        for task in going:
            task.cancel()
        if not going:
            return
        _, going = await asyncio.wait(going, timeout=AGAIN_SECONDS)
    if going:
        log.warning("tasks left behind", tasks=[task.get_name() for task in going])
