"""Waiting for conditions. No test sleeps for a fixed time: it says what must become true, and by when."""
import time

POLL = 0.03


class NotInTime(AssertionError):
    pass


def eventually(what, condition, within=60.0, poll=POLL):
    """Calls `condition` until it returns something true, and returns that.

    A condition that raises (a refused connection, an assertion) does not hold yet; the last such error is shown when
    the time is over.
    """
    deadline = time.monotonic() + within
    last = None
    while True:
        try:
            answer = condition()
            if answer:
                return answer
            last = None if answer is None or answer is False else repr(answer)
        except Exception as error:  # pylint: disable=broad-except
            last = f"{type(error).__name__}: {str(error).strip()}"
        if time.monotonic() >= deadline:
            raise NotInTime(f"not within {within:g} s: {what}" + (f" (last: {last})" if last else ""))
        time.sleep(poll)


def stays(what, condition, during):
    """The opposite: `condition` must hold at every look for `during` seconds."""
    deadline = time.monotonic() + during
    while time.monotonic() < deadline:
        if not condition():
            raise AssertionError(f"did not last {during:g} s: {what}")
        time.sleep(POLL)
