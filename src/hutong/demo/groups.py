"""The invented retail groups of the demonstration, their chains, and the formats that shape how a store trades."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chain:
    """A banner of a retailer; ``stores`` is its share of the 4,700, ``hours`` minutes of the day, ``tills`` at least and at most."""

    code: str
    zh: str
    en: str
    format: str
    stores: int
    hours: tuple[int, int]
    tills: tuple[int, int]

    @property
    def always_open(self) -> bool:
        return self.hours == (0, 1440)


@dataclass(frozen=True, slots=True)
class Retailer:
    """A retail group: ``level`` is its prices against the maker's own, ``label`` the GS1 prefix of its weighing scales, if any.

    A label with prefix 22 carries the price, one with prefix 25 the weight.
    """

    code: str
    zh: str
    en: str
    kind: str
    level: float
    label: str
    sells: str
    chains: tuple[Chain, ...]

    @property
    def departments(self) -> frozenset[str]:
        """The codes of the departments that it sells goods of."""
        return frozenset(self.sells.split())


ROUND_THE_CLOCK = (0, 1440)
_GROCERY = "drinks alcohol dairy snacks staples frozen produce butcher deli household personal beauty baby pet paperware wellness home"
_CONVENIENCE = "drinks alcohol dairy snacks staples frozen deli household personal paperware wellness digital"
_DEPARTMENT = "apparel beauty home baby digital appliances wellness"
_ELECTRONICS = "digital appliances"

RETAILERS = (
    Retailer(
        "baihe", "百合超市集团", "Baihe Supermarkets", "supermarket", 1.0, "25", _GROCERY + " appliances apparel",
        (
            Chain("baihe-market", "百合超市", "Baihe Market", "supermarket", 780, (450, 1320), (3, 7)),
            Chain("baihe-hyper", "百合大卖场", "Baihe Hypermarket", "hypermarket", 150, (480, 1350), (8, 18)),
        ),
    ),
    Retailer(
        "fenghe", "丰禾生鲜集团", "Fenghe Fresh Group", "supermarket", 0.97, "22", _GROCERY,
        (
            Chain("fenghe-fresh", "丰禾生鲜", "Fenghe Fresh", "supermarket", 520, (420, 1290), (3, 6)),
            Chain("fenghe-plaza", "丰禾广场", "Fenghe Plaza", "hypermarket", 80, (480, 1320), (8, 14)),
        ),
    ),
    Retailer(
        "jiejiao", "街角便利", "Jiejiao Convenience", "convenience", 1.08, "", _CONVENIENCE,
        (
            Chain("jiejiao-24", "街角便利", "Jiejiao Corner", "convenience", 2100, ROUND_THE_CLOCK, (2, 3)),
            Chain("jiejiao-express", "街角驿站", "Jiejiao Express", "convenience", 500, (390, 1410), (1, 2)),
        ),
    ),
    Retailer(
        "yunjin", "云锦百货", "Yunjin Department Stores", "department_store", 1.05, "", _DEPARTMENT,
        (
            Chain("yunjin-dept", "云锦百货", "Yunjin Department Store", "department_store", 120, (600, 1320), (8, 20)),
            Chain("yunjin-outlet", "云锦奥莱", "Yunjin Outlet", "department_store", 50, (600, 1290), (5, 10)),
        ),
    ),
    Retailer(
        "xinghui", "星汇电器", "Xinghui Electronics", "electronics", 1.0, "", _ELECTRONICS,
        (
            Chain("xinghui-store", "星汇电器", "Xinghui Electronics", "electronics", 280, (570, 1290), (2, 5)),
            Chain("xinghui-digital", "星汇数码", "Xinghui Digital", "electronics", 120, (600, 1320), (1, 3)),
        ),
    ),
)  # fmt: skip
"""Five groups of four kinds; their chains have 4,700 stores together."""
