"""For whom a unit of work is opened: what PostgreSQL's row-level security lets it see and write."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """The network itself, or the union of these retailers, stores and brands. An empty scope sees nothing."""

    network: bool = False
    retailers: frozenset[int] = frozenset()
    stores: frozenset[int] = frozenset()
    brands: frozenset[int] = frozenset()

    @staticmethod
    def of_network() -> "Scope":
        return Scope(network=True)

    @staticmethod
    def of_retailer(*ids: int) -> "Scope":
        return Scope(retailers=frozenset(ids))

    @staticmethod
    def of_store(*ids: int) -> "Scope":
        return Scope(stores=frozenset(ids))

    @staticmethod
    def of_brand(*ids: int) -> "Scope":
        return Scope(brands=frozenset(ids))

    def settings(self) -> dict[str, str]:
        """The four settings that the policies read; ids as PostgreSQL array text."""
        return {
            "network": "on" if self.network else "",
            "retailers": _array(self.retailers),
            "stores": _array(self.stores),
            "brands": _array(self.brands),
        }


def _array(ids: frozenset[int]) -> str:
    return "{" + ",".join(str(int(each)) for each in sorted(ids)) + "}"


SET_SCOPE = """select set_config('hutong.network', :network, true), set_config('hutong.retailers', :retailers, true),
    set_config('hutong.stores', :stores, true), set_config('hutong.brands', :brands, true)"""
"""SQL that opens a scope until the transaction ends; its parameters are ``Scope.settings()``."""
