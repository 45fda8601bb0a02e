"""The category tree, and the kinds of goods, flavours and sizes that products of each leaf are made from."""

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Category:
    """A category; ``parent`` is the code of the one above it, empty at the top."""

    code: str
    parent: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """A category that products are in: its department (the category above it), VAT in basis points, and what goods it has.

    Every flavour goes with every kind and every size; ``sizes`` have a price in fen before the retailers' own.
    """

    code: str
    department: str
    vat: int
    flavours: tuple[tuple[str, str], ...]
    kinds: tuple[tuple[str, str], ...]
    sizes: tuple[tuple[str, int], ...]


_TOP = """
food 食品 Food
fresh 生鲜 Fresh_food
care 日化 Household_and_care
fashion 服饰 Fashion
living 家居 Home
electrics 电器数码 Electrical_goods
other 其他 Other
"""
_DEPARTMENTS = """
drinks food 饮料 Drinks
alcohol food 酒类 Alcohol
dairy food 乳品 Dairy
snacks food 休闲食品 Snacks
staples food 粮油调味 Staples
frozen food 冷冻冷藏 Frozen_and_chilled
produce fresh 果蔬 Fruit_and_vegetables
butcher fresh 肉禽水产 Meat_and_fish
deli fresh 熟食烘焙 Hot_food_and_bakery
household care 家庭清洁 Household
personal care 个人护理 Personal_care
beauty care 美妆 Beauty
baby care 母婴 Baby
pet other 宠物 Pets
paperware other 文具 Stationery
wellness other 保健 Health
apparel fashion 服装鞋履 Clothing_and_shoes
home living 家纺厨具 Home_and_kitchen
digital electrics 数码 Digital
appliances electrics 家电 Appliances
"""
# code department VAT% name name | flavours | kinds | size@fen …   (a flavour or kind is zh:en, en with _ for a space; "-" is none)
_LEAVES = """
water drinks 13 饮用水 Water | - 柠檬味:Lemon 青柠味:Lime 白桃味:Peach | 天然水:Spring_Water 苏打水:Soda_Water 矿泉水:Mineral_Water | 350ml@180 550ml@220 1.5L@420 4.5L@980
tea-drink drinks 13 茶饮料 Tea_drinks | 无糖:Unsweetened 低糖:Low_Sugar 蜜桃:Peach 柠檬:Lemon | 乌龙茶:Oolong_Tea 茉莉花茶:Jasmine_Tea 绿茶:Green_Tea 红茶:Black_Tea | 500ml@480 900ml@690 1.25L@850
tea drinks 13 茶叶 Tea | 特级:Premium 一级:First_Grade 有机:Organic | 龙井茶:Longjing_Tea 铁观音:Tieguanyin_Tea 普洱茶:Pu'er_Tea 白茶:White_Tea | 100g@5800 250g@12800 500g@22800
juice drinks 13 果汁 Juice | 橙:Orange 苹果:Apple 葡萄:Grape 芒果:Mango 番茄:Tomato 混合:Mixed | 果汁:Juice NFC果汁:NFC_Juice 果肉饮料:Pulp_Drink | 300ml@550 450ml@690 1L@1390
soda drinks 13 碳酸饮料 Soft_drinks | 原味:Original 零糖:Zero 青柠:Lime 荔枝:Lychee | 可乐:Cola 汽水:Soda 气泡水:Sparkling_Water | 330ml@280 500ml@350 2L@790
energy drinks 13 功能饮料 Energy_drinks | 原味:Original 无糖:Sugar-free 西柚:Grapefruit 海盐:Sea_Salt | 电解质水:Electrolyte_Water 能量饮料:Energy_Drink 维生素饮料:Vitamin_Drink | 250ml@550 500ml@650 1L@980
coffee drinks 13 咖啡 Coffee | 美式:Americano 拿铁:Latte 摩卡:Mocha 燕麦:Oat | 即饮咖啡:Ready_Coffee 冷萃咖啡:Cold_Brew 速溶咖啡:Instant_Coffee | 268ml@690 300ml@890 480ml@1180
beer alcohol 13 啤酒 Beer | 淡爽:Light 原浆:Draft 全麦:Wheat 黑:Dark | 啤酒:Beer 精酿啤酒:Craft_Beer | 330ml@500 500ml@690 6x330ml@2880 1L@1280
liquor alcohol 13 白酒 Baijiu | 经典:Classic 陈酿:Aged 珍藏:Reserve | 浓香型白酒:Strong_Baijiu 清香型白酒:Light_Baijiu 酱香型白酒:Sauce_Baijiu | 100ml@2880 250ml@6800 500ml@16800
wine alcohol 13 葡萄酒 Wine | 干型:Dry 半甜:Semi-sweet | 红葡萄酒:Red_Wine 白葡萄酒:White_Wine 起泡酒:Sparkling_Wine | 375ml@4800 750ml@8800
milk dairy 9 牛奶 Milk | 全脂:Whole 低脂:Low-fat 脱脂:Skimmed 高钙:High-calcium | 鲜牛奶:Fresh_Milk 纯牛奶:UHT_Milk 有机牛奶:Organic_Milk | 250ml@450 950ml@1590 12x250ml@4980
yogurt dairy 13 酸奶 Yogurt | 原味:Plain 草莓:Strawberry 黄桃:Peach 蓝莓:Blueberry 燕麦:Oat 零蔗糖:No_Sugar | 酸奶:Yogurt 希腊酸奶:Greek_Yogurt 饮用酸奶:Drinking_Yogurt | 100g@390 200g@690 450g@1290
cheese dairy 13 奶酪 Cheese | 原味:Plain 水果:Fruit 芝士:Cheddar | 奶酪棒:Cheese_Sticks 奶酪片:Cheese_Slices 马苏里拉:Mozzarella | 100g@1390 250g@2590 500g@4290
icecream frozen 13 冰淇淋 Ice_cream | 香草:Vanilla 巧克力:Chocolate 抹茶:Matcha 红豆:Red_Bean 芒果:Mango | 冰淇淋:Ice_Cream 雪糕:Ice_Lolly 甜筒:Cone | 65g@500 90g@780 420g@2680
chips snacks 13 膨化食品 Crisps | 原味:Original 番茄:Tomato 黄瓜:Cucumber 烧烤:Barbecue 海苔:Seaweed | 薯片:Potato_Crisps 虾条:Prawn_Sticks 爆米花:Popcorn | 45g@450 75g@690 135g@1090
biscuit snacks 13 饼干糕点 Biscuits | 原味:Original 巧克力:Chocolate 香葱:Spring_Onion 芝士:Cheese | 苏打饼干:Crackers 夹心饼干:Sandwich_Biscuits 曲奇:Cookies | 100g@590 200g@990 400g@1790
bread snacks 13 面包 Bread | 原味:Plain 全麦:Wholemeal 红豆:Red_Bean 肉松:Pork_Floss | 吐司:Toast 小餐包:Rolls 蛋糕:Cake | 80g@480 200g@980 400g@1480
nuts snacks 13 坚果炒货 Nuts | 原味:Plain 盐焗:Salted 奶油:Creamy 五香:Five-spice | 瓜子:Sunflower_Seeds 开心果:Pistachios 腰果:Cashews 核桃:Walnuts 每日坚果:Mixed_Nuts | 100g@1290 210g@2390 500g@4990
dried-fruit snacks 13 果干海味 Dried_snacks | 原味:Plain 香辣:Spicy 蜜汁:Honey | 芒果干:Dried_Mango 鱿鱼丝:Dried_Squid 海苔:Seaweed 山楂条:Hawthorn_Strips | 60g@890 120g@1590 300g@3290
candy snacks 13 糖果 Sweets | 薄荷:Mint 水果:Fruit 牛奶:Milk 话梅:Plum 可乐:Cola | 硬糖:Hard_Candy 软糖:Gummies 口香糖:Chewing_Gum 棒棒糖:Lollipop | 30g@350 60g@590 150g@1190
chocolate snacks 13 巧克力 Chocolate | 牛奶:Milk 黑:Dark 榛仁:Hazelnut 白:White | 巧克力:Chocolate 夹心巧克力:Filled_Chocolate 威化巧克力:Wafer | 40g@790 100g@1590 200g@2990
instant staples 13 方便食品 Instant_food | 红烧牛肉:Braised_Beef 老坛酸菜:Pickled_Cabbage 番茄鸡蛋:Tomato_Egg 香辣:Spicy 豚骨:Tonkotsu | 方便面:Instant_Noodles 拌面:Dry_Noodles 米粉:Rice_Noodles | 100g@450 130g@590 5x100g@1490
ready-meal frozen 13 即食菜 Ready_meals | 宫保鸡丁:Kung_Pao_Chicken 鱼香肉丝:Yuxiang_Pork 咖喱牛肉:Curry_Beef 麻婆豆腐:Mapo_Tofu | 自热米饭:Self-heating_Rice 速冻炒饭:Frozen_Fried_Rice 料理包:Meal_Pouch | 200g@1190 300g@1890 500g@2790
rice staples 9 大米 Rice | 长粒:Long-grain 珍珠:Pearl 有机:Organic 软香:Fragrant | 大米:Rice 糙米:Brown_Rice 糯米:Glutinous_Rice | 1kg@990 2.5kg@1990 5kg@3590 10kg@6590
flour staples 9 面粉面条 Flour_and_noodles | 高筋:Strong 中筋:Plain 全麦:Wholemeal | 面粉:Flour 挂面:Noodles 饺子粉:Dumpling_Flour | 500g@590 1kg@890 2.5kg@1690 5kg@3090
oil staples 9 食用油 Cooking_oil | 压榨:Pressed 物理:Filtered 特香:Fragrant | 花生油:Peanut_Oil 菜籽油:Rapeseed_Oil 大豆油:Soybean_Oil 玉米油:Corn_Oil | 900ml@1990 1.8L@3690 5L@8990
sauce staples 13 酱油醋酱 Sauces | 特级:Premium 减盐:Less_Salt 传统:Traditional | 酱油:Soy_Sauce 香醋:Vinegar 蚝油:Oyster_Sauce 豆瓣酱:Bean_Paste 火锅底料:Hotpot_Base | 200ml@790 500ml@1190 1.28L@1990
spice staples 13 调味料 Spices | 精选:Select 家用:Family 川味:Sichuan | 花椒粉:Sichuan_Pepper 五香粉:Five-spice_Powder 鸡精:Chicken_Bouillon 食盐:Salt | 40g@490 100g@890 400g@1390
dumpling frozen 13 速冻面点 Frozen_dim_sum | 猪肉大葱:Pork_and_Leek 韭菜鸡蛋:Chive_and_Egg 三鲜:Three_Delicacies 玉米蔬菜:Corn_and_Vegetable | 水饺:Dumplings 馄饨:Wontons 包子:Buns 汤圆:Tangyuan | 300g@1290 500g@1990 1kg@3290
canned staples 13 罐头 Canned_food | 红烧:Braised 清蒸:Steamed 豆豉:Black_Bean | 鱼罐头:Canned_Fish 午餐肉:Luncheon_Meat 黄桃罐头:Canned_Peach | 120g@890 200g@1390 340g@1990
sausage frozen 13 肉制品 Cooked_meats | 原味:Original 玉米:Corn 黑胡椒:Black_Pepper 香辣:Spicy | 火腿肠:Ham_Sausage 烤肠:Grill_Sausage 培根:Bacon 午餐肠:Bologna | 50g@250 240g@1190 400g@2190
laundry household 13 衣物清洁 Laundry | 薰衣草:Lavender 茉莉:Jasmine 除菌:Antibacterial 婴童:Baby | 洗衣液:Laundry_Liquid 洗衣凝珠:Laundry_Pods 柔顺剂:Softener | 500g@1290 2kg@3390 3kg@4590
cleaning household 13 家居清洁 Cleaning | 柠檬:Lemon 清新:Fresh 强力:Strong | 洗洁精:Washing-up_Liquid 厨房清洁剂:Kitchen_Cleaner 洁厕液:Toilet_Cleaner 玻璃水:Glass_Cleaner | 500g@990 1kg@1590 2kg@2490
paper household 13 纸品 Paper | 原木:Wood-pulp 无香:Unscented 云柔:Cloud-soft 加厚:Thick | 抽纸:Facial_Tissue 卷纸:Toilet_Paper 湿巾:Wet_Wipes 厨房纸:Kitchen_Roll | 3p@990 10p@2390 24p@4990
hair personal 13 洗护发 Hair_care | 去屑:Anti-dandruff 柔顺:Smooth 控油:Oil-control 修护:Repair | 洗发水:Shampoo 护发素:Conditioner 发膜:Hair_Mask | 200ml@2390 400ml@3990 750ml@5990
body personal 13 身体护理 Body_care | 樱花:Cherry_Blossom 牛奶:Milk 海盐:Sea_Salt 生姜:Ginger | 沐浴露:Shower_Gel 香皂:Soap 身体乳:Body_Lotion 洗手液:Hand_Wash | 100g@890 250ml@1990 750ml@3990
oral personal 13 口腔护理 Oral_care | 薄荷:Mint 茶:Tea 美白:Whitening 抗敏:Sensitive 儿童:Children's | 牙膏:Toothpaste 牙刷:Toothbrush 漱口水:Mouthwash 牙线:Dental_Floss | S@990 M@1590 L@2490 XL@3290
skin beauty 13 护肤 Skin_care | 补水:Hydrating 舒缓:Soothing 紧致:Firming 亮肤:Brightening | 面霜:Face_Cream 爽肤水:Toner 精华:Serum 面膜:Face_Mask 洁面乳:Cleanser | 30ml@8900 50ml@15900 120ml@19900
makeup beauty 13 彩妆 Make-up | 哑光:Matte 水光:Dewy 丝绒:Velvet 持妆:Long-wear | 口红:Lipstick 粉底液:Foundation 眼影盘:Eyeshadow 气垫:Cushion 眉笔:Brow_Pencil | 01@9900 02@12900 03@15900
diaper baby 13 尿裤 Nappies | 超薄:Ultra-thin 夜用:Night 拉拉裤:Pull-up | 纸尿裤:Nappies 婴儿湿巾:Baby_Wipes 隔尿垫:Changing_Mats | S@4990 M@6990 L@8990 XL@9990
formula baby 13 婴幼儿食品 Baby_food | 一段:Stage_1 二段:Stage_2 三段:Stage_3 四段:Stage_4 | 配方奶粉:Milk_Formula 有机奶粉:Organic_Formula 米粉:Rice_Cereal | 225g@5900 400g@13800 800g@25800
pet-food pet 13 宠物食品 Pet_food | 鸡肉:Chicken 三文鱼:Salmon 牛肉:Beef 鸭肉:Duck | 猫粮:Cat_Food 狗粮:Dog_Food 猫条:Cat_Treats 猫砂:Cat_Litter | 85g@690 1.5kg@5990 5kg@14900
stationery paperware 13 文具 Stationery | 黑色:Black 蓝色:Blue 红色:Red 彩色:Coloured | 中性笔:Gel_Pen 笔记本:Notebook 文件夹:Folder 便利贴:Sticky_Notes 胶带:Tape | A6@390 A5@690 A4@1290
menswear apparel 13 男装 Menswear | 黑色:Black 藏青:Navy 灰色:Grey 白色:White | 衬衫:Shirt 休闲裤:Trousers 羽绒服:Down_Jacket 针织衫:Sweater T恤:T-shirt | M@19900 L@25900 XL@35900
womenswear apparel 13 女装 Womenswear | 米白:Ivory 黑色:Black 驼色:Camel 酒红:Burgundy | 连衣裙:Dress 大衣:Coat 针织衫:Sweater 半身裙:Skirt 衬衫:Blouse | S@22900 M@29900 L@39900
kidswear apparel 13 童装 Kidswear | 蓝色:Blue 粉色:Pink 黄色:Yellow | 卫衣:Sweatshirt 外套:Jacket 长裤:Trousers 家居服:Pyjamas 连衣裙:Dress | 110@9900 120@12900 130@15900 140@18900
shoes apparel 13 鞋 Shoes | 黑色:Black 白色:White 灰色:Grey | 跑鞋:Running_Shoes 板鞋:Trainers 篮球鞋:Basketball_Shoes 徒步鞋:Hiking_Shoes | 38@29900 40@34900 42@39900
sportswear apparel 13 运动服 Sportswear | 黑色:Black 蓝色:Blue 荧光:Neon | 运动T恤:Sports_Shirt 运动裤:Sports_Trousers 冲锋衣:Shell_Jacket | M@15900 L@22900 XL@32900
bedding home 13 家纺 Bedding | 雾蓝:Mist_Blue 米白:Ivory 烟粉:Dusty_Pink 深灰:Dark_Grey | 四件套:Bed_Set 被子:Duvet 枕头:Pillow 毛巾:Towel 床垫:Mattress_Topper | 1.2m@12900 1.5m@22900 1.8m@32900
kitchenware home 13 厨具 Kitchenware | 不粘:Non-stick 铸铁:Cast-iron 不锈钢:Stainless 陶瓷:Ceramic | 炒锅:Wok 汤锅:Stockpot 煎锅:Frying_Pan 刀具:Knife 保温杯:Flask | 20cm@8900 26cm@15900 32cm@22900
phone digital 13 手机平板 Phones_and_tablets | 石墨黑:Graphite 雪白:Snow 晴蓝:Clear_Blue | 手机:Phone Pro手机:Pro_Phone 折叠手机:Folding_Phone 平板:Tablet | 128G@229900 256G@299900 512G@399900
audio digital 13 影音 Audio | 黑色:Black 白色:White 绿色:Green | 蓝牙耳机:Earbuds 头戴耳机:Headphones 音箱:Speaker 回音壁:Soundbar | SE@19900 Pro@59900 Max@129900
accessory digital 13 数码配件 Accessories | 黑色:Black 白色:White 橙色:Orange | 充电器:Charger 数据线:Cable 充电宝:Power_Bank 手机壳:Phone_Case 键盘:Keyboard | S@3900 M@6900 L@12900
large-appliance appliances 13 大家电 Large_appliances | 白色:White 银色:Silver 墨绿:Dark_Green | 冰箱:Fridge 洗衣机:Washing_Machine 空调:Air_Conditioner 洗碗机:Dishwasher 热水器:Water_Heater | A1@189900 A3@299900 A5@459900 A7@699900
television appliances 13 电视 Televisions | 标准:Standard 高刷:High-refresh 量子点:Quantum-dot | 智能电视:Smart_TV 投影仪:Projector 激光电视:Laser_TV | 43@149900 55@249900 65@349900 75@499900
small-appliance appliances 13 小家电 Small_appliances | 白色:White 黑色:Black 薄荷绿:Mint | 电饭煲:Rice_Cooker 空气炸锅:Air_Fryer 吹风机:Hair_Dryer 扫地机器人:Robot_Vacuum 电水壶:Kettle | S@14900 M@24900 L@39900
health wellness 13 营养保健 Supplements | 成人:Adult 儿童:Children's 女士:Women's 中老年:Senior | 维生素C:Vitamin_C 复合维生素:Multivitamin 钙片:Calcium 鱼油:Fish_Oil 益生菌:Probiotics | 30p@3900 60p@6900 120p@11900
vegetable produce 0 蔬菜 Vegetables | - | - |
fruit produce 9 水果 Fruit | - | - |
meat butcher 0 肉禽蛋 Meat_and_eggs | - | - |
fish butcher 9 水产 Fish | - | - |
hot-food deli 6 热食 Hot_food | - | - |
bakery deli 13 现烤烘焙 Bakery | - | - |
"""


