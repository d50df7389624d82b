"""
What stored files are like: dimensions, duration, waveform, a thumbnail or a poster frame.

| module | what it does |
| --- | --- |
| `describing` | which file is looked into when; stores the thumbnail, and tells the cluster |
| `process` | runs the worker within bounds of time and output |
| `worker` | the process that looks into one file, within bounds of memory and processor time |
| `formats` | what a file is, by how it begins |
| `pictures`, `waves`, `streams` | by Pillow; plain WAV; everything else by ffmpeg |
| `findings` | what comes of it |

Files come from people who mean harm, and decoders have bugs. So nothing is decoded in the node's own process; the
worker may take no more than so much of anything, and may not write files; only known formats are decoded, each by the
decoder that was chosen by the first bytes, so that nothing which refers to other files or addresses (playlists) is
followed.

Decided against: decoding on a thread of the node, which neither a limit of memory nor a crash of a decoder respects;
and a pool of workers that live on, which is faster, and lets one file's decoder meet another's file.
"""
