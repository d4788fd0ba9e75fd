"""What Slipway left in the account: finding it by its tag, and deleting it."""

from slipway.clean.delete import Remains, delete
from slipway.clean.find import Selection, find

__all__ = ["Remains", "Selection", "delete", "find"]
