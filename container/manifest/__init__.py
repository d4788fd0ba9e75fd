"""A manifest in place of class folders: a file that names pictures and their labels, read alike by training and host.

`finding` recognises it, with `columns`; `rows` reads it; `matching` finds the files; `manifest` is the whole.
"""

from container.manifest.finding import ENDINGS, find_manifests
from container.manifest.manifest import Looked, Manifest, match_names, read_manifest

__all__ = ["ENDINGS", "Looked", "Manifest", "find_manifests", "match_names", "read_manifest"]
