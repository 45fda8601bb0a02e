"""The monitor's pages: the first paint of each live document, the drill by place, and receipts; the scripts go on from there."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse

from hutong.directory import Permission, Principal, provinces, signed_in
from hutong.kernel.errors import NotFound
from hutong.kernel.gs1 import is_gln
from hutong.kernel.money import divide_half_up
from hutong.monitor.api import place_snapshot, topic_snapshot
from hutong.monitor.documents import Kind
from hutong.monitor.models import Model, model_of, place_model, tiles
from hutong.monitor.writers import STATUS_WORDS, day_words, writers_for
from hutong.platform.scope import Scope
from hutong.platform.web import mark, render
from hutong.sales import sale_by_id

router = APIRouter(include_in_schema=False)

Watcher = Annotated[Principal, Depends(signed_in)]
Day = Annotated[str | None, Query(alias="date", max_length=10)]

PLURALS: Mapping[Kind, str] = {"store": "stores", "brand": "brands", "retailer": "retailers"}
SAFE = "~()*!'"
"""What a link leaves as it is: as encodeURIComponent does, for the scripts go on with it."""
Step = tuple[Mapping[str, Any] | None, str]
"""A place on the way down, and its address."""
UNIT_SIGNS = {"KGM": "kg", "GRM": "g", "LTR": "l", "MLT": "ml", "MTR": "m"}
"""How a receipt writes units of UN/ECE Recommendation 20."""
SHOWN_STORES = 40
"""Stores of a retailer in the first paint and at each "show more"; as in retailer.js."""
TENDER_WORDS = {
    "cash": mark("Cash"), "alipay": mark("Alipay"), "wechat": mark("WeChat Pay"), "unionpay": mark("UnionPay"), "card": mark("Card"),
    "voucher": mark("Voucher"), "points": mark("Points"), "rounding": mark("Rounding"), "other": mark("Other"),
}  # fmt: skip


@router.get("/monitor")
async def network_page(request: Request, by: Watcher, day: Day = None) -> HTMLResponse:
    """The big screen."""
    return await live_page(request, by, "network", "network", day)


@router.get("/monitor/retailers/{code}")
async def retailer_page(request: Request, code: str, by: Watcher, day: Day = None) -> HTMLResponse:
    """A retailer's stores, those in trouble first."""
    return await live_page(request, by, "retailer", code, day)


@router.get("/monitor/brands/{code}")
async def brand_page(request: Request, code: str, by: Watcher, day: Day = None) -> HTMLResponse:
    """A brand's products in every retailer's stores."""
    return await live_page(request, by, "brand", code, day)


@router.get("/monitor/stores/{gln}")
async def store_page(request: Request, gln: str, by: Watcher, day: Day = None) -> HTMLResponse:
    """A store's day."""
    return await live_page(request, by, "store", gln, day)


async def live_page(request: Request, principal: Principal, kind: Kind, code: str, day: str | None) -> HTMLResponse:
    """The first paint of a live document, with the document as data for the scripts that keep it live."""
    snapshot = msgspec.to_builtins(await topic_snapshot(request, principal, kind, code, day), str_keys=True)
    units = await placed_units(request, principal)
    identity = snapshot["document"]["identity"]
    model = model_of(kind, snapshot["document"], snapshot["as_of"], units)
    if kind == "retailer":
        model |= {"shown": model["ranking"][:SHOWN_STORES], "hidden_stores": max(0, len(model["ranking"]) - SHOWN_STORES)}
    if kind == "network":
        model["rate"] = None
    watched = "today" if identity["today"] else identity["business_date"]
    path = "network" if kind == "network" else f"{PLURALS[kind]}/{code}"
    return Painting(request, principal, kind, model, identity).page(
        snapshot=snapshot,
        units=units,
        provinces=units,
        stream=f"/v1/streams/{path}?date={watched}",
        document_address=f"/v1/monitor/{path}?date={watched}",
    )


@router.get("/monitor/places/{province}")
async def province_page(request: Request, province: str, by: Watcher, day: Day = None) -> HTMLResponse:
    """The cities and the strongest stores of a province."""
    return await place_page(request, by, province, None, day)


