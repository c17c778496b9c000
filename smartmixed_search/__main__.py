"""`python -m smartmixed_search`: the command line, for whoever has this package and no script of it on the path."""

import sys

from smartmixed_search.cli import main

if not sys.flags.safe_path:
    del sys.path[0]  # the current folder, whose files are not to be taken for modules
main()
