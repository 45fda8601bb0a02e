"""``hutong wallet``: retailers' accounts at Alipay, and whether they work."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table

from hutong.cli.places import find_place
from hutong.cli.running import with_database
from hutong.cli.say import answers, note, said
from hutong.kernel.errors import Invalid
from hutong.platform.config import Settings
from hutong.platform.database import Database

if TYPE_CHECKING:
    from hutong.payments import AlipayAccount, WalletCheck

app = typer.Typer(no_args_is_help=True)
FILES = {
    "private_key": "the app's private key (应用私钥)",
    "alipay_public_key": "Alipay's public key (支付宝公钥), in key mode",
    "app_certificate": "appCertPublicKey_….crt, in certificate mode",
    "alipay_certificate": "alipayCertPublicKey_RSA2.crt, in certificate mode",
    "root_certificate": "alipayRootCert.crt, in certificate mode",
}


@app.command()
def add(
    retailer: str = typer.Argument(..., help="Code of the retailer that the money goes to."),
    secrets: Path | None = typer.Option(
        None, "--secrets", help="A TOML file with app_id, seller_id, gateway and the keys, or paths of the files that hold them."
    ),
    code: str = typer.Option("alipay", help="A short name for the account; the same name again replaces it."),
) -> None:
    """
    Give a retailer its Alipay account, or replace it (new keys, another gateway).

    The keys come from a TOML file, or from the environment (HUTONG_ALIPAY_APP_ID, _SELLER_ID, _GATEWAY, _PRIVATE_KEY,
    _ALIPAY_PUBLIC_KEY, and for certificate mode _APP_CERTIFICATE, _ALIPAY_CERTIFICATE, _ROOT_CERTIFICATE). They are stored
    encrypted with the key of this installation (HUTONG_SECRET_KEY, or the file secret.key in the data folder) and never shown.
    What is wrong with them is said before anything is stored.

    Examples:

      hutong wallet add baihe --secrets baihe-alipay.toml

      HUTONG_ALIPAY_APP_ID=… hutong wallet add baihe
    """
    from hutong.directory import Principal
    from hutong.payments import add_alipay_account

    account = read_account(secrets)

    async def work(database: Database) -> str:
        place = await find_place(database, retailer=retailer, brand=None)
        assert place.retailer_id is not None
        made = await add_alipay_account(database, Principal.system("command-line"), Settings(), place.retailer_id, code, account)
        return f"{retailer} takes Alipay as app {made.app_id}, seller {made.seller_id}, at {made.gateway}"

    said(with_database(work))
    note(f"Try it: hutong wallet check {retailer}")


@app.command(name="list")
def list_accounts() -> None:
    """Show all retailers' wallet accounts, without their keys."""
    from hutong.directory import Principal
    from hutong.payments import wallet_accounts

    table = Table("retailer", "wallet", "code", "app", "seller", "mode", "gateway", "")

    async def work(database: Database) -> None:
        from hutong.platform.scope import Scope

        async with database.read(Scope.of_network()) as reader:
            names = {row.id: row.code for row in await reader.rows("select id, code from retailer")}
        for each in await wallet_accounts(database, Principal.system("command-line")):
            table.add_row(
                names[each.retailer_id], each.wallet, each.code, each.app_id, each.seller_id, each.mode, each.gateway,
                "disabled" if each.disabled else "",
            )  # fmt: skip

    with_database(work)
    answers.print(table if table.row_count else "No retailer has a wallet account yet: hutong wallet add RETAILER")


@app.command()
def check(retailer: str = typer.Argument(..., help="Code of the retailer.")) -> None:
    """Ask the wallet about a payment that does not exist: the answer shows that address, keys and permissions are right."""
    from hutong.payments import check_wallet

    async def work(database: Database) -> "WalletCheck":
        place = await find_place(database, retailer=retailer, brand=None)
        assert place.retailer_id is not None
        return await check_wallet(database, Settings(), place.retailer_id)

    found = with_database(work)
    if not found.works:
        raise RuntimeError(f"{found.account}: {found.message}")
    said(f"{found.account}: {found.message}")


@app.command()
def brand(
    retailer: str = typer.Argument(..., help="Code of the retailer whose payments are shared."),
    code: str = typer.Argument(..., help="Code of the brand."),
    account: str = typer.Argument(..., help="The brand's own Alipay account: its number (2088…), or its login name."),
    name: str = typer.Option("", help="With a login name: the name that the account is registered under."),
) -> None:
    """
    Let a brand receive its shares of a retailer's payments on its own Alipay account.

    Example:

      hutong wallet brand baihe qinghe 2088102146225135
    """
    from hutong.directory import Principal
    from hutong.payments import Wallets, bind_brand

    async def work(database: Database) -> None:
        place = await find_place(database, retailer=retailer, brand=None)
        assert place.retailer_id is not None
        wallets = Wallets(database, Settings())
        try:
            kind: Any = "userId" if account.isdigit() and account.startswith("2088") else "loginName"
            await bind_brand(database, wallets, Principal.system("command-line"), place.retailer_id, code, kind, account, name)
        finally:
            await wallets.close()

    with_database(work)
    said(f"{code} receives its shares of {retailer}'s payments on {account}")


def read_account(path: Path | None) -> "AlipayAccount":
    """The account that a TOML file or the environment describes. Raises Invalid, saying what is missing."""
    import tomllib

    from hutong.payments import AlipayAccount

    given: dict[str, Any] = {}
    if path is not None:
        try:
            given = tomllib.loads(path.read_text())
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise Invalid(f"{path} cannot be read: {error}.") from None
    for name in ("app_id", "seller_id", "gateway", *FILES):
        if name not in given and (value := os.environ.get(f"HUTONG_ALIPAY_{name.upper()}")):
            given[name] = value
    missing = [name for name in ("app_id", "seller_id", "private_key") if name not in given]
    if missing:
        raise Invalid(
            f"Not given: {', '.join(missing)}. Write them into a TOML file for --secrets, or set HUTONG_ALIPAY_{missing[0].upper()}."
        )
    unknown = set(given) - {"app_id", "seller_id", "gateway", *FILES}
    if unknown:
        raise Invalid(
            f"{path} has {', '.join(sorted(unknown))}, which says nothing here. There are: app_id, seller_id, gateway, {', '.join(FILES)}."
        )
    folder = path.parent if path is not None else Path()
    for name in FILES:
        text = str(given.get(name, ""))
        if text and len(text) < 250 and "\n" not in text and (folder / text).is_file():
            given[name] = (folder / text).read_text()
    return AlipayAccount(**given, mode="certificate" if given.get("app_certificate") else "key")
