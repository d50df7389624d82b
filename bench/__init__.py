"""The benchmark: what a message costs in Raftline and in its peers, measured in one run on one machine."""
