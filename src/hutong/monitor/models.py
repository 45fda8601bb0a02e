"""What the pages show of each document beside its own figures: comparisons, shares, rankings; static/monitor/models.js does the same live."""

from collections.abc import Callable, Mapping, Sequence
from math import ceil, sqrt
from typing import Any

from hutong.monitor.documents import TROUBLE

Model = dict[str, Any]
LEVELS = 6
"""Shades of the tile map, beside none."""
COMPARED = ("value", "tickets", "average_ticket", "items_a_basket")


def change(now: float | None, before: float | None) -> dict[str, str]:
    """How ``now`` differs from ``before``: direction and text, so that colour never says it alone."""
    if now is None or not before:
        return {"direction": "none", "text": ""}
    tenths = int((now - before) / abs(before) * 1000 + (0.5 if now >= before else -0.5))
    if tenths == 0:
        return {"direction": "flat", "text": "= 0%"}
    size = abs(tenths)
    text = ">999" if size >= 10_000 else str((size + 5) // 10) if size >= 1000 else f"{size // 10}.{size % 10}"
    return {"direction": "up", "text": f"▲ +{text}%"} if tenths > 0 else {"direction": "down", "text": f"▼ −{text}%"}


def model_of(kind: str, document: Mapping[str, Any], as_of: str, provinces: Sequence[Mapping[str, Any]] = ()) -> Model:
    """The model of a document given as plain JSON data; ``provinces`` are the 34 units with their places on the tile map."""
    make: dict[str, Callable[[Model, Sequence[Mapping[str, Any]]], None]] = {
        "store": _store, "retailer": _retailer, "brand": _brand, "network": _network,
    }  # fmt: skip
    model = {**document, "as_of": as_of}
    if "last_week" in model:
        past = model["last_week"]["figures"]
        alike = model["alike"]["figures"] if "alike" in model else model["today"]
        model["change"] = {figure: change(alike[figure], past[figure]) for figure in COMPARED}
        whole_day = model["last_week"]["whole_day_value"]
        model["of_whole_day"] = alike["value"] / whole_day if whole_day > 0 else None
    make[kind](model, provinces)
    return model


def _store(model: Model, _provinces: Sequence[Mapping[str, Any]]) -> None:
    model["products"] = _ranked(model["products"], "product")
    model["tills"] = [{**till, "code": code, "as_of": model["as_of"]} for code, till in sorted(model["tills"].items())]
    tickets = model["today"]["tickets"]
    model["returned"] = model["today"]["returns"] / tickets if tickets else None


def _brand(model: Model, provinces: Sequence[Mapping[str, Any]]) -> None:
    model["map"] = tile_map(provinces, model["provinces"])
    model["retailers"] = _shares(model["retailers"])
    model["places"] = _named_places(model["provinces"], provinces)
    for ranking, key in (("products", "product"), ("stores", "gln")):
        model[ranking] = _ranked(model[ranking], key)
    model["recent"] = keyed(model["recent"])


def _retailer(model: Model, provinces: Sequence[Mapping[str, Any]]) -> None:
    minute = model["as_of"][:16] + ":00Z"  # what is said of a store changes with the minute, not with every heartbeat
    stores = [{**cell, "gln": gln, "as_of": minute} for gln, cell in model["stores"].items()]
    order = {status: place for place, status in enumerate(TROUBLE)}
    stores.sort(key=lambda cell: (order[cell["status"]], -cell["value"], cell["gln"]))
    model["ranking"] = stores
    model["store_count"] = len(stores)
    model["statuses"] = {status: model["statuses"].get(status, 0) for status in TROUBLE}
    places: dict[str, Model] = {}
    for cell in stores:
        place = places.setdefault(cell["province"], {"value": 0, "tickets": 0, "stores": 0, "trouble": 0})
        place["value"] += cell["value"]
        place["tickets"] += cell["tickets"]
        place["stores"] += 1
        place["trouble"] += cell["status"] in ("silent", "low")
    model["places"] = _named_places(places, provinces)


def _network(model: Model, _provinces: Sequence[Mapping[str, Any]]) -> None:
    units = [{**cell, "code": code} for code, cell in model["provinces"].items()]
    model["map"] = tile_map(units, model["provinces"])
    model["trading_units"] = sum(cell["trading"] for cell in units)
    model["trading_stores"] = sum(cell["stores"] for cell in units)
    model["retailers"] = _shares(model["retailers"])
    model["brands"] = _ranked(model["brands"], "brand")
    model["stores"] = _ranked(model["stores"], "gln")
    model["recent"] = keyed(model["recent"])


def _ranked(rows: Sequence[Mapping[str, Any]], key: str) -> list[Model]:
    """Rows with their rank, a key to know them by, and their share of the first."""
    most = max((row["value"] for row in rows), default=0)
    return [
        {**row, "key": row[key] if isinstance(row[key], str) else row[key]["code"], "rank": rank, "share": _share(row["value"], most)}
        for rank, row in enumerate(rows, 1)
    ]


def _shares(cells: Mapping[str, Mapping[str, Any]]) -> list[Model]:
    """Cells of a map by value down, as rows."""
    rows = [{**cell, "code": code, "gln": code} for code, cell in cells.items()]
    rows.sort(key=lambda row: (-row["value"], row["code"]))
    return _ranked(rows, "code")


def _named_places(cells: Mapping[str, Mapping[str, Any]], provinces: Sequence[Mapping[str, Any]]) -> list[Model]:
    """Cells by province with the provinces' names; stores without a place come under no name."""
    names = {unit["code"]: unit for unit in provinces}
    named = {
        code: {**cell, "name_zh": names.get(code, {}).get("name_zh", ""), "name_en": names.get(code, {}).get("name_en", "")}
        for code, cell in cells.items()
    }
    return _shares(named)


def _share(value: int, most: int) -> float:
    return max(0, value) / most if most > 0 else 0


def tile_map(units: Sequence[Mapping[str, Any]], cells: Mapping[str, Mapping[str, Any]]) -> Model:
    """Unit to its value and shade: 0 for none, else 1 to ``LEVELS`` by the square root of its share of the largest."""
    most = max((cell["value"] for cell in cells.values()), default=0)
    values = {unit["code"]: cells.get(unit["code"], {}).get("value", 0) for unit in units}
    return {code: {"value": value, "level": ceil(LEVELS * sqrt(value / most)) if value > 0 else 0} for code, value in values.items()}


def tiles(units: Sequence[Mapping[str, Any]]) -> list[Model]:
    """The units in reading order with their places and short names, as the tile map shows them."""
    placed = [
        {
            **unit,
            "short_zh": ABBREVIATIONS[unit["code"]][0],
            "short_en": ABBREVIATIONS[unit["code"]][1],
            "letters": ABBREVIATIONS[unit["code"]][2],
        }
        for unit in units
        if unit["code"] in ABBREVIATIONS
    ]
    return sorted(placed, key=lambda unit: (unit["row"], unit["column"]))


def keyed(rows: Sequence[Mapping[str, Any]]) -> list[Model]:
    """Rows that carry no id, newest first, with a key that stays the same while newer ones come in before them."""
    seen: dict[str, int] = {}
    known = []
    for row in reversed(rows):
        place = "/".join(
            str(part)
            for part in (
                row["completed_at"],
                row["store"]["code"],
                row.get("product", {}).get("code", ""),
                row.get("amount", row.get("value")),
            )
        )
        seen[place] = seen.get(place, 0) + 1
        known.append({**row, "key": f"{place}/{seen[place]}"})
    return known[::-1]


ABBREVIATIONS: dict[str, tuple[str, str, str]] = {
    "11": ("北京", "Beijing", "BJ"), "12": ("天津", "Tianjin", "TJ"), "13": ("河北", "Hebei", "HE"), "14": ("山西", "Shanxi", "SX"),
    "15": ("内蒙古", "Inner Mongolia", "NM"), "21": ("辽宁", "Liaoning", "LN"), "22": ("吉林", "Jilin", "JL"),
    "23": ("黑龙江", "Heilongjiang", "HL"), "31": ("上海", "Shanghai", "SH"), "32": ("江苏", "Jiangsu", "JS"),
    "33": ("浙江", "Zhejiang", "ZJ"), "34": ("安徽", "Anhui", "AH"), "35": ("福建", "Fujian", "FJ"), "36": ("江西", "Jiangxi", "JX"),
    "37": ("山东", "Shandong", "SD"), "41": ("河南", "Henan", "HA"), "42": ("湖北", "Hubei", "HB"), "43": ("湖南", "Hunan", "HN"),
    "44": ("广东", "Guangdong", "GD"), "45": ("广西", "Guangxi", "GX"), "46": ("海南", "Hainan", "HI"), "50": ("重庆", "Chongqing", "CQ"),
    "51": ("四川", "Sichuan", "SC"), "52": ("贵州", "Guizhou", "GZ"), "53": ("云南", "Yunnan", "YN"), "54": ("西藏", "Tibet", "XZ"),
    "61": ("陕西", "Shaanxi", "SN"), "62": ("甘肃", "Gansu", "GS"), "63": ("青海", "Qinghai", "QH"), "64": ("宁夏", "Ningxia", "NX"),
    "65": ("新疆", "Xinjiang", "XJ"), "71": ("台湾", "Taiwan", "TW"), "81": ("香港", "Hong Kong", "HK"), "82": ("澳门", "Macao", "MO"),
}  # fmt: skip
"""Province-level unit to its short Chinese and English names and its two letters (GB/T 2260)."""


def place_model(place: Mapping[str, Any]) -> Model:
    """The model of a place: its cities or stores with their shares of the first."""
    tickets, value = place["tickets"], place["value"]
    return {
        **place,
        "average": (2 * value + tickets) // (2 * tickets) if tickets else None,
        "cities": _ranked(place["cities"], "code"),
        "stores": _ranked(place["stores"], "gln"),
    }
