"""What the two-phase loop asks of the networks it trains, and what it tells of them."""

from collections.abc import Callable

import numpy as np

EpochReport = Callable[[int, np.ndarray], None]
"""Called after every epoch with its number, from 0, and the correct validation examples [R, S]."""
