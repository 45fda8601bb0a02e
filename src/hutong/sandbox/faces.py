"""What cameras that take payments ask before: the initialisation of a face, and whose token one is."""

import json
import secrets

from hutong.sandbox.calls import Call, Node, Refused, invalid, method


@method("zoloz.authentication.customer.smilepay.initialize")
def initialize(call: Call) -> Node:
    """Begin: a camera gets what it needs to ask the wallet. The sandbox looks at no face."""
    if not call.business.get("zimmetainfo"):
        raise invalid("zimmetainfo不能为空")
    return {"result": json.dumps({"zimId": secrets.token_hex(16), "type": "zimInit", "zimInitClientData": secrets.token_hex(32)})}


@method("zoloz.authentication.smilepay.initialize")
def initialize_newer(call: Call) -> Node:
    """The same, in fields of their own."""
    return {"zim_id": secrets.token_hex(16), "zim_init_client_data": secrets.token_hex(32), "ret_code_sub": "SUCCESS"}


@method("zoloz.authentication.customer.ftoken.query")
def token_query(call: Call) -> Node:
    """Whose face a token stands for, while it can be used."""
    code = call.world.codes.get(call.needed("ftoken", 64))
    if code is None or not code.text.startswith("fp") or code.expires_at <= call.now:
        raise Refused("FTOKEN_INVALID", "ftoken无效或已过期")
    person = call.world.people[code.person_id]
    return {"uid": person.id, "open_id": person.open_id, "age_check_result": "T"}
