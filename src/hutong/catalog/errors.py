"""What may go wrong in the catalogue: stable codes that integrators branch on."""

from hutong.kernel.errors import Conflict, Invalid
from hutong.platform.web import mark


class RowsInvalid(Invalid):
    """Some of the products or prices sent cannot be accepted, so none was; ``rows`` says which and why."""

    code, title = "rows_invalid", mark("Some rows cannot be accepted; nothing was changed")


class FileUnreadable(Invalid):
    """The file is not a table that can be read: wrong kind, wrong encoding, no known header, too many rows."""

    code, title = "file_unreadable", mark("The file cannot be read as a table")


class PriceTaken(Conflict):
    """For that product, place and moment another price stands already; history is not rewritten."""

    code, title = "price_taken", mark("Another price already starts at that moment")


class CategoryLoop(Conflict):
    """A category cannot stand below itself."""

    code, title = "category_loop", mark("A category cannot stand below itself")
