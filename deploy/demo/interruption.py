"""Ctrl-C and its like, noticed only where the demo waits.

A handler that raised could strike between the start of a process and the note of its pid, and leave
that process behind.
"""

import signal
import time

POLL_S = 0.02
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class Interruption:
    def __init__(self):
        self._number = None
        self._ended = False

    def watch(self):
        for number in _SIGNALS:
            signal.signal(number, self._note)

    def ignore_from_now_on(self):
        """For the clean-up, which is bounded and must not be cut short."""
        self._ended = True

    def pause(self):
        """Waits a moment. Raises Interrupted."""
        time.sleep(POLL_S)
        if self._number is not None and not self._ended:
            raise Interrupted(self._number)

    def _note(self, number, _frame):
        self._number = number
