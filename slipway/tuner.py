"""`Tuner` and `warm_start` under the address that they had first; `from slipway import Tuner` is the present one."""

from slipway.tuning.tuner import Tuner, warm_start

__all__ = ["Tuner", "warm_start"]
