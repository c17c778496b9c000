import json
from typing import Any

import pytest

from smartmixed_search.system.checksums import seal, unseal

PLAIN: dict[str, Any] = {"number": 3, "values": [0.1 + 0.2, None, True], "nested": {"β": "text"}}


def test_what_was_sealed_is_read_as_it_was() -> None:
    assert unseal(json.dumps(seal(PLAIN)).encode()) == PLAIN
    assert unseal(json.dumps(seal(PLAIN), indent=1, ensure_ascii=False).encode()) == PLAIN


def test_what_was_never_sealed_is_read_as_it_is() -> None:
    assert unseal(json.dumps(PLAIN).encode()) == PLAIN


def test_every_flipped_bit_is_noticed() -> None:
    """Or changes nothing, as in the last digits of a float, or makes a key that nobody knows of the checksum's name."""
    content = json.dumps(seal(PLAIN)).encode()
    for place in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        try:
            found = unseal(bytes(flipped))
            assert found == PLAIN or found.keys() != PLAIN.keys(), bytes(flipped)
        except ValueError:
            continue


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"3", b"null", b"\xff", b"[" * 100_000, b'{"a":' * 100_000])
def test_what_is_no_object_is_damaged(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the message is the caller's
        unseal(content)
