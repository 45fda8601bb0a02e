"""After a restart: what an earlier process had begun and was to finish later is put on the agenda again."""

from datetime import timedelta

from hutong.sandbox import agreements, authorisations, refunds, splits
from hutong.sandbox.records import Authorisation, Trade
from hutong.sandbox.state import World
from hutong.sandbox.trades import wait_for_payer


def resume(world: World) -> None:
    """Trades that wait, refunds and splits under way, freezes that end by themselves."""
    for trade in world.trades.values():
        if trade.state == "WAIT_BUYER_PAY":
            wait_for_payer(world, trade)
            if trade.source == "agreement":
                agreements.schedule(world, trade)
        _money_under_way(world, trade)
    for authorisation in world.authorisations.values():
        _ends(world, authorisation)


def _money_under_way(world: World, trade: Trade) -> None:
    for refund in trade.refunds:
        if not refund.done:
            moment = refund.at + timedelta(seconds=world.switches.refund_takes)
            world.later(moment, lambda refund=refund: refunds.arrived(world, trade, refund))  # type: ignore[misc]
    for split in trade.splits:
        if any(part.state == "PROCESSING" for part in split.parts):
            moment = split.at + timedelta(seconds=world.switches.asynchronous_split_seconds)
            world.later(moment, lambda split=split: splits.complete(world, trade, split))  # type: ignore[misc]


def _ends(world: World, authorisation: Authorisation) -> None:
    if authorisation.state == "AUTHORIZED" and authorisation.ends_at is not None:
        world.later(authorisation.ends_at, lambda: world.save(authorisations.refresh(world, authorisation)))
