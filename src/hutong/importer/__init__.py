"""Real input: takes a retailer's own export of sales and posts it through the public API, each sale once, every penny accounted for."""

from hutong.importer.errors import MappingInvalid, SendingStopped, SourceUnreadable, StateDiffers
from hutong.importer.example import EXAMPLE
from hutong.importer.mapping import Mapping, load_mapping, parse_mapping
from hutong.importer.plan import Plan, make_plan
from hutong.importer.replay import Pace, Played, due, replay
from hutong.importer.run import Import, close, open_import, send
from hutong.importer.sending import Target
from hutong.importer.source import Source
from hutong.importer.state import Answers
from hutong.importer.summary import Summary, summarise

__all__ = [
    "EXAMPLE", "Answers", "Import", "Mapping", "MappingInvalid", "Pace", "Plan", "Played", "SendingStopped", "Source", "SourceUnreadable",
    "StateDiffers", "Summary", "Target", "close", "due", "load_mapping", "make_plan", "open_import", "parse_mapping", "replay", "send", "summarise",
]  # fmt: skip
