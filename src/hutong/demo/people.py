"""The people of the demonstration: one for every role, and where each should look first."""

from dataclasses import dataclass

from hutong.demo.groups import RETAILERS
from hutong.demo.makers import brands
from hutong.demo.stores import Store


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """Somebody to log in as; ``place`` is the code of a retailer or brand or the GLN of a store, by role."""

    login: str
    name: str
    role: str
    locale: str
    place: str
    where: str
    page: str


def people(stores: tuple[Store, ...]) -> tuple[DemoPerson, ...]:
    """Everybody who can log in; store roles are at flagships."""
    flagship = stores[0]
    open_all_night = next((store for store in stores if store.banner.always_open), flagship)
    found = [DemoPerson("operator", "林岚", "network_operator", "zh", "", "Network", "/monitor")]
    names = ("周敏", "吴桐", "郑海", "王珂", "冯雪")
    for retailer, name in zip(RETAILERS, names, strict=True):
        page = f"/monitor/retailers/{retailer.code}"
        found.append(DemoPerson(f"office-{retailer.code}", name, "head_office", "zh", retailer.code, retailer.en, page))
    found += [
        DemoPerson("manager", "陈静", "store_manager", "zh", flagship.gln, flagship.en, f"/monitor/stores/{flagship.gln}"),
        DemoPerson(
            "manager-24", "Leah Chu", "store_manager", "en", open_all_night.gln, open_all_night.en, f"/monitor/stores/{open_all_night.gln}"
        ),
        DemoPerson("cashier", "蒋文", "cashier", "zh", flagship.gln, flagship.en, "/catalog"),
    ]
    for code, name, locale in (("qinghe", "沈若", "zh"), ("xingshan", "Mark Han", "en")):
        brand = next(each for each in brands() if each.code == code)
        found.append(DemoPerson(f"brand-{code}", name, "brand_manager", locale, code, f"{brand.en} (brand)", f"/monitor/brands/{code}"))
    found.append(DemoPerson("integrator", "Ines Yang", "integrator", "en", RETAILERS[0].code, RETAILERS[0].en, "/directory/keys"))
    return tuple(found)
