"""The real files: their sums to the penny, a sample through the API in every run, the whole of both with HUTONG_REAL_INPUT=1."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from hutong.importer import Answers, Import, Target, close, load_mapping, open_import, send, summarise
from hutong.importer.setup import find_wanted, make
from hutong.platform.database import Database
from tests.support.server import CHECKOUT, RunningServer
from tests.support.shared import shared_file

# (mapping, file, exact sum, sum to the penny, rows, sales, returns, rows set aside, imported in minor units)
ONLINE = (
    "online-retail",
    "online-retail/uci_online_retail.parquet",
    "9747747.934",
    "9747747.93",
    541_909,
    19_950,
    3_763,
    2_198,
    999_543_956,
)
JOURNEY = (
    "complete-journey",
    "complete-journey/cj_transactions_sample.parquet",
    "233935.24",
    "233935.24",
    75_000,
    47_034,
    0,
    416,
    23_393_524,
)
SAMPLE_ROWS = 2_000


def sample(path: Path, folder: Path, rows: int) -> Path:
    """Whole receipts of the file's earliest rows, in a file of their own."""
    table = parquet.read_table(path)
    receipt, at = ("InvoiceNo", "InvoiceDate") if "InvoiceNo" in table.column_names else ("basket_id", "transaction_timestamp")
    table = table.sort_by(at)
    chosen = set(table[receipt].slice(0, rows).to_pylist())
    places = [place for place, each in enumerate(table[receipt].to_pylist()) if each in chosen]
    parquet.write_table(table.take(places), folder / path.name)
    return folder / path.name


def independent_sum(path: Path) -> Decimal:
    """The file's sum, by other code than the importer's."""
    table = parquet.read_table(path)
    if "UnitPrice" in table.column_names:
        pairs = zip(table["UnitPrice"].to_pylist(), table["Quantity"].to_pylist(), strict=True)
        return sum((Decimal(str(price)) * quantity for price, quantity in pairs), Decimal(0))
    return sum((Decimal(str(round(value, 2))) for value in table["sales_value"].to_pylist()), Decimal(0))


def opened(mapping: str, path: Path) -> Import:
    return open_import(path, CHECKOUT / "mappings" / f"{mapping}.toml")


async def import_whole(server: RunningServer, database: Database, owner: Any, mapping: str, path: Path, folder: Path) -> Import:
    """Set up and import; what is in the database afterwards equals the account."""
    rules = load_mapping(CHECKOUT / "mappings" / f"{mapping}.toml")
    job = opened(mapping, path)
    wanted = find_wanted(rules, job.source)
    key = (await make(database, rules, wanted, with_key=True)).key
    await send(job, Target(server.url, key), folder / "s")
    summary = close(job, folder / "a.csv")
    assert summary.balanced
    assert (summary.refused, summary.duplicate) == (0, 0)
    found = owner.execute(
        """select (select count(*) from sale where kind = 1), (select count(*) from sale where kind = 2), (select sum(amount) from sale_line),
                  (select sum(total) from sale), (select sum(amount) from sale_tender), (select sum(value) from retailer_day)"""
    ).fetchone()
    pence = int(summary.imported * 100)
    assert found == (summary.kinds["sale"], summary.kinds["return"], pence, pence, pence, pence)
    assert summary.imported + summary.sum_aside + summary.rounded == independent_sum(path)
    again = opened(mapping, path)
    await send(again, Target(server.url, key), folder / "s")
    assert (again.answers.captured, again.answers.duplicate) == (0, len(job.plan.receipts))
    receipts = len(job.plan.receipts)
    lines = [
        f"{mapping}: {summary.rows:,} rows, {summary.rows_imported:,} imported as {receipts:,} receipts, sum {summary.imported:,}",
        f"{summary.rows_aside:,} rows set aside, sum {summary.sum_aside:,}; rounded off {summary.rounded}; the file's sum {summary.total:,}",
    ]
    print("\n" + "\n  ".join(lines))  # noqa: T201 - what `make real-input` is for
    return job


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("real", [pytest.param(ONLINE, marks=pytest.mark.real), JOURNEY], ids=["online-retail", "complete-journey"])
def test_every_row_and_penny_of_the_real_file_is_accounted_for(real: tuple[Any, ...]):
    mapping, name, exact, pennies, rows, sales, returns, aside, imported = real
    job = opened(mapping, shared_file(name))
    summary = summarise(job.plan, Answers(), imported=lambda _: True)
    assert summary.balanced
    assert (summary.rows, summary.kinds["sale"], summary.kinds["return"], summary.rows_aside) == (rows, sales, returns, aside)
    assert summary.imported * 100 == imported
    assert summary.total == independent_sum(shared_file(name)) == Decimal(exact)
    assert round(summary.imported + summary.sum_aside, 2) == Decimal(pennies)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("real", [ONLINE, JOURNEY], ids=["online-retail", "complete-journey"])
async def test_a_sample_of_the_real_file_goes_through_the_api(
    real: tuple[Any, ...], server: RunningServer, database: Database, owner: Any, tmp_path: Path
):
    path = sample(shared_file(real[1]), tmp_path, SAMPLE_ROWS)
    if real is JOURNEY:
        (tmp_path / "cj_products.parquet").symlink_to(shared_file("complete-journey/cj_products.parquet"))
    await import_whole(server, database, owner, real[0], path, tmp_path)


@pytest.mark.real
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("real", [ONLINE, JOURNEY], ids=["online-retail", "complete-journey"])
async def test_the_whole_real_file_goes_through_the_api(
    real: tuple[Any, ...], server: RunningServer, database: Database, owner: Any, tmp_path: Path
):
    job = await import_whole(server, database, owner, real[0], shared_file(real[1]), tmp_path)
    assert len(job.plan.receipts) == real[5] + real[6]
