"""What every server imports, and every command's module; imported once by the process that tests' servers are forked from."""

import uvicorn.lifespan.on
import uvicorn.loops.uvloop
import uvicorn.protocols.http.httptools_impl  # noqa: F401

import hutong.app
import hutong.platform.migrate  # noqa: F401
from hutong.cli.main import build

build()
