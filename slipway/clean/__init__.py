"""Finds what Slipway left in the account, by its tag, and deletes it."""

from slipway.clean.delete import Remains, delete
from slipway.clean.find import Selection, find

__all__ = ["Remains", "Selection", "delete", "find"]
