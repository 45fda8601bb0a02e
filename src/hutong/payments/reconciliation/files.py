"""Bills as they came: whose they are, which one of a day is believed, and what is kept of those that are not."""

import json
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any

import structlog

from hutong.payments.alipay.bills import Bill, BillDamaged
from hutong.platform.database import Database, UnitOfWork
from hutong.platform.scope import Scope

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class File:
    """A bill as it came: bytes that are to be read, or the id of a kept file whose they are."""

    content: bytes
    source: str = "download"
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """The wallet account whose books these are."""

    id: int
    retailer_id: int
    wallet: str = "alipay"
    seller_id: str = ""


def check_owner(bill: Bill, account: Account, day: date) -> None:
    """Raises BillDamaged if the bill says that it is another account's, or of another day."""
    if bill.day and bill.day != f"{day:%Y%m%d}":
        raise BillDamaged(f"it is the bill of {bill.day}, not of {day}")
    if bill.account and account.seller_id and bill.account not in (account.seller_id, account.seller_id.removesuffix("0156")):
        raise BillDamaged(f"it is the bill of the account {bill.account}, not of {account.seller_id}")


async def kept_file(uow: UnitOfWork, account: Account, day: date, kind: str) -> File | None:
    """The last file of a day that is believed."""
    row = await uow.row(
        """select id, content, source from bill_file where retailer_id = :r and account_id = :a and day = :day and kind = :kind and problem = ''
           order by id desc limit 1""",
        r=account.retailer_id, a=account.id, day=day, kind=kind,
    )  # fmt: skip
    return None if row is None else File(bytes(row.content), row.source, row.id)


async def keep_file(uow: UnitOfWork, account: Account, day: date, kind: str, file: File, lines: int, problem: str = "") -> int:
    """Keep a file, once however often it comes; answers its id."""
    if file.id is not None:
        return file.id
    row = await uow.row(
        """insert into bill_file (retailer_id, account_id, day, kind, sha256, content, lines, problem, source)
           values (:r, :a, :day, :kind, :sha, :content, :lines, :problem, :source)
           on conflict (retailer_id, account_id, day, kind, sha256) do nothing returning id""",
        r=account.retailer_id, a=account.id, day=day, kind=kind, sha=sha256(file.content).digest(), content=file.content, lines=lines,
        problem=problem, source=file.source,
    )  # fmt: skip
    if row is not None:
        return int(row.id)
    return int(await uow.value(
        "select id from bill_file where retailer_id = :r and account_id = :a and day = :day and kind = :kind and sha256 = :sha",
        r=account.retailer_id, a=account.id, day=day, kind=kind, sha=sha256(file.content).digest(),
    ))  # fmt: skip


async def reject_file(db: Database, account: Account, day: date, kind: str, file: File | None, problem: str) -> None:
    """Keep a file that is not believed, with the reason, and tell people, once."""
    log.error("bill_rejected", account=account.id, day=str(day), kind=kind, problem=problem)
    if file is None or file.id is not None:
        return
    async with db.work(Scope.of_retailer(account.retailer_id)) as uow:
        known = await uow.value(
            "select id from bill_file where retailer_id = :r and account_id = :a and day = :day and kind = :kind and sha256 = :sha",
            r=account.retailer_id, a=account.id, day=day, kind=kind, sha=sha256(file.content).digest(),
        )  # fmt: skip
        if known is not None:
            return
        await keep_file(uow, account, day, kind, file, 0, problem)
        await alarm(uow, account, f"The bill of {day} is rejected: {problem}", {"day": str(day), "bill": kind})
        await uow.commit()


async def alarm(uow: UnitOfWork, account: Account, message: str, detail: dict[str, Any]) -> None:
    """Write down that people must look at something."""
    await uow.execute(
        "insert into payment_alarm (retailer_id, kind, message, detail) values (:r, 'reconciliation', :message, cast(:detail as jsonb))",
        r=account.retailer_id, message=message, detail=json.dumps(detail | {"account": account.id}),
    )  # fmt: skip
