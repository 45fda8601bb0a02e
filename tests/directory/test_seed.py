"""A directory of thousands of stores is written in seconds, once."""

import time

from hutong.directory import seed_directory, stores_by_gln
from hutong.kernel.gs1 import check_digit
from hutong.platform.scope import Scope


async def test_4700_stores_are_written_in_seconds_and_a_second_run_changes_nothing(database, owner):
    glns = [(body := f"69088{number:07d}") + check_digit(body) for number in range(4700)]
    directory = {
        "provinces": [{"code": 31, "name_zh": "上海", "name_en": "Shanghai", "grid_column": 7, "grid_row": 4, "trading": True}],
        "cities": [{"code": 310100, "province_code": 31, "name_zh": "上海", "name_en": "Shanghai"}],
        "retailers": [{"code": f"r{number}", "name_zh": "零", "name_en": "R", "kind": "supermarket"} for number in range(4)],
        "chains": [{"retailer": f"r{number}", "code": "c", "name_zh": "链", "name_en": "C", "format": "hypermarket"} for number in range(4)],
        "brands": [{"code": f"b{number}", "name_zh": "牌", "name_en": "B", "prefixes": [f"690123{number:02d}"]} for number in range(40)],
        "stores": [
            {"retailer": f"r{place % 4}", "chain": "c", "gln": gln, "code": f"S{place}", "name_zh": "店", "name_en": "Store", "province_code": 31, "city_code": 310100}
            for place, gln in enumerate(glns)
        ],
        "tills": [{"store": gln, "code": code, "key": f"ht_{gln}{code}" if code == "01" else None} for gln in glns for code in ("01", "02")],
    }  # fmt: skip
    for run in range(2):
        began = time.monotonic()
        async with database.work(Scope.of_network()) as uow:
            seeded = await seed_directory(uow, **directory)
            await uow.commit()
        assert time.monotonic() - began < 15
        assert len(seeded.stores) == 4700, run
        counted = owner.execute(
            "select (select count(*) from store where chain_id is not null and format = 'hypermarket'), (select count(*) from till), (select count(*) from till where key_hash is not null)"
        ).fetchone()
        assert counted == (4700, 9400, 4700)
    async with database.read(Scope.of_retailer(seeded.retailers["r1"])) as reader:
        assert set(await stores_by_gln(reader)) == set(glns[1::4])
        assert set(await stores_by_gln(reader, glns[:4])) == {glns[1]}
