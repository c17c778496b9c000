"""The command line: arguments, wiring, exit codes. Everything heavy is imported by the command that needs it."""

import sys
from collections.abc import Sequence

import click

from smartmixed_search.cli.compare import compare
from smartmixed_search.cli.confirm import confirm
from smartmixed_search.cli.effects import effects
from smartmixed_search.cli.export import export
from smartmixed_search.cli.init import init
from smartmixed_search.cli.local import doctor, spaces, ui
from smartmixed_search.cli.network import network
from smartmixed_search.cli.options import INTERRUPTED
from smartmixed_search.cli.output import discard_output, flush_output, prepare_output
from smartmixed_search.cli.query import status, top
from smartmixed_search.cli.report import report
from smartmixed_search.cli.reproduce import reproduce
from smartmixed_search.cli.run import run
from smartmixed_search.cli.sync import sync
from smartmixed_search.errors import UserError
from smartmixed_search.errors.messages import concealed, in_short, one_line, one_of
from smartmixed_search.system.files import is_full
from smartmixed_search.system.machine import some_home
from smartmixed_search.system.version import __version__


class _Commands(click.Group):
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            raise click.UsageError(one_of("a command", args[0], self.commands))
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Commands,
    commands=[
        init,
        network,
        run,
        top,
        compare,
        confirm,
        effects,
        report,
        status,
        export,
        reproduce,
        sync,
        spaces,
        doctor,
        ui,
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="smartmixed-search")
def cli() -> None:
    """Search architectures for which letting every neuron choose its own activation function pays off.

    Start with:  smartmixed-search run quickstart  and then  smartmixed-search top
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 the user can fix it, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    prepare_output()
    try:
        with some_home():
            code = cli.main(list(arguments), prog_name="smartmixed-search", standalone_mode=False)
        flush_output()
    except (KeyboardInterrupt, click.Abort):
        _fail("interrupted", INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(2)
    except click.ClickException as error:
        _fail(f"error: {one_line(error.format_message())}", 2)
    except UserError as error:
        _fail(f"error: {in_short(error, kind=False)}", 2)
    except BrokenPipeError:  # the reader of our output, `head` say, has had enough
        discard_output()
        sys.exit(0)
    except Exception as error:
        if "--debug" in arguments:
            raise
        if is_full(error):
            discard_output()
            _fail(f"error: nothing more can be written ({error}); make room, and run the same command again", 1)
        _fail(f"internal error: {in_short(error)} (--debug shows where)", 1)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> None:
    click.echo(concealed(message), err=True)
    sys.exit(code)
