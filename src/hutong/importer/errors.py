"""What stops an import before or while it runs; each message says what to do. Bad rows are not errors: they are set aside."""

from hutong.kernel.errors import Conflict, Invalid, Malformed, Unavailable


class MappingInvalid(Invalid):
    """The mapping file breaks a rule; the message names the key."""

    code, title = "mapping_invalid", "The mapping file cannot be used"


class SourceUnreadable(Malformed):
    """The input file cannot be read as what the mapping says it is."""

    code, title = "source_unreadable", "The input file cannot be read"


class StateDiffers(Conflict):
    """The state file tells of another file, mapping or server."""

    code, title = "state_differs", "The state file belongs to another import"


class SendingStopped(Unavailable):
    """The server refused all, or could not be reached for too long; what was sent is kept, and another run goes on from there."""

    code, title = "sending_stopped", "The import stopped; run it again to go on"
