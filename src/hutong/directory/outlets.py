"""Where sales and payments may come from: stores by GLN and tills by code, cached in the process because each of them asks."""

import asyncio
import time
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from hutong.directory.queries import StoreRef, store_by_gln, store_by_id, stores, till_by_code, tills_by_code
from hutong.platform.database import Database
from hutong.platform.scope import Scope

REFRESH_AFTER = 300.0


@dataclass(frozen=True, slots=True)
class Outlet:
    """A store as capture needs it. ``zone`` decides the minute of the day, ``province`` the brand's totals."""

    id: int
    retailer_id: int
    gln: str
    zone: ZoneInfo
    province: int
    ref: StoreRef


def outlet_of(store: StoreRef) -> Outlet:
    """The outlet of a store of the directory."""
    return Outlet(store.id, store.retailer_id, store.gln, ZoneInfo(store.zone), store.province_code or 0, store)


class Outlets:
    """All stores and tills of the network, read whole every few minutes; what is asked for and not here is looked up."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_gln: dict[str, Outlet] = {}
        self._by_id: dict[int, Outlet] = {}
        self._tills: dict[tuple[int, str], int] = {}
        self._till_codes: dict[int, str] = {}
        self._read_at = 0.0
        self._reading = asyncio.Lock()

    def by_gln(self, gln: str) -> Outlet | None:
        return self._by_gln.get(gln)

    def by_id(self, store_id: int) -> Outlet | None:
        return self._by_id.get(store_id)

    def till(self, store_id: int, code: str) -> int | None:
        return self._tills.get((store_id, code))

    def till_code(self, till_id: int) -> str | None:
        return self._till_codes.get(till_id)

    @property
    def stale(self) -> bool:
        return time.monotonic() - self._read_at > REFRESH_AFTER

    async def refresh(self) -> None:
        """Read all stores and tills again; callers that come while it is read share the one reading."""
        asked_at = time.monotonic()
        async with self._reading:
            if self._read_at > asked_at:
                return
            started = time.monotonic()
            async with self._database.read(Scope.of_network()) as reader:
                known = await stores(reader)
                tills = await tills_by_code(reader, [store.id for store in known])
            self._by_gln = {store.gln: outlet_of(store) for store in known}
            self._by_id = {outlet.id: outlet for outlet in self._by_gln.values()}
            self._tills = {place: till.id for place, till in tills.items()}
            self._till_codes = {till.id: till.code for till in tills.values()}
            self._read_at = started

    async def find(self, gln: str | None, store_id: int | None) -> Outlet | None:
        """Ask the database for one store that is not here: it may have been opened a moment ago."""
        async with self._database.read(Scope.of_network()) as reader:
            store = await store_by_gln(reader, gln) if gln is not None else await store_by_id(reader, store_id or 0)
            tills = {} if store is None else await tills_by_code(reader, [store.id])
        if store is None:
            return None
        outlet = outlet_of(store)
        self._by_gln[store.gln] = self._by_id[store.id] = outlet
        for (_, code), till in tills.items():
            self.remember_till(store.id, code, till.id)
        return outlet

    async def find_till(self, store_id: int, code: str) -> int | None:
        """Ask the database for one till that is not here."""
        async with self._database.read(Scope.of_network()) as reader:
            till = await till_by_code(reader, store_id, code)
        if till is None:
            return None
        self.remember_till(store_id, code, till.id)
        return till.id

    def remember_till(self, store_id: int, code: str, till_id: int) -> None:
        """Take up a till that was registered just now."""
        self._tills[store_id, code] = till_id
        self._till_codes[till_id] = code
