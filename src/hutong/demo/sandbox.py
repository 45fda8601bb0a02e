"""The demonstration's wallet: an account at the sandbox Alipay for each retailer, and shoppers who have money there."""

from typing import Any

import httpx

PEOPLE = 24
RICH, PASSWORD = 5_000_000, "123456"


class SandboxAlipay:
    """The operator's side of a running ``hutong sandbox alipay``, asked over HTTP from this machine."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.AsyncClient(base_url=f"{url}/admin", timeout=20, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """An answer of the operator's API. Raises httpx.HTTPError."""
        answer = await self._client.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json()

    async def ready(self) -> bool:
        """Whether it answers."""
        try:
            await self.ask("GET", "/clock")
        except httpx.HTTPError:
            return False
        return True

    async def app(self, name: str) -> dict[str, Any]:
        """A new merchant's app, with its private key and Alipay's public key."""
        made: dict[str, Any] = await self.ask("POST", "/apps", {"name": name})
        keys = await self.ask("GET", "/keys")
        return made | {"alipay_public_key": made.get("alipay_public_key") or keys["alipay_public_key"]}

    async def shoppers(self) -> list[str]:
        """Who shops: people of the sandbox with money, more of them where there are few; now and then one's money is filled up."""
        people = await self.ask("GET", "/people")
        for number in range(len(people), PEOPLE):
            await self.ask("POST", "/people", {"name": f"顾客{number + 1:02d}", "balance": RICH, "password": PASSWORD})
        return [each["id"] for each in await self.ask("GET", "/people")]

    async def code(self, person: str) -> str:
        """What the person's wallet shows now."""
        return str((await self.ask("POST", f"/people/{person}/code", {"face": False}))["code"])

    async def fill(self, person: str) -> None:
        """Give somebody their money back."""
        await self.ask("PATCH", f"/people/{person}", {"balance": RICH})
