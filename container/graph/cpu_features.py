"""What this CPU multiplies fast."""

from functools import cache
from pathlib import Path

from container.graph.openvino_engine import core

# Linux' names: x86's dot products of 8-bit numbers, and ARM's.
_DOT_PRODUCTS = frozenset(("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"))


@cache
def has_int8_products(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the CPU has instructions for 8-bit dot products; without them INT8 is slow, and may overflow."""
    try:
        words = set(cpuinfo.read_text(encoding="utf-8").split())
    except OSError:
        return False
    return not _DOT_PRODUCTS.isdisjoint(words)


def has_bf16_products() -> bool:
    """Whether OpenVINO multiplies in bf16 on this CPU (AVX512-BF16 or AMX)."""
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
