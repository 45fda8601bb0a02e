"""What webhooks are made of: kinds of messages, secrets, the times of retries, and the words for them."""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from hutong.platform.web import mark


class Kind(StrEnum):
    """What a webhook can be told of."""

    SALE_CAPTURED = "sale.captured"
    PRODUCT_REGISTERED = "product.registered"
    PAYMENT_PAID = "payment.paid"
    PAYMENT_DECLINED = "payment.declined"
    PAYMENT_CLOSED = "payment.closed"
    PAYMENT_CANCELLED = "payment.cancelled"
    PAYMENT_REFUNDED = "payment.refunded"
    PAYMENT_REFUND = "payment.refund"


PAYMENT_KINDS = frozenset(kind for kind in Kind if kind.startswith("payment."))
"""Of payments a retailer is told alone: brands do not take any."""


@dataclass(frozen=True, slots=True)
class Fact:
    """An event that some webhook may be told of."""

    kind: str
    retailer_id: int | None
    store_id: int | None
    brand_id: int | None
    business_date: date | None
    subject: UUID | None
    body: Mapping[str, Any]
    at: datetime


class Status(StrEnum):
    """How a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


PING = "ping"
"""The kind of the message that only says that the webhook works."""

RETRY_SECONDS = (5.0, 30.0, 120.0, 600.0, 3_600.0, 21_600.0, 86_400.0)
"""Seconds from a failed attempt to the next one, before jitter; after the last of them a delivery is dead."""
JITTER = 0.2
LONGEST_RETRY_AFTER = 3_600.0
LEASE = timedelta(seconds=20)
"""For how long a process has a delivery to itself; twice the longest call."""
MOST_AT_ONCE = 16
"""Calls to one endpoint at the same time, in all processes together."""
CAPACITY = 256
"""Calls that one process makes at the same time."""
FAILURES_TO_SLOW = 5
LONGEST_PAUSE = 300
"""An endpoint that failed this often in a row is tried by one call at a time, with pauses of up to this many seconds."""
FAILING_DAYS = 3
"""An endpoint that has done nothing but fail for so long is switched off."""
MOST_WAITING = 200_000
"""Deliveries that may wait for one endpoint; beyond, it is switched off."""
KEEP_DELIVERED_DAYS, KEEP_DEAD_DAYS = 3, 30
MOST_WEBHOOKS = 20
"""Webhooks of one retailer or brand."""
MOST_REPLAYED = 20_000
"""Deliveries that one call replays."""
BOTH_SECRETS_HOURS = 24
"""After a rotation messages are signed with both secrets for so long."""

OFF_BY_OWNER, OFF_GONE, OFF_FAILING, OFF_BACKLOG = "owner", "gone", "failing", "backlog"
OFF_WORDS = {
    OFF_GONE: mark("The endpoint said that it is gone (410)."),
    OFF_FAILING: mark("Every call failed for three days."),
    OFF_BACKLOG: mark("Too many messages were waiting."),
}
KIND_WORDS = {
    Kind.SALE_CAPTURED.value: mark("Sale captured"),
    Kind.PRODUCT_REGISTERED.value: mark("Product registered"),
    Kind.PAYMENT_PAID.value: mark("Payment paid"),
    Kind.PAYMENT_DECLINED.value: mark("Payment declined"),
    Kind.PAYMENT_CLOSED.value: mark("Payment not made in time"),
    Kind.PAYMENT_CANCELLED.value: mark("Payment cancelled"),
    Kind.PAYMENT_REFUNDED.value: mark("Late payment given back"),
    Kind.PAYMENT_REFUND.value: mark("Refund done or refused"),
    PING: mark("Test message"),
}
STATUS_WORDS = {
    Status.PENDING.value: mark("waiting"),
    Status.DELIVERED.value: mark("delivered"),
    Status.DEAD.value: mark("given up"),
}
ANSWERED = mark("It answered with an error.")
REDIRECTED = mark("It answered with a redirect; redirects are not followed.")


def new_secret() -> str:
    """A signing secret of 256 random bits in the form of the Standard Webhooks specification."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode("ascii")
