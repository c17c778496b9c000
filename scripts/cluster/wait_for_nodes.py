#!/usr/bin/env python
"""Wait until a Ray cluster has as many nodes as it should: wait_for_nodes.py HOST:PORT NODES [SECONDS].

A sweep runs as many trials at once as the cluster holds when the sweep begins.
"""

import sys
import time

from smartmixed_search.errors import ResourceError
from smartmixed_search.search.placing.cluster import NoClusterError, cluster_nodes, ray_session


def nodes_at(address: str) -> int:
    """Return how many nodes live at an address; 0 while nothing answers there."""
    try:
        with ray_session(address):
            return len(cluster_nodes())
    except NoClusterError:
        return 0
    except ResourceError as error:
        sys.exit(f"error: {error}")


def main(address: str, wanted: int, seconds: float = 300) -> None:
    """Wait, or give up with exit status 1."""
    deadline = time.monotonic() + seconds
    while (found := nodes_at(address)) < wanted:
        if time.monotonic() > deadline:
            sys.exit(f"error: the cluster at {address} must have {wanted} nodes, but has {found} after {seconds:g} s")
        time.sleep(2)
    print(f"{found} nodes at {address}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *map(float, sys.argv[3:]))
