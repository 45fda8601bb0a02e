"""How the first paint writes figures, moments and states for people; static/monitor/writers.js goes on with it, to the letter."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from babel.dates import format_date

from hutong.kernel.money import SYMBOLS
from hutong.platform.web import local_time, mark, money, name, number, percent, short_money, translate
from hutong.platform.web.i18n import current_locale

Thing = Mapping[str, Any]
Writer = Callable[[Any], str]

STATUS_WORDS = {
    "silent": mark("Silent"), "low": mark("Far below usual"), "steady": mark("As usual"), "quiet": mark("Too early to tell"),
    "closed": mark("Closed"),
}  # fmt: skip
KIND_WORDS = {"sale": mark("Sale"), "return": mark("Return"), "void": mark("Void")}
ALIVE_MINUTES, QUIET_MINUTES = 5, 30


def say(text: str, **values: Any) -> str:
    """``text`` in the language of the page, ``{name}`` filled from ``values``: the scripts' ``t()``."""
    said = translate(current_locale.get(), text)
    for key, value in values.items():
        said = said.replace("{" + key + "}", str(value))
    return said


def whole_money(amount: int, currency: str) -> str:
    """Minor units rounded to the whole unit: for figures so large that nobody wants the fen."""
    units = (abs(amount) + 50) // 100
    sign = "\N{MINUS SIGN}" if amount < 0 < units else ""
    return f"{sign}{SYMBOLS.get(currency, currency + ' ')}{units:,}"


def days_since(day: date, today: date) -> str:
    """How many days ago ``day`` was."""
    days = (today - day).days
    return say("yesterday") if days == 1 else say("{days} days ago", days=days)


def day_words(day: date, today: bool = False) -> str:
    """A day as the curve's legend names it: today, or weekday and date."""
    if today:
        return say("today")
    chinese = current_locale.get() == "zh"
    return format_date(day, "M月d日EEE" if chinese else "EEE d MMM", locale="zh_Hans_CN" if chinese else "en_GB")


def span(minutes: int) -> str:
    """A span of whole minutes in words."""
    if minutes < 60:
        return say("{minutes} min", minutes=minutes)
    if minutes < 2880:
        return say("{hours} h {minutes} min", hours=minutes // 60, minutes=minutes % 60)
    return say("{days} days", days=minutes // 1440)


def till_state(till: Thing) -> str:
    """never, revoked, alive (heard within 5 minutes), quiet (within 30) or silent."""
    sign = _last_sign(till)
    if till["revoked"] or sign is None:
        return "revoked" if till["revoked"] else "never"
    minutes = _minutes_between(sign, till["as_of"])
    return "alive" if minutes < ALIVE_MINUTES else "quiet" if minutes < QUIET_MINUTES else "silent"


def till_words(till: Thing) -> str:
    """The state of a till for people."""
    state, sign = till_state(till), _last_sign(till)
    if state in ("revoked", "never") or sign is None:
        return say("key revoked") if state == "revoked" else say("no sign of life yet")
    return say("alive") if state == "alive" else say("quiet for {span}", span=span(_minutes_between(sign, till["as_of"])))


def store_words(store: Thing) -> str:
    """Why a store is where it is in its retailer's list, for people."""
    usual, tickets = number((store["usual_tickets"] + 50) // 100), number(store["tickets"])
    match store["status"]:
        case "silent" if store["last_sale_at"] is None:
            return say("No sale yet today; usually {usual} tickets by now", usual=usual)
        case "silent":
            quiet = span(_minutes_between(store["last_sale_at"], store["as_of"]))
            return say("No sale for {span}; {tickets} tickets so far, usually {usual} by now", span=quiet, tickets=tickets, usual=usual)
        case "low":
            return say("Far below usual: {tickets} tickets so far, usually {usual} by now", tickets=tickets, usual=usual)
        case "steady":
            return say("{tickets} tickets, usually {usual} by now", tickets=tickets, usual=usual)
        case "quiet":
            return say("Too little is usual at this time to tell")
    return say("Outside its hours")


def goods(sale: Thing) -> str:
    """The first products of a sale and how many lines more."""
    names = ("、" if current_locale.get() == "zh" else ", ").join(_name(product) for product in sale["products"])
    more = sale["line_count"] - len(sale["products"])
    return say("{names} and {more} more", names=names, more=more) if more > 0 else names


def writers_for(identity: Thing) -> dict[str, Writer]:
    """Every writer by the name that ``data-as`` uses; amounts are in the document's currency and times in its zone."""
    currency, zone, today = identity["currency"], identity["zone"], identity["business_date"]
    return {
        "plain": str,
        "name": _name,
        "city": lambda thing: str(
            (thing["city_zh"] or thing["city_en"]) if current_locale.get() == "zh" else (thing["city_en"] or thing["city_zh"])
        ),
        "money": lambda amount: money(amount, currency),
        "whole": lambda amount: whole_money(amount, currency),
        "short": lambda amount: short_money(amount, currency),
        "count": number,
        "quantity": lambda thousandths: number(thousandths / 1000),
        "hundredths": lambda value: f"{(value + 5) // 10 / 10:.1f}",
        "percent": percent,
        "seconds": lambda moment: local_time(_moment(moment), zone, "seconds"),
        "time": lambda moment: local_time(_moment(moment), zone, "time"),
        "till-state": till_state,
        "till-words": till_words,
        "till-sign": lambda till: local_time(_last_sign(till), zone, "seconds"),
        "store-words": store_words,
        "status-word": lambda status: say(STATUS_WORDS[status]),
        "kind-word": lambda kind: say(KIND_WORDS[kind]),
        "goods": goods,
        "as-of-words": lambda moment: say("as of {time}", time=local_time(_moment(moment), zone, "seconds")),
        "late-words": lambda moment: say("feed late since {time}", time=local_time(_moment(moment), zone, "seconds")),
        "days-since": lambda day: days_since(date.fromisoformat(day), date.fromisoformat(today)),
    }


def _name(thing: Thing) -> str:
    return name(thing) or str(thing.get("code", ""))


def _moment(value: str | datetime) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def _last_sign(till: Thing) -> datetime | None:
    return max((_moment(till[key]) for key in ("last_seen_at", "last_sale_at") if till[key]), default=None)


def _minutes_between(earlier: str | datetime, later: str | datetime) -> int:
    return max(0, int((_moment(later) - _moment(earlier)).total_seconds()) // 60)
