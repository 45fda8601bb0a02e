"""The second leg: what the bill of payments comes to, against what the wallet account's own bill says has moved on it."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from hutong.payments.alipay.bills import Bill, BillDamaged
from hutong.payments.reconciliation.files import Account, File, check_owner, keep_file
from hutong.payments.reconciliation.model import Sums
from hutong.payments.reconciliation.staging import stage_movements
from hutong.platform.database import UnitOfWork

PAYMENTS = ("在线支付", "交易付款", "交易", "支付", "退款", "交易退款", "收费", "服务费", "退费", "退服务费")
SPLITS = ("分账", "交易分账", "分账退回")
"""Movements of the account that come from payments, by Alipay's words; withdrawals, transfers and deposits are the retailer's own."""
SHOWN = 20


class MovementsDamaged(BillDamaged):
    """The file of the account's movements cannot be believed; that of payments may be."""


@dataclass(frozen=True, slots=True)
class SecondLeg:
    """What the account's bill says, in fen: ``settled`` is what payments have brought it, ``moved`` the same before splits to others."""

    file_id: int | None = None
    settled: int | None = None
    moved: int | None = None


async def second_leg(uow: UnitOfWork, account: Account, day: date, file: File | None) -> SecondLeg:
    """Read the account's bill into ``movement_stage``. Raises MovementsDamaged."""
    if file is None:
        return SecondLeg()
    bill = Bill(file.content)
    try:
        lines = await stage_movements(uow, bill)
        check_owner(bill, account, day)
    except BillDamaged as damage:
        raise MovementsDamaged(str(damage)) from None
    file_id = await keep_file(uow, account, day, "movements", file, lines)
    row = await uow.row(
        """select coalesce(sum(amount), 0)::bigint as settled,
                  coalesce(sum(amount) filter (where kind = any (cast(:payments as text[]))), 0)::bigint as moved
           from movement_stage where kind = any (cast(:payments as text[]) || cast(:splits as text[]))""",
        payments=list(PAYMENTS), splits=list(SPLITS),
    )  # fmt: skip
    assert row is not None
    return SecondLeg(file_id, row.settled, row.moved)


async def unsettled(uow: UnitOfWork, leg: SecondLeg, sums: Sums) -> list[dict[str, Any]]:
    """Where the two bills differ, by our number: the first few, with fen by either. Empty if they come to the same."""
    if leg.moved is None or leg.moved == sums.net - sums.fee:
        return []
    rows = await uow.rows(
        """select coalesce(b.number, m.number) as number, coalesce(b.amount, 0)::bigint as bill, coalesce(m.amount, 0)::bigint as moved
           from (select number, sum(case kind when 'payment' then receipt else -receipt end - fee) as amount from bill_stage group by 1) b
           full join (select number, sum(amount) as amount from movement_stage where kind = any (cast(:payments as text[])) group by 1) m
                using (number)
           where coalesce(b.amount, 0) <> coalesce(m.amount, 0)
           order by abs(coalesce(b.amount, 0) - coalesce(m.amount, 0)) desc, 1 limit :most""",
        payments=list(PAYMENTS), most=SHOWN,
    )  # fmt: skip
    return [dict(row._mapping) for row in rows]
