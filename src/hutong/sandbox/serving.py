"""Runs the sandbox: one process, uvicorn with httptools, which alone routes the absolute addresses that the official SDK asks for."""

import uvicorn

from hutong.sandbox.application import Sandbox


def server_of(sandbox: Sandbox, host: str, port: int) -> uvicorn.Server:
    """A server that is not started yet; its ``run`` blocks until its end."""
    config = uvicorn.Config(
        sandbox,
        host=host,
        port=port,
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="on",
        access_log=False,
        proxy_headers=False,  # who may operate it is told by the connection itself
        log_level="warning",
        backlog=1024,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
    )
    return uvicorn.Server(config)
