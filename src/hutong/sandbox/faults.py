"""Faults on purpose: rules with rates, and decisions that are the same again for the same seed, whatever else happens meanwhile.

A decision is drawn from the seed, the rule, the method, the merchant's number and how often that pair was asked before; so it does
not depend on how requests of different payments interleave.
"""

from collections import deque
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

import msgspec
import structlog

from hutong.sandbox.calls import parsed
from hutong.sandbox.records import Notification
from hutong.sandbox.state import World

log = structlog.get_logger(__name__)

RequestKind = Literal[
    "drop_before", "drop_after", "late", "delay_before", "delay_after", "duplicate", "duplicate_last", "http_500_before", "http_500_after",
    "http_502_before", "http_502_after", "html_before", "html_after", "busy_before", "busy_after", "call_limited", "refuse", "retry_flag",
    "ask_password", "bad_signature", "unsigned", "truncated", "slow",
]  # fmt: skip
NotifyKind = Literal["notify_lost", "notify_duplicated", "notify_reordered", "notify_early"]
BillKind = Literal["bill_missing_line", "bill_extra_line", "bill_changed_amount", "bill_late", "bill_truncated"]
Kind = Literal[RequestKind, NotifyKind, BillKind]
KINDS: dict[str, str] = {
    "drop_before": "the connection is cut and nothing is executed",
    "drop_after": "it is executed and the connection is cut without an answer",
    "late": "the connection is cut at once and the request is executed `seconds` later",
    "delay_before": "it is executed, and answered, `seconds` later",
    "delay_after": "it is executed at once and answered `seconds` later",
    "duplicate": "it is executed twice; the first answer goes out",
    "duplicate_last": "it is executed twice; the second answer goes out",
    "http_500_before": "status 500, not executed",
    "http_500_after": "status 500, executed",
    "http_502_before": "status 502 with a proxy's page, not executed",
    "http_502_after": "status 502 with a proxy's page, executed",
    "html_before": "status 200 with a page that is no answer, not executed",
    "html_after": "status 200 with a page that is no answer, executed",
    "busy_before": "20000 isp.unknow-error, not executed",
    "busy_after": "20000 ACQ.SYSTEM_ERROR, executed",
    "call_limited": "40005, not executed",
    "refuse": "40004 with `sub_code`, not executed; a payment code in it is used up",
    "retry_flag": "a cancel is answered retry_flag Y and not executed",
    "ask_password": "a payment asks for the password whatever the amount",
    "bad_signature": "the answer's signature is of something else",
    "unsigned": "the answer has no signature",
    "truncated": "the answer ends in the middle",
    "slow": "the answer comes one byte at a time over `seconds`",
    "notify_lost": "a notification does not arrive; it is sent again by its schedule",
    "notify_duplicated": "a notification arrives twice",
    "notify_reordered": "a first notification is held back for `seconds`, so that later ones pass it",
    "notify_early": "a notification arrives before the answer of the call that it tells of",
    "bill_missing_line": "a line is not in the bill",
    "bill_extra_line": "the bill has a line that belongs to no trade",
    "bill_changed_amount": "a line's amount is one fen more",
    "bill_truncated": "the bill's tables break off in their middle",
    "bill_late": "the bill is not there until `seconds` after its hour",
}


