"""The debugger hook: smdebug's API and its format on disk, written for current PyTorch.

smdebug 1.0.34 can read the files written here, but cannot be installed beside this code (protobuf 3). `api/`
holds the package `smdebug` that scripts import.
"""
