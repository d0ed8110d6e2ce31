"""Environment variables of a kernel: the guest's, below what user code has set, and those of one execution above all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


class GuestEnvironment:
    """Variables that were set from outside. User code may have changed them since; then they are its own."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}

    def take_over(self, envs: dict[str, str]) -> None:
        for name, value in self._given.items():
            if name not in envs and os.environ.get(name) == value:
                del os.environ[name]
        os.environ.update(envs)
        self._given = dict(envs)


@contextmanager
def for_now(envs: dict[str, str]) -> Iterator[None]:
    """Sets variables and puts back what was there before."""
    before = {name: os.environ.get(name) for name in envs}
    os.environ.update(envs)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
