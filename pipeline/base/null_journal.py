"""The journal of work that is kept in none: a process that is not the first, a measurement, a check."""

from __future__ import annotations

from collections.abc import Callable


class NullJournal:
    """Takes all that a journal takes, and keeps nothing."""

    watches = False

    def __getattr__(self, kind: str) -> Callable[..., None]:
        return lambda *args, **options: None

    def __enter__(self) -> NullJournal:
        return self

    def __exit__(self, kind, error, trace) -> None:
        pass
