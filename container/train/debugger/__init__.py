"""The debugger hook: smdebug's API and its format on disk, written for current PyTorch.

smdebug 1.0.34 reads what is written here; it cannot be installed beside this (numpy 2, protobuf 5). `api/` holds the
package `smdebug` that scripts import.
"""
