"""The collections, where smdebug has them."""

from container.train.debugger.collection import SCALARS, Collection, CollectionKeys

SCALAR_COLLECTIONS = set(SCALARS)

__all__ = ["SCALAR_COLLECTIONS", "Collection", "CollectionKeys"]
