"""Usage → integer money: a dated price book, offline token estimates, who pays for what.

Three files, one subject: `prices` (money and calendar), `tokens` (estimates), `bill` (an exchange's account).
"""

from __future__ import annotations

from lizi.metering.prices import MeteringSettings, PriceBook, periods
from lizi.metering.tokens import estimate_request

__all__ = ["MeteringSettings", "PriceBook", "estimate_request", "periods"]
