"""What may go wrong in the catalogue: stable codes that integrators branch on."""

from hutong.kernel.errors import Conflict, Invalid


class RowsInvalid(Invalid):
    """Some of the products or prices sent cannot be accepted, so none was; ``rows`` says which and why."""

    code, title = "rows_invalid", "Some rows cannot be accepted; nothing was changed"


class FileUnreadable(Invalid):
    """The file is not a table that can be read: wrong kind, wrong encoding, no known header, too many rows."""

    code, title = "file_unreadable", "The file cannot be read as a table"


class PriceTaken(Conflict):
    """For that product, place and moment another price stands already; history is not rewritten."""

    code, title = "price_taken", "Another price already starts at that moment"


class CategoryLoop(Conflict):
    """A category cannot stand below itself."""

    code, title = "category_loop", "A category cannot stand below itself"
