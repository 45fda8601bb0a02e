"""What the program says about itself: structured logs and the metrics that Prometheus collects."""

import logging
import os
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from hutong.platform.config import Settings

REGISTRY = CollectorRegistry()
"""Every metric of the program belongs here, so that a test may read it without the library's own defaults."""

REQUESTS = Counter("hutong_http_requests_total", "HTTP requests answered", ["method", "route", "status"], registry=REGISTRY)
REQUEST_SECONDS = Histogram(
    "hutong_http_request_seconds",
    "Seconds until the answer was sent (for a live stream: until it began)",
    ["method", "route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
    registry=REGISTRY,
)
REQUESTS_OPEN = Gauge(
    "hutong_http_requests_open", "Requests being answered now, live streams included", registry=REGISTRY, multiprocess_mode="livesum"
)

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
HANDLER = "hutong"
SECRET_WORDS = ("password", "secret", "token", "authorization", "cookie", "api_key", "csrf")


PROCESSORS: list[structlog.typing.Processor] = []
"""What our loggers do with a line. Always this one list: a logger keeps the one that it met first, and what changes the list in place
(a test that listens) must reach them all."""


def configure_logging(settings: Settings) -> None:
    """Send our own and the libraries' logs to standard error: coloured lines on a terminal, JSON with ``log_json``."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
    ]
    PROCESSORS[:] = [structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter]
    structlog.configure(
        processors=PROCESSORS,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    last: list[structlog.typing.Processor]
    if settings.log_json:
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    else:
        last = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    root = logging.getLogger()
    for earlier in [each for each in root.handlers if each.get_name() == HANDLER]:
        root.removeHandler(earlier)
    handler.set_name(HANDLER)
    root.addHandler(handler)
    root.setLevel(settings.log_level.upper())
    logging.getLogger("uvicorn.access").disabled = True  # the web shell writes the access log itself, without query strings
    for noisy in ("httpx", "httpcore", "procrastinate", "asyncio", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def hide_secrets(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank the values of keys that name a secret, whoever logged them."""
    for key in line:
        if any(word in key.lower() for word in SECRET_WORDS):
            line[key] = "•••"
    return line


def metrics_text() -> bytes:
    """All metrics in Prometheus' text format; of all worker processes where PROMETHEUS_MULTIPROC_DIR is set."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        every_process = CollectorRegistry()
        MultiProcessCollector(every_process)  # type: ignore[no-untyped-call]
        return generate_latest(every_process)
    return generate_latest(REGISTRY)
