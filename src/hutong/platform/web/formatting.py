"""How money, numbers, shares and times are written for people in the language of the page."""

from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_compact_decimal, format_decimal, format_percent

from hutong.kernel.money import SYMBOLS, show_money
from hutong.platform.web.i18n import current_locale

MINUS = "\N{MINUS SIGN}"


def money(amount: int | None, currency: str = "CNY") -> str:
    """Minor units in full: ¥1,234.56; a dash where there is no amount."""
    return "–" if amount is None else show_money(amount, currency).replace("-", MINUS, 1)


def short_money(amount: int | None, currency: str = "CNY") -> str:
    """Minor units for a headline: ¥1.23亿 or ¥123M; below ten thousand, whole units."""
    if amount is None:
        return "–"
    sign, units = (MINUS if amount < 0 else ""), Decimal(abs(amount)) / 100
    symbol = SYMBOLS.get(currency, currency + " ")
    if units < 10_000:
        return f"{sign}{symbol}{format_decimal(_half_up(units, 0), locale=_babel())}"
    step = 4 if current_locale.get() == "zh" else 3
    return (
        f"{sign}{symbol}{format_compact_decimal(_half_up(units, 2 - units.adjusted() // step * step), locale=_babel(), fraction_digits=2)}"
    )


def number(value: Any, places: int = 3) -> str:
    """A number with separators and no more than ``places`` decimals: 1,234.5; a dash for None."""
    if value is None:
        return "–"
    return format_decimal(value, format="#,##0." + "#" * places if places else "#,##0", locale=_babel()).replace("-", MINUS)


def percent(fraction: Any, places: int = 1) -> str:
    """A share: 0.1234 is 12.3%; a dash for None."""
    if fraction is None:
        return "–"
    rounded = _half_up(Decimal(str(fraction)), places + 2)
    return format_percent(rounded, format="#,##0." + "0" * places + "%" if places else "#,##0%", locale=_babel()).replace("-", MINUS)


def change(now: Any, before: Any) -> float | None:
    """By what fraction ``now`` differs from ``before``; None where there is nothing to compare with."""
    return None if now is None or not before else float((now - before) / abs(before))


def local_time(moment: datetime | None, zone: str = "Asia/Shanghai", style: str = "short") -> str:
    """A moment as the clock on the wall of ``zone`` shows it.

    Styles: ``time`` 14:05, ``seconds`` 14:05:09, ``short`` 22 Nov, 14:05, ``full`` with year and seconds.
    """
    if moment is None:
        return "–"
    here = moment.astimezone(ZoneInfo(zone))
    if style in ("time", "seconds"):
        return format_time(here, "HH:mm" if style == "time" else "HH:mm:ss", tzinfo=here.tzinfo, locale=_babel())
    pattern = {
        ("zh", "short"): "M月d日 HH:mm", ("zh", "full"): "y年M月d日 HH:mm:ss",
        ("en", "short"): "d MMM, HH:mm", ("en", "full"): "d MMM y, HH:mm:ss",
    }[current_locale.get(), style]  # fmt: skip
    return format_datetime(here, pattern, tzinfo=here.tzinfo, locale=_babel())


def day(value: date | None, weekday: bool = False) -> str:
    """A date: 22 November 2026 or 2026年11月22日, with its weekday if asked for."""
    if value is None:
        return "–"
    pattern = {"zh": "y年M月d日", "en": "d MMMM y"}[current_locale.get()]
    return format_date(
        value, {"zh": pattern + " EEE", "en": "EEE " + pattern}[current_locale.get()] if weekday else pattern, locale=_babel()
    )


def minute_of_day(minute: int) -> str:
    """A minute of the business day as the clock shows it: 605 is 10:05."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def duration(span: timedelta | None) -> str:
    """A span roughly: 40 s, 12 min, 3 h, 5 d; in Chinese 40 秒, 12 分钟, 3 小时, 5 天."""
    if span is None:
        return "–"
    seconds = max(0, int(span.total_seconds()))
    for size, unit in ((86_400, {"zh": "天", "en": "d"}), (3_600, {"zh": "小时", "en": "h"}), (60, {"zh": "分钟", "en": "min"})):
        if seconds >= size:
            return f"{seconds // size} {unit[current_locale.get()]}"
    return f"{seconds} {'秒' if current_locale.get() == 'zh' else 's'}"


def name(thing: Any) -> str:
    """The name of a retailer, brand, store or product in the page's language, or the other one where it has none."""
    own, other = ("name_zh", "name_en") if current_locale.get() == "zh" else ("name_en", "name_zh")
    return str(_read(thing, own) or _read(thing, other) or "")


def _read(thing: Any, key: str) -> Any:
    return thing.get(key) if isinstance(thing, dict) else getattr(thing, key, None)


def _half_up(value: Decimal, places: int) -> Decimal:
    """Rounded as the browser rounds, before Babel would round a half to the even digit."""
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def _babel() -> str:
    return "zh_Hans_CN" if current_locale.get() == "zh" else "en_GB"
