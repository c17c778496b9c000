"""What a sweep keeps on the disk: its directory, its ledger, and the lock that lets one process write."""
