"""``/admin/apps``: merchants' applications, with plain keys or with certificates of the sandbox's own authority."""

from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hutong.sandbox import signing
from hutong.sandbox.admin import Endpoint, answered, guarded, read
from hutong.sandbox.keys import Keys
from hutong.sandbox.records import App, Seller
from hutong.sandbox.state import World


class NewApp(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An app to be made. Without ``public_key`` the sandbox makes the app's keys and answers them."""

    name: str = "晨光便利店"
    seller_id: str = ""
    balance: int = 0
    public_key: str = ""
    gateway_url: str = ""
    mode: Literal["key", "certificate"] = "key"


class NewCertificate(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A further certificate for an app; without ``public_key`` the sandbox makes the key too."""

    public_key: str = ""


class AppChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to be otherwise with an app or its seller."""

    add_public_key: str = ""
    gateway_url: str | None = None
    tokens: list[str] | None = None
    balance: int | None = None
    blocked: bool | None = None
    name: str | None = None


class Apps:
    """Apps and their sellers."""

    def __init__(self, world: World, keys: Keys) -> None:
        self.world, self.keys = world, keys

    def routes(self) -> list[BaseRoute]:
        """Where everything is."""
        table: list[tuple[str, str, Endpoint]] = [
            ("POST", "/apps", self.add_app),
            ("GET", "/apps", self.list_apps),
            ("PATCH", "/apps/{app}", self.change_app),
            ("POST", "/apps/{app}/certificates", self.add_certificate),
        ]
        return [Route(f"/admin{path}", guarded(self.world, endpoint), methods=[method]) for method, path, endpoint in table]

    async def add_app(self, request: Request) -> Response:
        wanted = await read(request, NewApp)
        world = self.world
        private, public = key_pair(wanted.public_key)
        seller = world.sellers.get(wanted.seller_id)
        if seller is None:
            seller_id = wanted.seller_id or f"2088{world.mint(12)}"
            seller = Seller(id=seller_id, name=wanted.name, logon_id=f"shop{seller_id[-4:]}@example.cn", balance=wanted.balance)
            world.sellers[seller.id] = seller
        app = App(id=f"2021{world.mint(12)}", seller_id=seller.id, mode=wanted.mode, gateway_url=wanted.gateway_url)
        made = {"app_id": app.id, "seller_id": seller.id, "mode": app.mode, "gateway": gateway_of(request), "app_public_key": public}
        if app.mode == "key":
            app.public_keys.append(public)
            made["alipay_public_key"] = self.keys.public_text
        else:
            made |= self._certified(app, public)
        if private:
            made["app_private_key"] = private
        world.apps[app.id] = app
        world.save(seller, app)
        return answered(made, 201)

    def _certified(self, app: App, public: str) -> dict[str, str]:
        """Give an app a certificate; answers the files that it is configured with."""
        authority = self.keys.authority
        serial, pem = authority.for_app(app.id, signing.public_key(public))
        app.certificates[serial] = public
        return {
            "app_cert_sn": serial, "app_cert": pem, "alipay_cert": authority.wallet_file, "alipay_root_cert": authority.roots,
            "alipay_cert_sn": authority.current[0], "alipay_root_cert_sn": authority.root_text,
        }  # fmt: skip

    async def add_certificate(self, request: Request) -> Response:
        app = self.world.apps[request.path_params["app"]]
        if app.mode != "certificate":
            raise ValueError("this app is in key mode")
        private, public = key_pair((await read(request, NewCertificate)).public_key)
        made = self._certified(app, public)
        self.world.save(app)
        return answered(made | ({"app_private_key": private} if private else {}), 201)

    async def list_apps(self, request: Request) -> Response:
        return answered(
            [
                {
                    "app_id": app.id, "seller_id": app.seller_id, "mode": app.mode, "gateway_url": app.gateway_url,
                    "name": self.world.sellers[app.seller_id].name, "balance": self.world.sellers[app.seller_id].balance,
                }
                for app in self.world.apps.values()
            ]
        )  # fmt: skip

    async def change_app(self, request: Request) -> Response:
        app = self.world.apps[request.path_params["app"]]
        seller, change = self.world.sellers[app.seller_id], await read(request, AppChange)
        if change.add_public_key:
            signing.public_key(change.add_public_key)
            app.public_keys.append(change.add_public_key)
        if change.gateway_url is not None:
            app.gateway_url = change.gateway_url
        if change.tokens is not None:
            app.tokens = change.tokens
        for name in ("balance", "blocked", "name"):
            if (value := getattr(change, name)) is not None:
                setattr(seller, name, value)
        self.world.save(app, seller)
        return answered({"app_id": app.id, "seller_id": seller.id, "balance": seller.balance})


def key_pair(public: str) -> tuple[str, str]:
    """A merchant's private and public key: made here, or with a ``public`` one given, only that. Raises ValueError if it is none."""
    if public:
        return "", signing.public_text(signing.public_key(public))
    key = signing.new_key()
    return signing.private_text(key), signing.public_text(key.public_key())


def gateway_of(request: Request) -> str:
    """The gateway's address as this client reaches the sandbox."""
    return f"{request.url.scheme}://{request.url.netloc}/gateway.do"
