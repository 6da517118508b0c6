"""The stand-in's own time.

Scope: a wall clock that a test can shift or stop. Sockets, delays and rate windows use the
machine's monotonic clock and are not touched by it.
"""

import time


class Clock:
    def __init__(self):
        self.offset = 0.0
        self.frozen = None

    def now(self):
        return self.frozen if self.frozen is not None else time.time() + self.offset

    def seconds(self):
        return int(self.now())

    def advance(self, seconds):
        if self.frozen is not None:
            self.frozen += seconds
        else:
            self.offset += seconds

    def freeze(self, at=None):
        self.frozen = float(at) if at is not None else self.now()

    def run(self):
        """Goes on from where the clock was stopped."""
        if self.frozen is not None:
            self.offset = self.frozen - time.time()
            self.frozen = None

    def reset(self):
        self.offset = 0.0
        self.frozen = None
