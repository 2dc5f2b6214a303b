"""A clock that stands still until a test moves it."""

from dataclasses import dataclass

#: Sunday 1 March 2026, 09:00 UTC, in microseconds since 1970
START = 1_772_355_600_000_000


@dataclass(slots=True)
class Clock:
    """Call it for the instant (microseconds since 1970 UTC); set `now` or `advance` it to move time."""

    now: int = START

    def __call__(self) -> int:
        return self.now

    def advance(self, span: int) -> int:
        """Moves on by `span` microseconds and returns the new instant."""
        if span < 0:
            raise ValueError("this clock only goes forward; set `now` to go back")
        self.now += span
        return self.now
