"""What can be wrong with a webhook that somebody asks for."""

from hutong.kernel.errors import Conflict, Invalid
from hutong.platform.web import mark


class WebhookAddress(Invalid):
    """The address cannot be called; ``detail`` says why."""

    code, title = "webhook_address", mark("This address cannot be called")


class TooManyWebhooks(Conflict):
    """The retailer or brand has as many webhooks as it may."""

    code, title = "too_many_webhooks", mark("There are as many webhooks as there may be; delete one first")


class WebhookOff(Conflict):
    """The webhook is switched off, so nothing is sent to it."""

    code, title = "webhook_off", mark("This webhook is switched off; switch it on first")
