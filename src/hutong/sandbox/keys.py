"""The wallet's own keys: what answers and notifications are signed with in key mode and in certificate mode, and their change."""

from cryptography.hazmat.primitives.asymmetric import rsa

from hutong.sandbox import signing
from hutong.sandbox.certificates import Authority
from hutong.sandbox.records import App
from hutong.sandbox.state import World

NAME = "alipay_key"


class Keys:
    """What answers and notifications are signed with."""

    def __init__(self, world: World, given: str = "") -> None:
        self.world = world
        self.authority = Authority(world)
        kept = world.kept(NAME)
        if isinstance(kept, str):
            self._key = signing.private_key(kept)
        elif given:
            self.use(signing.private_key(given))
        else:
            self.rotate()

    def rotate(self) -> None:
        """From now on sign with a fresh key; apps in key mode need the new public key."""
        self.use(signing.new_key())

    def use(self, key: rsa.RSAPrivateKey) -> None:
        """From now on sign with this key."""
        self._key = key
        self.world.keep(NAME, signing.private_text(key))

    @property
    def public_text(self) -> str:
        """The wallet's public key, as apps are configured with it."""
        return signing.public_text(self._key.public_key())

    def sign(self, app: App, content: bytes, sign_type: str = "RSA2") -> tuple[str, str]:
        """The signature of an answer to this app, and the certificate's serial number text that goes with it, empty in key mode."""
        if app.mode == "certificate":
            serial, key = self.authority.current
            return signing.sign(key, content, sign_type), serial
        return signing.sign(self._key, content, sign_type), ""

    def sign_notice(self, app: App, fields: dict[str, str]) -> str:
        """The signature of a notification to this app."""
        return self.sign(app, signing.notice_text(fields).encode())[0]
