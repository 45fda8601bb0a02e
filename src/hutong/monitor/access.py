"""From what a caller asks for to the topic it may watch: places by code, days by word, permission first."""

from dataclasses import dataclass
from datetime import UTC, date, timedelta
from zoneinfo import ZoneInfo

from starlette.requests import HTTPConnection

from hutong.directory import Permission, Principal
from hutong.kernel.clock import now
from hutong.kernel.errors import Invalid, NotFound
from hutong.monitor.documents import Kind
from hutong.monitor.topics import Key, MonitorSource, latest_day
from hutong.platform.database import Database
from hutong.platform.scope import Scope

AGAIN_SECONDS = 2.0
"""Names that nobody knows are looked up in the database again at most this often."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A place or brand that may be watched, and whose it is."""

    kind: Kind
    id: int
    zone: ZoneInfo
    retailer_id: int | None = None
    store_id: int | None = None
    brand_id: int | None = None

    def must(self, by: Principal) -> None:
        """Raises NotFound, or Forbidden for the network, unless ``by`` may watch this."""
        by.must(Permission.READ_MONITOR, retailer_id=self.retailer_id, store_id=self.store_id, brand_id=self.brand_id)


async def subject(source: MonitorSource, by: Principal, kind: Kind, code: str) -> Subject:
    """What ``code`` names, if ``by`` may watch it. Raises NotFound for what is absent and for what is another's alike."""
    await source.atlas.refresh(source.database)
    found = _find(source, kind, code)
    if found is None:
        await source.atlas.refresh(source.database, older_than=AGAIN_SECONDS)
        found = _find(source, kind, code)
    if found is None:
        raise NotFound
    found.must(by)
    return found


def _find(source: MonitorSource, kind: Kind, code: str) -> Subject | None:
    atlas, zone = source.atlas, ZoneInfo(source.network_zone)
    match kind:
        case "network":
            return Subject("network", 0, zone)
        case "store":
            store = atlas.store_by_gln.get(code)
            return None if store is None else Subject("store", store.id, ZoneInfo(store.zone), store.retailer_id, store.id)
        case "retailer":
            retailer = atlas.retailer_by_code.get(code)
            return None if retailer is None else Subject("retailer", retailer.id, ZoneInfo(retailer.zone), retailer.id)
        case "brand":
            brand = atlas.brand_by_code.get(code)
            return None if brand is None else Subject("brand", brand.id, zone, brand_id=brand.id)


async def day_of(database: Database, of: Subject, asked: str | None) -> date:
    """The business date that ``asked`` means: ``today`` (or nothing), ``latest`` with trade, or an ISO date. Raises Invalid."""
    today = now().astimezone(of.zone).date()
    if asked in (None, "", "today"):
        return today
    if asked == "latest":
        async with database.read(Scope.of_network()) as reader:
            return await latest_day(reader, Key(of.kind, of.id, today)) or today
    return written_day(asked or "")


def written_day(text: str) -> date:
    """An ISO date within the days that can hold trade. Raises Invalid."""
    try:
        day = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        day = None
    if day is None or not date(2000, 1, 1) <= day <= now().astimezone(UTC).date() + timedelta(days=2):
        raise Invalid("A date is written 2026-11-22, or `today`, or `latest`.", field="date")
    return day


def is_over(of: Subject, day: date, asked: str | None) -> bool:
    """Whether a stream that was asked for "today" has outlived its day."""
    return asked in (None, "", "today") and now().astimezone(of.zone).date() != day


def source_of(request: HTTPConnection) -> MonitorSource:
    """The process's source of topics."""
    found: MonitorSource = request.app.state.monitor
    return found