@router.get("/monitor/places/{province}/{city}")
async def city_page(request: Request, province: str, city: str, by: Watcher, day: Day = None) -> HTMLResponse:
    """The stores of a city."""
    return await place_page(request, by, province, city, day)


async def place_page(request: Request, principal: Principal, province: str, city: str | None, day: str | None) -> HTMLResponse:
    """A place's cities or stores; the script asks for the same again every five seconds."""
    place = msgspec.to_builtins(await place_snapshot(request, principal, province, city, day), str_keys=True)
    zone = request.app.state.settings.network_zone
    today = place["business_date"] == datetime.fromisoformat(place["as_of"]).astimezone(ZoneInfo(zone)).date().isoformat()
    named = place["city"] or place["province"]
    identity = {**named, "kind": "place", "business_date": place["business_date"], "zone": zone, "currency": "CNY", "today": today}
    place["identity"] = identity
    path = f"places/{province}" + (f"/{city}" if city else "")
    return Painting(request, principal, "place", place_model(place), identity).page(
        snapshot={"document": place, "as_of": place["as_of"]},
        units=[],
        provinces=[],
        stream="",
        document_address=f"/v1/monitor/{path}?date={'today' if today else place['business_date']}",
        province=province,
    )


@router.get("/monitor/stores/{gln}/sales/{sale_id}")
async def receipt_page(request: Request, gln: str, sale_id: str, by: Watcher) -> HTMLResponse:
    """One sale, return or void as a receipt."""
    store = await receipt_store(request, by, gln)
    try:
        wanted = UUID(sale_id)
    except ValueError:
        raise NotFound from None
    database = request.app.state.database
    async with database.read(Scope.of_retailer(store["retailer_id"])) as reader:  # what came back of a line is kept for the retailer
        sale = await sale_by_id(reader, wanted, store["retailer_id"])
    if sale is None or sale["store"] != gln:
        raise NotFound
    async with database.read(by.scope_for(Permission.READ_SALES)) as reader:
        original = await sale_by_id(reader, UUID(sale["original"]), store["retailer_id"]) if sale["original"] else None
    return render(
        request, "monitor/receipt.html", by, sale=sale, store=store, taxes=taxes_of(sale), tender_words=TENDER_WORDS, unit_signs=UNIT_SIGNS,
        original_store=original["store"] if original else None,
        completed_at=datetime.fromisoformat(sale["completed_at"]), captured_at=datetime.fromisoformat(sale["captured_at"]),
    )  # fmt: skip


async def receipt_store(request: Request, principal: Principal, gln: str) -> dict[str, Any]:
    """The store of a receipt with its retailer's names, if ``principal`` may read its sales. Raises NotFound."""
    if not is_gln(gln):
        raise NotFound
    async with request.app.state.database.read(principal.scope_for(Permission.READ_SALES)) as reader:
        row = await reader.row(
            """select s.id, s.retailer_id, s.name_zh, s.name_en, s.address, r.code, r.name_zh as retailer_zh, r.name_en as retailer_en
               from store s join retailer r on r.id = s.retailer_id where s.gln = :gln""",
            gln=gln,
        )
    if row is None:
        raise NotFound
    principal.must(Permission.READ_SALES, retailer_id=row.retailer_id, store_id=row.id)
    store = dict(row._mapping)
    return store | {"retailer": {"name_zh": row.retailer_zh, "name_en": row.retailer_en}}


def taxes_of(sale: Mapping[str, Any]) -> list[dict[str, Any]]:
    """VAT by rate, as the foot of a receipt lists it; nothing for a void, which is no sale."""
    if sale["kind"] == "void":
        return []
    rates: dict[str, dict[str, Any]] = {}
    for line in sale["lines"]:
        tax = rates.setdefault(str(line["vat_rate"]), {"rate": str(line["vat_rate"]), "vat": 0, "gross": 0})
        tax["vat"] += line["vat"]
        tax["gross"] += line["amount"]
    return [{**tax, "net": tax["gross"] - tax["vat"]} for _, tax in sorted(rates.items(), key=lambda item: float(item[0]))]


