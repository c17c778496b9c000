"""The events of a ledger, each one JSON object: what may happen to a sweep's trials.

    {"event": "proposed", "number", "config", "params"}
    {"event": "duplicate", "number", "of"}
    {"event": "rung", "number", "epochs", "margin", "stop"}
    {"event": "setback", "number", "kind", "host", "reason"}
    {"event": "settled", "number", "key", "status", "objective", "confidence", "reason"}
    {"event": "reopened", "number"}

where `number` counts proposals from 0 and `of` is the number of the first proposal of the same trial. Each has its
`checksum`.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from smartmixed_search.system.checksums import seal, unseal


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """A configuration was proposed, and is about to be trained."""

    number: int
    config: dict[str, Any]
    """The trial's configuration as `TrialConfig.to_dict` writes it."""
    params: dict[str, Any]
    """What the sampler proposed, as it proposed it."""


@dataclass(frozen=True, kw_only=True)
class Duplicate:
    """A proposal turned out to be a trial that the sweep has already."""

    number: int
    of: int


@dataclass(frozen=True, kw_only=True)
class Rung:
    """A running trial was compared with the others at a rung, and is stopped or goes on."""

    number: int
    epochs: int
    """After how many epochs."""
    margin: float
    """SmartMixed's validation margin at that epoch."""
    stop: bool


@dataclass(frozen=True, kw_only=True)
class Setback:
    """An attempt at a trial ended without an outcome."""

    number: int
    kind: str
    """`RAISED`, `LOST` or `MEMORY`; each has a bound of its own."""
    host: str
    """Where that was, as Ray calls the host; empty where it does not say."""
    reason: str
    """Why, in one line."""


RAISED = "raised"
"""The trial's own error."""
LOST = "lost"
"""Its process or its node ended, through no fault of its own."""
MEMORY = "memory"
"""Its process was ended because the node ran short of memory."""


@dataclass(frozen=True, kw_only=True)
class Reopened:
    """A failed trial is tried again: its outcome and its setbacks count no longer."""

    number: int


@dataclass(frozen=True, kw_only=True)
class Settled:
    """A trial ended for good."""

    number: int
    key: str
    status: str
    """`finished`, `failed` or `stopped`."""
    objective: float | None = None
    """Validation objective of a finished trial."""
    confidence: float | None = None
    """Mean choice confidence of a finished trial."""
    reason: str | None = None
    """Why a trial failed or was stopped, in one line."""


def best_of(settled: Iterable[Settled]) -> Settled | None:
    """Return the finished trial of highest objective, the first on ties; None without a finished one."""
    finished = (one for one in settled if one.objective is not None)
    return max(finished, key=lambda one: (one.objective, -one.number), default=None)


Event = Proposed | Duplicate | Rung | Setback | Settled | Reopened
_EVENTS: dict[str, type[Event]] = {
    "proposed": Proposed,
    "duplicate": Duplicate,
    "rung": Rung,
    "setback": Setback,
    "settled": Settled,
    "reopened": Reopened,
}


_TYPES = {kind: get_type_hints(kind) for kind in _EVENTS.values()}


def write_event(event: Event) -> dict[str, Any]:
    """Return an event as the ledger has it."""
    return seal({"event": type(event).__name__.lower(), **asdict(event)})


def read_event(line: bytes) -> Event:
    """Read a line of the ledger.

    Raises:
        ValueError, LookupError, TypeError, AttributeError: it is not an event.
    """
    plain = unseal(line)
    kind = _EVENTS[plain.pop("event")]
    event = kind(**plain)
    if not all(_is(getattr(event, name), wanted) for name, wanted in _TYPES[kind].items()):
        raise TypeError("an event's values must be of its types")
    return event


def _is(value: object, wanted: Any) -> bool:
    """Whether a value of JSON is of an annotated type."""
    if isinstance(wanted, UnionType):
        return any(_is(value, one) for one in get_args(wanted))
    types = {float: (float, int)}.get(wanted, (get_origin(wanted) or wanted,))
    return type(value) in types  # True is not a number
