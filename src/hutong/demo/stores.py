"""The stores of the demonstration: where they are, what they are called, how large they are; the same each time they are made."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from hutong.demo.chance import chance
from hutong.demo.groups import RETAILERS, Chain
from hutong.demo.places import City, cities, provinces
from hutong.kernel.gs1 import check_digit
from hutong.kernel.money import split

ALL_STORES = 4_700
GLN_PREFIX = "952"
"""The GS1 prefix that is set aside for demonstrations (General Specifications, figure 1.4.2-1): no real place has such a GLN."""

FIRST_CITY = 310106
FIRST_ROAD = ("南京西路", "West Nanjing Road")
FLAGSHIPS = {"baihe-market": (4.0, 10), "jiejiao-24": (1.6, 4), "baihe-hyper": (1.0, 14), "fenghe-plaza": (1.0, 12)}
"""Each chain's first store is in that road: how large it is, and its tills, where that is not as usual."""

_ROADS = """
人民 Renmin 解放 Jiefang 中山 Zhongshan 建设 Jianshe 和平 Heping 新华 Xinhua 文化 Wenhua 长江 Changjiang 黄河 Huanghe 北京 Beijing
上海 Shanghai 南京 Nanjing 延安 Yan'an 朝阳 Chaoyang 光明 Guangming 胜利 Shengli 团结 Tuanjie 友谊 Youyi 幸福 Xingfu 健康 Jiankang
滨河 Binhe 湖滨 Hubin 江滨 Jiangbin 学府 Xuefu 大学 Daxue 科技 Keji 创业 Chuangye 高新 Gaoxin 迎宾 Yingbin 站前 Zhanqian
凤凰 Fenghuang 桂花 Guihua 梧桐 Wutong 银杏 Yinxing 玉兰 Yulan 紫荆 Zijing 荷花 Hehua 翠竹 Cuizhu 松林 Songlin 白云 Baiyun
青年 Qingnian 体育 Tiyu 公园 Gongyuan 花园 Huayuan 工业 Gongye 东风 Dongfeng 红旗 Hongqi 振兴 Zhenxing 兴业 Xingye 富民 Fumin
永安 Yong'an 太平 Taiping 安康 Ankang 金桥 Jinqiao 龙山 Longshan 虹桥 Hongqiao 天河 Tianhe 海棠 Haitang 明珠 Mingzhu 星光 Xingguang
"""
_WEALTH = {11: 2.4, 12: 1.6, 31: 2.6, 32: 1.2, 33: 1.3, 44: 1.3, 50: 1.6}
"""Where there are more stores than people alone would have."""
_SIDES = (("", ""), ("东", "East "), ("西", "West "), ("南", "South "), ("北", "North "), ("中", "Central "))


@dataclass(frozen=True, slots=True)
class Store:
    """A store; ``retailer`` and ``chain`` are places in ``RETAILERS`` and its chains, ``size`` its trade against the format's mean."""

    retailer: int
    chain: int
    code: str
    gln: str
    zh: str
    en: str
    province: int
    city: int
    address: str
    latitude: float
    longitude: float
    size: float
    tills: int
    opened_on: date

    @property
    def banner(self) -> Chain:
        return RETAILERS[self.retailer].chains[self.chain]


def stores(count: int = ALL_STORES) -> tuple[Store, ...]:
    """``count`` stores, shared among chains, provinces and cities by size. Each chain's first is its flagship in West Nanjing Road, Shanghai."""
    shares = split(count, [chain.stores for retailer in RETAILERS for chain in retailer.chains])
    made: list[Store] = []
    for place, retailer in enumerate(RETAILERS):
        number = 0
        for position, chain in enumerate(retailer.chains):
            for first, (city, road) in enumerate(_spots(chain, shares.pop(0))):
                number += 1
                made.append(_store(place, position, number, city, road, flagship=first == 0))
    return tuple(made)


def _spots(chain: Chain, count: int) -> Iterator[tuple[City, tuple[str, str]]]:
    """Where the stores of a chain are: no two of them in one road of one city."""
    if count == 0:
        return
    trading = [unit.code for unit in provinces() if unit.trading]
    where = {code: [city for city in cities() if city.province == code] for code in trading}
    random = chance("spots", chain.code)
    leaning = [sum(city.people for city in where[code]) * _WEALTH.get(code, 1.0) * random.uniform(0.7, 1.4) for code in trading]
    yield next(city for city in cities() if city.code == FIRST_CITY), FIRST_ROAD
    for code, in_province in zip(trading, split(count - 1, [int(each) for each in leaning]), strict=True):
        for city, in_city in zip(where[code], split(in_province, [city.people for city in where[code]]), strict=True):
            roads = [road for road in _roads() if city.code != FIRST_CITY or road != FIRST_ROAD]
            yield from ((city, road) for road in chance("roads", chain.code, city.code).sample(roads, in_city))


def _roads() -> list[tuple[str, str]]:
    words = _ROADS.split()
    return [(f"{zh}{side}路", f"{side_en}{en} Road") for zh, en in zip(words[::2], words[1::2], strict=True) for side, side_en in _SIDES]


def _store(place: int, position: int, number: int, city: City, road: tuple[str, str], *, flagship: bool) -> Store:
    retailer = RETAILERS[place]
    chain = retailer.chains[position]
    random = chance("store", retailer.code, number)
    body = f"{GLN_PREFIX}{place + 1:02d}{number:07d}"
    size = min(2.4, max(0.4, random.lognormvariate(-0.08, 0.4)))
    tills = min(chain.tills[1], max(chain.tills[0], round(sum(chain.tills) / 2 * size)))
    if flagship:
        size, tills = FLAGSHIPS.get(chain.code, (1.5, chain.tills[1]))
    latitude, longitude = _near(city, random)
    house = random.randint(2, 1980)
    return Store(
        retailer=place,
        chain=position,
        code=f"{retailer.code[:2].upper()}{number:04d}",
        gln=body + check_digit(body),
        zh=f"{chain.zh} {road[0]}店",
        en=f"{chain.en} {road[1]}",
        province=city.province,
        city=city.code,
        address=f"{city.zh}{road[0]}{house}号",
        latitude=latitude,
        longitude=longitude,
        size=round(size, 3),
        tills=tills,
        opened_on=date(2012, 1, 1) + timedelta(days=random.randrange(4_900)),
    )


def _near(city: City, random: Random) -> tuple[float, float]:
    """A spot within some kilometres of the city's centre; a district is smaller than a city."""
    spread = 0.06 if city.code % 100 == 0 else 0.025
    return round(city.latitude + random.gauss(0, spread), 5), round(city.longitude + random.gauss(0, spread), 5)
