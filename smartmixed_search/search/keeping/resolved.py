"""What makes a sweep the sweep it is, and what of it has changed where it is not."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from smartmixed_search.analysis.confirmed import Confirmed
from smartmixed_search.datasets import Dataset
from smartmixed_search.errors import SweepError
from smartmixed_search.errors.messages import show
from smartmixed_search.space.keys import FREE, as_recorded
from smartmixed_search.space.space import SearchSpace

_KEYS_SHOWN = 3
_IDENTITY = {"seed": "seed", "dataset": "dataset", "hash": "space", "confirms": "sweep that it confirms"}


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What makes a sweep the sweep it is; equal on every re-entry."""

    name: str
    hash: str
    """Hash of the resolved space."""
    seed: int
    dataset: dict[str, str]
    """The dataset's `name` and `checksum`."""
    space: dict[str, Any]
    """The resolved space as a plain dict."""
    confirms: dict[str, Any] | None = None
    """Of a confirmation, the fields of `Confirmed`; None: it is a sweep of its own."""

    @classmethod
    def of(cls, name: str, space: SearchSpace, dataset: Dataset, confirms: Confirmed | None = None) -> Self:
        """Return what a sweep of a space over a dataset is, or a confirmation of one."""
        return cls(
            name=name,
            hash=space.hash,
            seed=space.seed,
            dataset={"name": dataset.name, "checksum": dataset.checksum},
            space=space.to_dict(),
            confirms=None if confirms is None else asdict(confirms),
        )

    @property
    def confirmed(self) -> Confirmed | None:
        """The sweep that it confirms, if it does."""
        return None if self.confirms is None else Confirmed(**self.confirms)

    @property
    def key(self) -> str:
        """Identity of the sweep whatever its name: hash of space, seed, data and what it confirms, 16 hex digits."""
        identity: list[Any] = [self.hash, self.seed, self.dataset]
        if self.confirms is not None:
            identity.append(self.confirms)
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Return the content of `resolved.json`, except its date."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read the content of `resolved.json`."""
        return cls(**{field.name: plain[field.name] for field in fields(cls) if field.name in plain})

    def require_same(self, wanted: "Resolved") -> None:
        """Make sure that this, which was begun, is the very sweep that is wanted.

        Raises:
            SweepError: it is another one.
        """
        before, now = self.to_dict(), wanted.to_dict()
        for field, what in _IDENTITY.items():
            if before[field] != now[field]:
                changed = _changed_keys(self.space, wanted.space) if field == "hash" else ""
                raise SweepError(
                    f"a sweep that is continued must keep its {what}, but "
                    + (changed or f"{self.name!r} has {_short(before[field])}, not {_short(now[field])}")
                    + "; choose another --name"
                )


def _changed_keys(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return which keys of a space differ, with what each was and is; nothing if none does."""
    before, free = as_recorded(before), (*FREE, "dataset")  # which has a message of its own
    changed = [key for key in now if key not in free and before.get(key) != now[key]]
    told = [f"{key} was {_plain(before.get(key))}, is {_plain(now[key])}" for key in changed[:_KEYS_SHOWN]]
    return "; ".join(told) + (f"; and {len(changed) - _KEYS_SHOWN} more" if len(changed) > _KEYS_SHOWN else "")


def _plain(value: object) -> str:
    return "none" if value is None else value if isinstance(value, str) else show(value)


def _short(value: object) -> str:
    if isinstance(value, Mapping):
        name, *others = map(str, value.values())
        return f"{name} ({', '.join(others)})"
    return str(value)[:12]
