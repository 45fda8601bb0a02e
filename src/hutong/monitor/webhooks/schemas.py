"""What the webhooks' API takes and answers, as OpenAPI shows it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hutong.monitor.webhooks.model import Kind, Status
from hutong.platform.outbound import MOST_URL

Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
Url = Annotated[str, Field(min_length=1, max_length=MOST_URL, description="https, on port 443 or one above 1023, at a public address")]
Kinds = Annotated[list[Kind], Field(min_length=1, max_length=10)]


class Strict(BaseModel):
    """A body whose unknown fields are errors: a field misspelt must not be a field ignored."""

    model_config = ConfigDict(extra="forbid")


class WebhookIn(Strict):
    """A webhook to make, at one retailer or one brand; neither is needed where the caller manages only one."""

    url: Url
    kinds: Kinds
    retailer: Code | None = None
    brand: Code | None = None


class WebhookChange(Strict):
    """What is to change; what is left out stays."""

    url: Url | None = None
    kinds: Kinds | None = None
    enabled: bool | None = None


class ReplayIn(Strict):
    """What is to be sent again: all that is dead, or what was made since a time; with ``delivered`` what arrived, too."""

    since: AwareDatetime | None = None
    delivered: bool = False


class WebhookOut(BaseModel):
    """A webhook. ``waiting`` and ``dead`` count its deliveries, up to 1,001."""

    id: UUID
    url: str
    kinds: list[str]
    retailer: str | None
    brand: str | None
    created_at: datetime
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str
    failing_since: datetime | None
    last_delivered_at: datetime | None
    previous_secret_until: datetime | None
    waiting: int
    dead: int


class WebhookMade(WebhookOut):
    """A webhook just made, with its secret."""

    secret: str = Field(description="signs its messages; shown this once")


class SecretOut(BaseModel):
    """A secret just made; messages are signed with the one before, too, until then."""

    secret: str
    previous_secret_until: datetime


class DeliveryOut(BaseModel):
    """A message for a webhook; its id is the header webhook-id of every attempt."""

    id: UUID
    kind: str
    status: Status
    attempts: int
    created_at: datetime
    next_at: datetime | None
    last_status: int | None
    last_error: str
    delivered_at: datetime | None


class DeliveryWhole(DeliveryOut):
    """A message with its text as it is sent."""

    payload: str


class WebhookPage(BaseModel):
    """A page of webhooks; ``next_cursor`` is null on the last one."""

    items: list[WebhookOut]
    next_cursor: str | None


class DeliveryPage(BaseModel):
    """A page of deliveries; ``next_cursor`` is null on the last one."""

    items: list[DeliveryOut]
    next_cursor: str | None


class PingOut(BaseModel):
    """The delivery of a test message."""

    delivery: UUID


class ReplayOut(BaseModel):
    """How many deliveries are sent again; ``more``: repeat the call for the rest."""

    replayed: int
    more: bool


def webhook_out(row: Mapping[str, Any]) -> dict[str, Any]:
    """A webhook for programs."""
    return {name: row[name] for name in WebhookOut.model_fields if name != "enabled"} | {"enabled": row["disabled_at"] is None}


def delivery_out(row: Mapping[str, Any]) -> dict[str, Any]:
    """A delivery for programs; only one that waits has a next attempt."""
    return dict(row) | {"next_at": row["next_at"] if row["status"] == Status.PENDING else None}
