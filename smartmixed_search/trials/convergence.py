"""Whether a selection has converged: whether neurons had decided when their functions were fixed."""

from collections.abc import Iterable

from smartmixed_search.errors.messages import counted

CONVERGED_CONFIDENCE = 0.5
"""A mean choice confidence below it means that the selection has not converged."""
UNDECIDED = "neurons were fixed before they had decided"
"""What that means. The choices may still be far from random: small differences between logits make them."""


def count_unconverged(confidences: Iterable[float | None]) -> int:
    """Return how many selections have not converged, by their mean choice confidence; None or NaN: it is unknown."""
    return sum(confidence is not None and confidence < CONVERGED_CONFIDENCE for confidence in confidences)


def unconverged_in(count: int, everywhere: int, place: str = "architecture") -> str:
    """Say in how many of SmartMixed's architectures, or other places, the selection has not converged.

    Example:
        >>> unconverged_in(1, 6).partition(" (")[0]
        "in 1 of 6 architectures SmartMixed's selection has not converged"
    """
    return (
        f"in {count} of {counted(everywhere, place)} SmartMixed's selection has not converged (choice confidence below "
        f"{CONVERGED_CONFIDENCE}), so there {UNDECIDED}"
    )