@lru_cache(maxsize=1)
def categories() -> tuple[Category, ...]:
    """The whole tree, parents first: seven at the top, departments, leaves."""
    found = [Category(code, "", zh, _words(en)) for code, zh, en in (line.split() for line in _TOP.strip().splitlines())]
    found += [
        Category(code, parent, zh, _words(en)) for code, parent, zh, en in (line.split() for line in _DEPARTMENTS.strip().splitlines())
    ]
    for line in _LEAVES.strip().splitlines():
        code, department, _, zh, en = line.split("|")[0].split()
        found.append(Category(code, department, zh, _words(en)))
    return tuple(found)


@lru_cache(maxsize=1)
def leaves() -> dict[str, Leaf]:
    """The leaves by code."""
    found = {}
    for line in _LEAVES.strip().splitlines():
        head, flavours, kinds, sizes = line.split("|")
        code, department, vat, _, _ = head.split()
        found[code] = Leaf(
            code, department, int(vat) * 100, _pairs(flavours), _pairs(kinds),
            tuple((size, int(price)) for size, price in (each.split("@") for each in sizes.split())),
        )  # fmt: skip
    return found


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    pairs = ((zh, _words(en)) for zh, _, en in (each.partition(":") for each in text.split()))
    return tuple(("", "") if zh == "-" else (zh, en) for zh, en in pairs)


def _words(text: str) -> str:
    return text.replace("_", " ")
