"""Environment variables of a kernel: the guest's, below what user code has set, and those of one execution above all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


class GuestEnvironment:
    """Variables that were set from outside. User code may have changed them since; then they are its own."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}

    def take_over(self, envs: dict[str, str]) -> None:
        for name in self._given.keys() - envs.keys():
            if os.environ.get(name) == self._given.pop(name):
                del os.environ[name]
        for name, value in envs.items():
            if name not in self._given or os.environ.get(name) == self._given[name]:
                os.environ[name] = self._given[name] = value


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
