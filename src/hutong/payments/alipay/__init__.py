"""Alipay's in-store payments (protocol V2): signatures, the client, and a retailer's account as a wallet."""

from hutong.payments.alipay.account import AlipayAccount
from hutong.payments.alipay.client import AlipayClient
from hutong.payments.alipay.notices import Claim, NoticeRefused, claim_of
from hutong.payments.alipay.wallet import AlipayWallet

__all__ = ["AlipayAccount", "AlipayClient", "AlipayWallet", "Claim", "NoticeRefused", "claim_of"]
