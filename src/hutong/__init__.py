"""hutong: an open network that joins the stores of several retail groups, the brands that supply them and the carriers between them."""

__version__ = "0.1.0"