async def placed_units(request: Request, principal: Principal) -> list[Model]:
    """The 34 province-level units with their places on the tile map and short names."""
    async with request.app.state.database.read(principal.scope) as reader:
        rows = await provinces(reader)
    return tiles(
        [
            {"code": str(row.code), "name_zh": row.name_zh, "name_en": row.name_en, "column": row.grid_column, "row": row.grid_row,
             "trading": row.trading}
            for row in rows
        ]
    )  # fmt: skip


class Painting:
    """What the templates of live pages need: the model, and the writers that put its places into words."""

    def __init__(self, request: Request, principal: Principal, kind: str, model: Model, identity: Mapping[str, Any]) -> None:
        self.request, self.principal, self.kind, self.model, self.identity = request, principal, kind, model, identity
        self.writers = writers_for(identity)
        self.network_wide = principal.may(Permission.READ_MONITOR)

    def page(self, **context: Any) -> HTMLResponse:
        """The page. Whatever is in words is made while the template runs: only then the language is known."""
        shown_day, today = date.fromisoformat(self.identity["business_date"]), bool(self.identity["today"])
        return render(
            self.request, f"monitor/{self.kind}.html", self.principal,
            kind=self.kind, model=self.model, identity=self.identity, code=self.identity["code"], steps=self.steps(),
            at=at, text=self.text, link=link, bar_width=bar_width, day_words=day_words, status_words=STATUS_WORDS,
            network_wide=self.network_wide, retailer_address=self.retailer_address(), shown_day=shown_day,
            day_before=shown_day - timedelta(days=1), day_after=None if today else shown_day + timedelta(days=1),
            week_before=shown_day - timedelta(days=7), date_query="" if today else f"?date={shown_day}", **context,
        )  # fmt: skip

    def text(self, scope: Any, path: str, writer: str = "plain", blank: str = "–") -> str:
        """The text at ``path`` of a model or row, written by ``writer``; nothing in the empty row that scripts copy."""
        if scope is None:
            return ""
        value = at(scope, path)
        return blank if value is None else self.writers[writer](value)

    def retailer_address(self) -> str:
        """Where the store's retailer is watched, if the reader may go there: whoever sees the network, or all of that retailer."""
        retailer = self.identity.get("retailer")
        wide = self.network_wide or any(
            grant.place == "retailer" and Permission.READ_MONITOR in grant.permissions for grant in self.principal.grants
        )
        return f"/monitor/retailers/{retailer['code']}" if retailer and wide else ""

    def steps(self) -> list[Step]:
        """The way down to this page, as far as the reader may go up again; None stands for the whole network."""
        steps: list[Step] = [(None, "/monitor")] if self.network_wide else []
        if self.kind == "network":
            return [(None, "")]
        province, city = (self.model if self.kind == "place" else self.identity).get("province"), self.identity.get("city")
        if self.network_wide and province and (self.kind == "store" or self.model.get("city")):
            steps.append((province, f"/monitor/places/{province['code']}"))
            if city:
                steps.append((city, f"/monitor/places/{province['code']}/{city['code']}"))
        elif self.retailer_address():
            steps.append((self.identity["retailer"], self.retailer_address()))
        return [*steps, (self.identity, "")]


def at(scope: Any, path: str) -> Any:
    """The value at a dotted ``path`` of a model, None where it ends early; ``.`` is the model itself."""
    if path == "." or scope is None:
        return scope
    for key in path.split("."):
        scope = scope.get(key) if isinstance(scope, Mapping) else None
    return scope


def link(scope: Any, pattern: str) -> str:
    """An address with each ``{place}`` taken from the model; the scripts fill the empty row's later."""
    if scope is None:
        return ""
    head, *rest = pattern.split("{")
    parts = [part.partition("}") for part in rest]
    return head + "".join(f"{quote(str(at(scope, place) or ''), safe=SAFE)}{tail}" for place, _, tail in parts)


def bar_width(scope: Any, path: str) -> str:
    """The width of a bar of 100 for a share between 0 and 1."""
    return f"{divide_half_up(int(min(1, max(0, at(scope, path) or 0)) * 10_000), 10) / 10:.1f}" if scope is not None else "0"
