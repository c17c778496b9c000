"""How far a selection's logits can move: with Adam, each by about its learning rate a step.

All functions of a neuron start within 0.001 of each other, and of six one has a probability of a half where its logit
lies 1.6 above the others (log 5). So a selection that cannot carry a logit some way beyond that chooses at random,
whatever it would find; the way is the learning rate times the steps, both known before the first step.
"""

import math

AUTO = "auto"
"""What `logit_learning_rate` says where it follows from the steps of the selection."""
TRAVEL = 16.0
"""How far `auto` lets a logit travel in a selection, at least.

Measured on wine, Sonar, Vehicle, digits and MNIST, 8 to 2,532 steps, temperatures 0.1 to 3, two or three seeds: mean
choice confidence 0.67 to 0.98, and accuracies as at lower rates.
"""
WANDER = 0.8
"""The same for long selections: gradients that disagree carry a logit by the square root of the steps, not by these."""
ENOUGH_TRAVEL = 3.0
"""How far a logit must be able to travel for neurons to decide."""
LARGEST_RATE = 1.0
"""The largest learning rate that `auto` gives logits: of a selection of a few steps."""


def logit_rate(given: float | str | None, learning_rate: float, steps: int) -> float:
    """Return Adam's learning rate for the logits of a selection of that many steps.

    Args:
        given: the number; `auto`: as much as lets a logit travel far enough, and no less than the weights have; None:
            that of the weights, the published reading.
        learning_rate: of the weights.
        steps: of the selection phase.

    Example:
        >>> logit_rate("auto", 1e-3, 100), logit_rate("auto", 1e-3, 6400), logit_rate(None, 1e-3, 100)
        (0.16, 0.01, 0.001)
    """
    if given is None:
        return learning_rate
    if given != AUTO:
        return float(given)
    return max(learning_rate, min(LARGEST_RATE, max(TRAVEL / steps, WANDER / math.sqrt(steps))))
