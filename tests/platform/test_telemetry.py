"""What the program logs can be listened to, however often it was set up before."""

import structlog
from structlog.testing import capture_logs

from hutong.platform.config import Settings
from hutong.platform.telemetry import configure_logging


def test_a_logger_that_was_used_before_another_set_up_is_heard() -> None:
    log = structlog.get_logger("hutong.test")
    configure_logging(Settings())
    log.info("first")
    configure_logging(Settings())
    with capture_logs() as heard:
        log.info("second", password="lavender")
    assert [line["event"] for line in heard] == ["second"]
