"""What retailers sell under numbers of their own: weighed fresh goods, hot food, and codes that nobody registered."""

from dataclasses import dataclass
from functools import lru_cache

from hutong.kernel.gs1 import check_digit


@dataclass(frozen=True, slots=True)
class OwnItem:
    """Goods under a retailer's own five-digit number; ``price`` in fen a kilogram if ``weighed``, else a piece."""

    number: str
    leaf: str
    zh: str
    en: str
    price: int
    weighed: bool


_WEIGHED = """
vegetable 大白菜 Chinese_Cabbage 298 | 小青菜 Pak_Choi 598 | 西红柿 Tomatoes 798 | 黄瓜 Cucumbers 698 | 土豆 Potatoes 398 | 胡萝卜 Carrots 458
vegetable 西兰花 Broccoli 998 | 茄子 Aubergines 698 | 青椒 Green_Peppers 858 | 菠菜 Spinach 898 | 莲藕 Lotus_Root 1080 | 山药 Yam 1380 | 生姜 Ginger 1680
vegetable 大蒜 Garlic 1280 | 香菇 Shiitake 1980 | 金针菇 Enoki 1180 | 冬瓜 Winter_Melon 358 | 芹菜 Celery 698 | 豆芽 Bean_Sprouts 498 | 韭菜 Chives 798
fruit 红富士苹果 Fuji_Apples 1180 | 香蕉 Bananas 798 | 砂糖橘 Tangerines 998 | 赣南脐橙 Navel_Oranges 1180 | 巨峰葡萄 Grapes 1680 | 猕猴桃 Kiwifruit 1980
fruit 皇冠梨 Pears 898 | 火龙果 Dragon_Fruit 1580 | 柚子 Pomelo 698 | 草莓 Strawberries 4980 | 车厘子 Cherries 7980 | 哈密瓜 Hami_Melon 980
meat 五花肉 Pork_Belly 3380 | 猪里脊 Pork_Loin 3580 | 排骨 Spare_Ribs 4680 | 牛腩 Beef_Brisket 7980 | 牛腱 Beef_Shank 8580 | 羊腿 Leg_of_Lamb 7680
meat 三黄鸡 Chicken 2980 | 鸡翅中 Chicken_Wings 4580 | 鸭腿 Duck_Legs 2680 | 鲜鸡蛋 Eggs 1180
fish 鲈鱼 Sea_Bass 3980 | 草鱼 Grass_Carp 1880 | 基围虾 Prawns 7980 | 带鱼 Hairtail 3580 | 花蛤 Clams 1580 | 三文鱼 Salmon 15800
"""
_PIECES = """
hot-food 茶叶蛋 Tea_Egg 250 | 关东煮 Oden 350 | 烤肠 Grilled_Sausage 500 | 鲜肉包 Pork_Bun 280 | 豆沙包 Red_Bean_Bun 250 | 玉米 Sweetcorn 500 | 饭团 Rice_Ball 650
hot-food 照烧鸡便当 Teriyaki_Bento 1690 | 咖喱猪排便当 Curry_Cutlet_Bento 1890 | 豆浆 Soy_Milk 350 | 现磨美式 Fresh_Americano 900 | 现磨拿铁 Fresh_Latte 1300 | 沙拉 Salad 1590
bakery 可颂 Croissant 790 | 法棍 Baguette 990 | 蛋挞 Egg_Tart 450 | 肉松面包 Pork_Floss_Bread 790 | 老婆饼 Wife_Cake 550 | 瑞士卷 Swiss_Roll 1990
"""


@lru_cache(maxsize=1)
def weighed_items() -> tuple[OwnItem, ...]:
    """Fresh goods sold by weight, numbered from 00101."""
    return _items(_WEIGHED, 101, weighed=True)


@lru_cache(maxsize=1)
def piece_items() -> tuple[OwnItem, ...]:
    """Hot food and bakery sold by the piece under a short number, from 80001."""
    return _items(_PIECES, 80_001, weighed=False)


def _items(text: str, first: int, *, weighed: bool) -> tuple[OwnItem, ...]:
    rows = [
        (line.split(maxsplit=1)[0], *entry.split())
        for line in text.strip().splitlines()
        for entry in line.split(maxsplit=1)[1].split(" | ")
    ]
    return tuple(
        OwnItem(f"{first + place:05d}", leaf, zh, en.replace("_", " "), int(price), weighed)
        for place, (leaf, zh, en, price) in enumerate(rows)
    )


def scale_label(prefix: str, number: str, value: int) -> str:
    """The 13-digit number that a scale prints: ``value`` is grams or fen, as the prefix says; at most 99,999."""
    body = f"{prefix}{number}{value:05d}"
    return body + check_digit(body)


UNREGISTERED = tuple(
    (code if len(code) < 12 else code + check_digit(code), price)
    for code, price in [
        ("697999000101", 1590),
        ("697999000202", 990),
        ("697999000303", 2990),
        ("697999000404", 450),
        ("BAG-S", 30),
        ("BAG-L", 50),
    ]
)
"""Codes with a price in fen that tills ring up although nobody registered them: a maker's unknown goods, and carrier bags."""
