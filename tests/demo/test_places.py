from hutong.demo.places import cities, provinces


def test_all_34_province_level_units_are_there_and_25_trade() -> None:
    assert len(provinces()) == 34
    assert len({unit.code for unit in provinces()}) == 34
    assert sum(unit.trading for unit in provinces()) == 25


def test_every_unit_has_a_tile_of_its_own_that_touches_another() -> None:
    tiles = {(unit.column, unit.row) for unit in provinces()}
    assert len(tiles) == 34
    for unit in provinces():
        if unit.en == "Xinjiang":  # far in the west
            continue
        around = {(unit.column + right, unit.row + down) for right in (-1, 0, 1) for down in (-1, 0, 1)} - {(unit.column, unit.row)}
        assert tiles & around, unit


def test_north_is_above_south_and_west_is_left_of_east() -> None:
    at = {unit.en: unit for unit in provinces()}
    for north, south in [
        ("Heilongjiang", "Jilin"),
        ("Beijing", "Jiangsu"),
        ("Shandong", "Zhejiang"),
        ("Guangdong", "Hong Kong"),
        ("Guangxi", "Hainan"),
    ]:
        assert at[north].row < at[south].row
    for west, east in [
        ("Xinjiang", "Gansu"),
        ("Sichuan", "Hubei"),
        ("Hubei", "Anhui"),
        ("Anhui", "Jiangsu"),
        ("Jiangsu", "Shanghai"),
        ("Guangdong", "Fujian"),
    ]:
        assert at[west].column < at[east].column


def test_cities_belong_to_a_province_and_lie_in_china() -> None:
    codes = {unit.code for unit in provinces()}
    assert len({city.code for city in cities()}) == len(cities())
    for city in cities():
        assert city.province in codes
        assert city.code // 10_000 == city.province
        assert 18 < city.latitude < 54, city
        assert 73 < city.longitude < 136, city


def test_every_trading_province_has_its_larger_cities() -> None:
    for unit in provinces():
        if unit.trading:
            assert 7 <= sum(city.province == unit.code for city in cities()) <= 12, unit