class Rule(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which requests a fault may hit (``*`` and ``?`` in the texts stand for anything), how often, and at most how many."""

    kind: Kind
    rate: float = 1.0
    method: str = "*"
    app: str = "*"
    store: str = "*"
    number: str = "*"
    times: int | None = None
    seconds: float = 0.0
    sub_code: str = ""
    hits: int = 0

    def wants(self, method: str, app: str, store: str, number: str) -> bool:
        """Whether this rule is about such a request, and not used up."""
        if self.times is not None and self.hits >= self.times:
            return False
        return (
            fnmatchcase(method, self.method)
            and fnmatchcase(app, self.app)
            and fnmatchcase(store, self.store)
            and fnmatchcase(number, self.number)
        )


class Decision(msgspec.Struct, kw_only=True):
    """One fault that hit: enough to find it again with the same seed."""

    seed: int
    rule: int
    kind: str
    method: str
    app: str
    number: str
    occurrence: int
    drawn: float
    at: str


Hits = dict[str, Rule]


class Faults:
    """The rules and their decisions."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rules: list[Rule] = msgspec.convert(world.kept("faults") or [], list[Rule])
        self.decisions: deque[Decision] = deque(maxlen=20_000)
        self.version = 0
        """Counts how often the rules were changed."""
        self._seen: dict[tuple[str, str], int] = {}

    def set(self, rules: list[Rule]) -> None:
        """Put these rules in place of all others. Raises ValueError for a rate that is none."""
        for rule in rules:
            if not 0 <= rule.rate <= 1 or rule.seconds < 0:
                raise ValueError("a fault's rate is from 0 to 1, and its seconds are not negative")
        self.rules = rules
        self.version += 1
        self._keep()

    def _keep(self) -> None:
        self.world.keep("faults", msgspec.to_builtins(self.rules))

    def of_request(self, parameters: Mapping[str, str]) -> Hits:
        """What hits this request."""
        if not self.rules:
            return {}
        business = parsed(parameters.get("biz_content", ""))
        if not isinstance(business, dict):
            business = {}
        number = next((str(business[name]) for name in ("out_trade_no", "out_order_no", "trade_no", "auth_no") if business.get(name)), "")
        store = str(business.get("store_id", ""))
        if not store and (trade := self._trade(parameters.get("app_id", ""), number)):
            store = trade.store_id
        kinds = get_args(RequestKind)
        return self._decide(kinds, parameters.get("method", ""), parameters.get("app_id", ""), store, number)

    def _trade(self, app: str, number: str) -> Any:
        found = self.world.apps.get(app)
        return found and (self.world.numbers.get((found.seller_id, number)) or self.world.trades.get(number))

    def of_notification(self, notification: Notification, kind: NotifyKind) -> Rule | None:
        """Whether this hits this sending of the notification."""
        if not self.rules:
            return None
        number = next(
            (
                notification.fields[name]
                for name in ("out_trade_no", "out_order_no", "external_agreement_no")
                if name in notification.fields
            ),
            "",
        )
        trade = self._trade(notification.app_id, number)
        return self._decide((kind,), notification.fields["notify_type"], notification.app_id, trade.store_id if trade else "", number).get(
            kind
        )

    def notify_copies(self, notification: Notification) -> int:
        """How many times this sending arrives."""
        if self.of_notification(notification, "notify_lost"):
            return 0
        return 2 if self.of_notification(notification, "notify_duplicated") else 1

    def notify_held_back(self, notification: Notification) -> float:
        """Seconds by which a first sending is held back."""
        rule = self.of_notification(notification, "notify_reordered")
        return rule.seconds or 60.0 if rule else 0.0

    def of_bill(self, kind: BillKind, app: str, store: str, number: str) -> Rule | None:
        """Whether this hits a bill's line, or with the day as ``number`` a whole bill; the same whenever it is asked."""
        return self._decide((kind,), "bill", app, store, number, counted=False).get(kind) if self.rules else None

    def _decide(self, kinds: tuple[str, ...], method: str, app: str, store: str, number: str, *, counted: bool = True) -> Hits:
        hits: Hits = {}
        wanted = [(index, rule) for index, rule in enumerate(self.rules) if rule.kind in kinds and rule.wants(method, app, store, number)]
        if not wanted:
            return hits
        asked = f"{method}/{'/'.join(kinds) if len(kinds) == 1 else 'request'}", number
        occurrence = 0
        if counted:
            occurrence = self._seen[asked] = self._seen.get(asked, 0) + 1
        for index, rule in wanted:
            drawn = self.world.chance("fault", index, rule.kind, method, number, occurrence)
            if drawn < rule.rate and rule.kind not in hits:
                hits[rule.kind] = rule
                rule.hits += 1
                decision = Decision(
                    seed=self.world.seed, rule=index, kind=rule.kind, method=method, app=app, number=number, occurrence=occurrence, drawn=drawn,
                    at=self.world.clock.now().isoformat(),
                )  # fmt: skip
                self.decisions.append(decision)
                log.info("fault", **msgspec.to_builtins(decision))
        return hits
