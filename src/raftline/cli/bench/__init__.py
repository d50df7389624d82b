"""
`raftline bench`: how quick a running cluster is, as people at clients notice it.

    chatter  one client over WebSocket                                        (network)
    load     pairs of them, one of which writes to the other, for some time
    figures  durations as what is told of them                                (pure)
    command  accounts that are made before and deleted after, and the report

It goes in by the same door as everybody, with accounts of its own, so it may be run beside real traffic; the other
servers that the project compares itself with are the affair of `make bench`.
"""
