"""
`raftline top`: the cluster as it is now, in the terminal.

    probe    asks the nodes, and goes on with another one when one dies       (network)
    figures  what a node's metrics say                                        (pure)
    reading  two samples make rates, quantiles and a time line                (pure)
    view     a reading as a picture                                           (pure)
    command  one after another, until somebody has seen enough
"""
