"""Drives the sandbox with python-alipay-sdk, in key mode or, where the configuration holds certificates, in certificate mode."""

import textwrap

from alipay import AliPay, DCAliPay
from errand import Sandbox, configuration, run


def armoured(text, kind):
    """A key in base64 as PEM."""
    return f"-----BEGIN {kind}-----\n" + "\n".join(textwrap.wrap(text, 64)) + f"\n-----END {kind}-----\n"


def main():
    """Run the errand."""
    settings = configuration()
    private = armoured(settings["app_private_key"], "PRIVATE KEY")
    if settings["mode"] == "certificate":
        client = DCAliPay(settings["app_id"], private, settings["app_cert"], settings["alipay_cert"], settings["alipay_root_cert"])
        assert client.app_cert_sn == settings["app_cert_sn"], "the certificate's serial number text"
        assert client.alipay_root_cert_sn == settings["alipay_root_cert_sn"], "the root file's serial number text"
    else:
        public = armoured(settings["alipay_public_key"], "PUBLIC KEY")
        client = AliPay(settings["app_id"], app_private_key_string=private, alipay_public_key_string=public)
    client._gateway = settings["gateway"]  # it has no door for that

    def call(method, business, notify_url):
        return client.server_api(method, business, **({"notify_url": notify_url} if notify_url else {}))

    def genuine(form):
        return client.verify(form, form.pop("sign"))

    run(Sandbox(settings["sandbox"]), call, genuine, f"community_{settings['mode']}_")


main()
