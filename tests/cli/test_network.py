"""`network`: the sites of a network of one's own, and what is wrong with it, in one line."""

from collections.abc import Sequence

import pytest

from smartmixed_search.cli import main
from tests.helpers.own_networks import MODULE


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["network", *arguments, "--dataset", "digits"])
    return int(str(end.value.code))


def test_sites_are_shown_and_the_lines_of_a_space(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"{MODULE}:convolutional", "--set", "width=3", "--site", "!(hidden)") == 0
    printed = capsys.readouterr().out
    assert "examples of 1 × 8 × 8, 10 outputs, " in printed
    assert "0      (conv)  3      3 × 8 × 8  relu" in printed
    assert "left alone: (hidden), gelu, as --site says" in printed
    assert printed.splitlines()[-3:] == [
        f"  network: {MODULE}:convolutional",
        "  network_settings: {width: 3}",
        "  sites: ['!(hidden)']",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["convolutional"], "MODULE:FACTORY, but got 'convolutional'"),
        (["no_such_module:make"], "'no_such_module'"),
        ([f"{MODULE}:convolutional", "--set", "width"], "KEY=VALUE"),
        ([f"{MODULE}:convolutional", "--site", "nowhere"], "'nowhere' fits none of (conv), (hidden)"),
        ([f"{MODULE}:bad", "--set", "answer=pair"], "a tuple of 2"),
        (["__main__:main"], "save it in a file"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: Sequence[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(error) == 1
    assert message in error[0]
