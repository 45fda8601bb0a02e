"""The 34 province-level units on a tile grid of our own, and the cities and districts that the demonstration trades in."""

from dataclasses import dataclass
from functools import lru_cache

from hutong.demo.cities import CITIES


@dataclass(frozen=True, slots=True)
class Province:
    """A province-level unit under its short name: its code (GB/T 2260, two digits) and its tile on a grid of nine columns and eight rows."""

    code: int
    zh: str
    en: str
    column: int
    row: int
    trading: bool


@dataclass(frozen=True, slots=True)
class City:
    """A prefecture-level city, or a district of one of the four municipalities; ``people`` in hundred thousands, roughly."""

    code: int
    province: int
    zh: str
    en: str
    latitude: float
    longitude: float
    people: int


# code, name, name, column, row; an asterisk marks the 25 that the demonstration network trades in.
_PROVINCES = """
11 北京 Beijing 6 2 *
12 天津 Tianjin 7 2 *
13 河北 Hebei 5 2 *
14 山西 Shanxi 4 2 *
15 内蒙古 Inner_Mongolia 5 1 *
21 辽宁 Liaoning 7 1 *
22 吉林 Jilin 8 1 *
23 黑龙江 Heilongjiang 8 0 *
31 上海 Shanghai 7 4 *
32 江苏 Jiangsu 6 4 *
33 浙江 Zhejiang 6 5 *
34 安徽 Anhui 5 4 *
35 福建 Fujian 5 6 *
36 江西 Jiangxi 5 5 *
37 山东 Shandong 5 3 *
41 河南 Henan 4 3 *
42 湖北 Hubei 4 4 *
43 湖南 Hunan 4 5 *
44 广东 Guangdong 4 6 *
45 广西 Guangxi 3 6 *
46 海南 Hainan 3 7
50 重庆 Chongqing 3 4 *
51 四川 Sichuan 2 4 *
52 贵州 Guizhou 3 5 *
53 云南 Yunnan 2 5 *
54 西藏 Tibet 1 4
61 陕西 Shaanxi 3 3 *
62 甘肃 Gansu 2 2
63 青海 Qinghai 2 3
64 宁夏 Ningxia 3 2
65 新疆 Xinjiang 0 2
71 台湾 Taiwan 7 6
81 香港 Hong_Kong 5 7
82 澳门 Macao 4 7
"""


@lru_cache(maxsize=1)
def provinces() -> tuple[Province, ...]:
    """All 34 province-level units, by code."""
    units = []
    for line in _PROVINCES.strip().splitlines():
        code, zh, en, column, row, *trading = line.split()
        units.append(Province(int(code), zh, en.replace("_", " "), int(column), int(row), bool(trading)))
    return tuple(units)


@lru_cache(maxsize=1)
def cities() -> tuple[City, ...]:
    """All cities of the table, by code; a city's province is the first two digits of its code."""
    found = []
    for line in CITIES.strip().splitlines():
        code, zh, en, latitude, longitude, people = line.split()
        found.append(City(int(code), int(code[:2]), zh, en.replace("_", " "), float(latitude), float(longitude), int(people)))
    return tuple(found)
