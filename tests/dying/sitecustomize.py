"""Kills one flow run's process right after its n-th durable step: KPR_TEST_DIE_AT names a file with the run's id and n.

``… fix_messages:3`` there means the third step after that method of the store was called.

Python imports this module by itself at its start, where the folder is on its path. The file is read once and taken
away, so that the process that takes over lives. All other processes, other runs' too, are left alone.
"""

import os
import sys
from pathlib import Path


def _arm() -> None:
    file = Path(os.environ.get("KPR_TEST_DIE_AT", "/nonexistent"))
    if "prefect.engine" not in sys.orig_argv or not file.exists():  # its supervisor has the same environment
        return
    run, _, point = file.read_text().partition(" ")
    if run != os.environ.get("PREFECT__FLOW_RUN_ID"):
        return
    after, _, steps = point.rpartition(":")
    left, counting = [int(steps)], [not after]
    file.unlink()
    from contextlib import contextmanager

    from kpr.security.vault import Vault
    from kpr.store.store import Store

    def dying(original):  # type: ignore[no-untyped-def]
        @contextmanager
        def wrapped(*args, **words):  # type: ignore[no-untyped-def]
            with original(*args, **words) as value:
                yield value
            left[0] -= counting[0]
            if left[0] < 0:
                os._exit(9)

        return wrapped

    if after:
        awaited = getattr(Store, after)

        def begins(*args, **words):  # type: ignore[no-untyped-def]
            counting[0] = True
            return awaited(*args, **words)

        setattr(Store, after, begins)
    Store.transaction = dying(Store.transaction)  # type: ignore[method-assign]
    Vault.create = dying(Vault.create)  # type: ignore[method-assign]


_arm()
