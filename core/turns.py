"""Whose turn it is: what a process has one of, one thread changes at a time."""

from __future__ import annotations

from threading import RLock

# random states, standard output, filters of warnings and the working folder are one a process: of threads that
# change them for a while and put them back, one would put back what another had set
TURN = RLock()
"""Held by a run, a load, and the import of what others wrote."""
