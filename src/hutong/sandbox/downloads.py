"""The wallet's certificates for whoever meets a serial number text that he does not know."""

import base64

from hutong.sandbox.calls import Call, Node, Refused, method


@method("alipay.open.app.alipaycert.download")
def certificate_download(call: Call) -> Node:
    """A certificate of the wallet's, present or former, in base64."""
    found = call.world.certificate(call.needed("alipay_cert_sn", 64))
    if found is None:
        raise Refused("CERT_NOT_EXIST", "证书不存在")
    return {"alipay_cert_content": base64.b64encode(found.encode()).decode("ascii")}
