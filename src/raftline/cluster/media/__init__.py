"""
Uploaded files: bytes on the nodes' own disks, by their SHA-256.

    PUT ──▶ draft (hashed, synced) ──▶ kept here ── MediaOffer ──▶ a peer fetches it, syncs it ── MediaKept ──▶ back
                                                                              a majority has it: StoreUpload, then 201

| module | what it does |
| --- | --- |
| `store` | files on one disk: drafts, reading, deleting; blocks |
| `library` | the same for the event loop, and what holds deleting and keeping apart |
| `source`, `fetch` | a file travels from a node that has it to one that asks for it, over a transfer connection |
| `copies` | offers a file to all members, and waits until a majority has it |
| `healing` | compares the disk with the replicated state: fetches what is missing, deletes what nobody refers to |
| `scrub` | reads all files again, slowly, and sets damaged ones aside |
| `describing` | finds out what files are like: dimensions, duration, thumbnail |
| `objects` | the same behind one door, in an S3-compatible store instead of disks |
| `media` | joins them; what the door offers to the edges |
| `choice` | disks or a store, as the settings say |

Which files there are is replicated state (machine/media); the bytes are not. A node may lack any of them, for a while,
as long as a majority was told to have it: it fetches what it is asked for.

Decided against: bytes in the log, which would make every node write them twice and keep them in its trailing log; and
parts of files on different nodes (erasure codes), since with three nodes a copy on each is what a majority means.
"""
