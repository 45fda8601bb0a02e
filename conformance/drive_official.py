"""Drives the sandbox with Alipay's official SDK, whose own code signs each request and verifies each answer."""

import http.client
from importlib import import_module

from alipay.aop.api.util import WebUtils
from alipay.aop.api.util.SignatureUtils import get_sign_content, verify_with_rsa
from errand import Sandbox, configuration, run
from rsa import VerificationError


def connection_with_port(url, query_string, timeout):
    """What the SDK's own function should do: it knows no port but 80 and 443."""
    parts = WebUtils.urlparse.urlparse(url)
    return f"{url}?{query_string}", http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout)


def named(method):
    """``alipay.trade.pay`` as the SDK's classes are called: ``AlipayTradePay``."""
    return "".join(part[0].upper() + part[1:] for part in method.split("."))


def main():
    """Run the errand in key mode."""
    from alipay.aop.api.AlipayClientConfig import AlipayClientConfig
    from alipay.aop.api.DefaultAlipayClient import DefaultAlipayClient

    WebUtils.get_http_connection = connection_with_port
    settings = configuration()
    config = AlipayClientConfig()
    config.server_url, config.app_id = settings["gateway"], settings["app_id"]
    config.app_private_key, config.alipay_public_key = settings["app_private_key"], settings["alipay_public_key"]
    client = DefaultAlipayClient(config)

    def call(method, business, notify_url):
        name = named(method)
        model = getattr(import_module(f"alipay.aop.api.domain.{name}Model"), f"{name}Model").from_alipay_dict(business)
        request = getattr(import_module(f"alipay.aop.api.request.{name}Request"), f"{name}Request")(biz_model=model)
        if notify_url:
            request.notify_url = notify_url
        content = client.execute(request)
        response = getattr(import_module(f"alipay.aop.api.response.{name}Response"), f"{name}Response")()
        response.parse_response_content(content)
        node = WebUtils.json.loads(content)
        assert response.code == node["code"], (response.code, node)
        return node

    def genuine(form):
        sign = form.pop("sign")
        form.pop("sign_type")
        try:
            return verify_with_rsa(settings["alipay_public_key"], get_sign_content(form).encode(), sign)
        except VerificationError:
            return False

    run(Sandbox(settings["sandbox"]), call, genuine, "official_")


main()
