"""
Uploaded files in a store that keeps copies by itself, reached over the network (S3), in the place of the nodes' disks.

    PUT ──▶ draft on this node's disk (hashed) ──▶ put into the bucket, acknowledged ──▶ StoreUpload, then 201
    GET ──▶ where is it? (one listing, remembered) ──▶ windows of a few MiB, one after the other

| module | what it does |
| --- | --- |
| `bucket` | the calls of the library, their bounds and their errors |
| `media` | what the door offers to the edges, as `media.Media` does for disks |
| `upkeep` | the leader compares bucket and state: says what is missing, deletes what nobody refers to |

A file of SHA-256 D is an object `PREFIX/D/CHANCE`: another name for each time that somebody puts it. So what is deleted
was never put again under the same name meanwhile, and no lock is needed between the node that deletes and those that
put: an object goes when the state has not referred to its file for the grace time of stored files, by what the leader
has seen itself, and the object is older than that. Two nodes that put the same bytes at once leave an object too many.

Decided against: names without chance, which are read without a listing, but can be put again between the look of
whoever deletes them and the deletion; and a cache of whole files on each node, which would make the disks as large as
the store.
"""
