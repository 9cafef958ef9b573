"""An append-only log of runs in a folder, in the forms of C2SP that other projects' tools read.

Sources: https://c2sp.org/tlog-tiles, https://c2sp.org/tlog-checkpoint, https://c2sp.org/signed-note,
https://c2sp.org/tlog-proof, RFC 6962 and RFC 9162 (the hash tree).
"""
