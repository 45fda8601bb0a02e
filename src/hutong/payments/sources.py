"""Where the money of a charge without a code comes from, and where payments are: the small look-ups of the desk."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from hutong.kernel.errors import Invalid, NotFound
from hutong.payments.errors import AgreementUnusable
from hutong.payments.wire import ByAgreement, ByAuthorisation, ByCode, ByQr
from hutong.platform.database import Database
from hutong.platform.scope import Scope


@dataclass(frozen=True, slots=True)
class MoneySource:
    """An agreement or an authorisation that can be charged: the account it is with and the wallet's own number of it."""

    account_id: int
    reference: str


@dataclass(frozen=True, slots=True)
class PaymentPlace:
    """The retailer and the store of a payment."""

    retailer_id: int
    store_id: int


class Sources:
    """Reads what was agreed and what is held."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, retailer_id: int, store_id: int, method: ByCode | ByQr | ByAgreement | ByAuthorisation) -> MoneySource:
        """The source that a charge at this store names: an agreement is the retailer's, an authorisation the store's where it was held.

        Raises NotFound; AgreementUnusable if it was ended, or nothing is held any more.
        """
        async with self._database.read(Scope.of_retailer(retailer_id)) as reader:
            if isinstance(method, ByAgreement):
                row = await reader.row(
                    "select account_id, agreement_no as reference, state from agreement where id = :id", id=method.agreement
                )
                usable = row is not None and row.state == "active"
            elif isinstance(method, ByAuthorisation):
                row = await reader.row(
                    "select account_id, auth_no as reference, state from authorisation where id = :id and store_id = :store",
                    id=method.authorisation, store=store_id,
                )  # fmt: skip
                usable = row is not None and row.state == "held"
            else:
                raise NotFound
        if row is None:
            raise NotFound
        if not usable:
            raise AgreementUnusable("It is not in force: ask the customer to pay in another way.", state=row.state)
        return MoneySource(row.account_id, row.reference)

    async def check_brands(self, retailer_id: int, codes: Collection[str]) -> None:
        """Raises Invalid unless all of these are brands: what nobody owns could neither be booked nor passed on."""
        if not codes:
            return
        async with self._database.read(Scope.of_retailer(retailer_id)) as reader:
            known = {row.code for row in await reader.rows("select code from brand where code = any (:codes)", codes=list(codes))}
        if unknown := sorted(set(codes) - known):
            raise Invalid(f"There is no brand {unknown[0]}.", field="shares")

    async def place_of(self, payment_id: UUID, scope: Scope) -> PaymentPlace:
        """Where a payment is, if the scope sees it. Raises NotFound."""
        async with self._database.read(scope) as reader:
            row = await reader.row("select retailer_id, store_id from payment where id = :id", id=payment_id)
        if row is None:
            raise NotFound
        return PaymentPlace(row.retailer_id, row.store_id)
