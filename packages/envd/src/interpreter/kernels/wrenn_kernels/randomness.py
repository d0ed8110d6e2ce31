"""Random numbers of a process that may be one of several copies of the same memory."""

import hashlib
import random
import sys


def reseed(seed: bytes) -> None:
    """
    Gives the generators that a process keeps for itself a new beginning: Python's, numpy's global one, and OpenSSL's
    pool. The kernel's (os.urandom, secrets, uuid4) is the agent's care. Generators that user code made are its own.
    """
    random.seed(seed)
    state = hashlib.sha512(seed).digest()
    # A module may be there and not be loaded to its end.
    seed_numpy = getattr(getattr(sys.modules.get("numpy"), "random", None), "seed", None)
    if seed_numpy is not None:
        seed_numpy([int.from_bytes(state[at : at + 4], "little") for at in range(0, len(state), 4)])
    stir_openssl = getattr(sys.modules.get("_ssl"), "RAND_add", None)
    if stir_openssl is not None:
        stir_openssl(state, float(len(state)))
