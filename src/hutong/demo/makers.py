"""The invented makers: brands with fictitious GS1 company prefixes, and the categories each makes goods in."""

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Brand:
    """A maker's brand; ``prefix`` is its invented GS1 company prefix, ``leaves`` the codes of the categories it makes."""

    code: str
    zh: str
    en: str
    owner: str
    prefix: str
    leaves: tuple[str, ...]


_BRANDS = """
qinghe 青禾 Qinghe milk yogurt cheese
yunling 云岭牧场 Yunling_Pastures milk yogurt icecream
shanjian 山涧 Shanjian water tea-drink
guoran 果然多 Guoranduo juice soda
jinchi 劲驰 Jinchi energy soda
xingshan 醒山 Xingshan coffee tea-drink
chalin 茶邻 Chalin tea tea-drink
maichao 麦潮 Maichao beer soda
guhuai 古槐 Guhuai liquor wine
cuiya 脆丫 Cuiya chips biscuit
lizilin 栗子林 Lizilin nuts dried-fruit
tangzhi 糖纸 Tangzhi candy chocolate
maitianwu 麦田屋 Maitianwu biscuit bread
kuaizao 快灶 Kuaizao instant ready-meal
hemancang 禾满仓 Hemancang rice flour
jinzha 金榨坊 Jinzhafang oil sauce
laozaotai 老灶台 Laozaotai sauce spice
xuejiao 雪饺坊 Xuejiaofang dumpling ready-meal
binghe 冰河 Binghe icecream yogurt
haiyu 海屿 Haiyu canned dried-fruit
muxiang 牧香 Muxiang sausage canned
jingbai 净白 Jingbai laundry cleaning
rouyun 柔云 Rouyun paper diaper
liangjia 亮家 Liangjia cleaning kitchenware
siyu 丝语 Siyu hair body
haochi 皓齿 Haochi oral
muguang 沐光 Muguang body skin
huajian 花间 Huajian skin makeup
daise 黛色 Daise makeup
beian 贝安 Bei'an diaper formula
miaowang 喵汪 Miaowang pet-food
zhiyuan 纸鸢 Zhiyuan stationery
hengchuan 衡川 Hengchuan menswear
ruolan 若兰 Ruolan womenswear
tonghua 童画坊 Tonghuafang kidswear
chiyue 驰越 Chiyue shoes sportswear
mianshi 眠石 Mianshi bedding
tieguojiang 铁锅匠 Tieguojiang kitchenware
xingying 星萤 Xingying phone audio
jibei 极北 Jibei large-appliance
guangxian 光弦 Guangxian television audio
dianxiaojiang 电小匠 Dianxiaojiang small-appliance accessory
yicao 益草 Yicao health
"""


@lru_cache(maxsize=1)
def brands() -> tuple[Brand, ...]:
    """All brands of the demonstration, each with a company prefix of eight digits under 6998 (invented)."""
    found = []
    for number, line in enumerate(_BRANDS.strip().splitlines(), 1):
        code, zh, en, *leaves = line.split()
        en = en.replace("_", " ")
        found.append(Brand(code, zh, en, f"{zh}（演示）有限公司", f"6998{number * 37:04d}", tuple(leaves)))
    return tuple(found)
