"""Workers of a Dask cluster."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.precompute.workers import Workers

_ANSWERS = "15s"
_TRIES = 3  # a market whose worker was lost is given to another one so often


@contextmanager
def cluster_workers(scheduler: str) -> Iterator[Workers]:
    """Yield the workers of the scheduler at an address like ``tcp://10.0.0.1:8786``.

    Raises
    ------
    ValueError
        If Dask is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client, KilledWorker
        from distributed.comm.core import CommClosedError
    except ImportError as error:
        raise ValueError(
            "--scheduler needs Dask, which is not installed; install it with "
            'pip install "liquidation-heatmap[cluster]"'
        ) from error
    try:
        client = Client(  # type: ignore[no-untyped-call]
            scheduler, timeout=_ANSWERS, set_as_default=False
        )
    except (OSError, ValueError) as error:
        raise ValueError(
            f"no Dask scheduler answers at {scheduler}; start one with dask scheduler, or correct "
            "the address"
        ) from error
    with client:
        if not client.scheduler_info()["workers"]:
            raise ValueError(
                f"the Dask scheduler at {scheduler} has no workers; start some with dask worker"
            )
        executor = client.get_executor(retries=_TRIES, pure=False)  # type: ignore[no-untyped-call]
        yield Workers(executor, (KilledWorker, CommClosedError))
