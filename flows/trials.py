"""Each trial of a search as a Prefect task run: on the workers of this process, or on a Dask cluster."""

from collections.abc import Callable
from functools import partial
from typing import Any

from distributed import Client
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State as PrefectState
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed
from prefect_dask.task_runners import DaskTaskRunner

from mmcore.errors import ConfigError, SetupError
from mmcore.search import remote
from mmcore.search.host import Host, Order, Told
from mmcore.search.plan import Plan
from mmcore.search.remote import Spec
from mmcore.search.rows import State
from mmcore.search.session import Judging

Done = Callable[[Told | BaseException], None]
CONNECT_S = 20


class Trials:
    """Hands trials to Prefect, in a flow that runs."""

    def __init__(self, plan: Plan, host: Host) -> None:
        self._host = host
        self._spec = None if plan.settings.dask is None else Spec.of(plan, host)

    def submit(self, order: Order, done: Done) -> None:
        """Have a trial run; `done` is called with what came of it, from another thread."""
        future = _task(f"trial-{order.number}", self._trial).submit(order, return_state=False)
        future.add_done_callback(lambda finished: done(self._outcome(order, finished)))

    def judge(self, work: list[Judging]) -> list[dict[str, Any]]:
        """Have trainings judged, side by side."""
        futures = [_task(one.label, self._judge).submit(one, return_state=False) for one in work]
        found = list[dict[str, Any]]()
        for future in futures:
            future.wait()
            found.append(future.result())
        return found

    @property
    def _trial(self) -> Callable[[Order], PrefectState[Any]]:
        spec, host = self._spec, self._host
        return (lambda order: _state(host.trial(order))) if spec is None else _Sent(spec).trial

    @property
    def _judge(self) -> Callable[[Judging], dict[str, Any]]:
        spec, host = self._spec, self._host
        return (lambda one: host.judge(one.values, one.seed, one.folder)) if spec is None else _Sent(spec).judge

    def _outcome(self, order: Order, future: PrefectFuture[Any]) -> Told | BaseException:
        try:
            found = future.result(raise_on_failure=False)
        except BaseException as error:  # of the cluster: the process that it ran in is gone
            found = error
        if isinstance(found, Told):
            return found
        if self._spec is None:
            return found if isinstance(found, BaseException) else RuntimeError(f"trial {order.number}: {found!r}")
        reason = f"its machine did not answer: {found}"
        again = self._host.study.died(order.identity, reason, blame=not self._host.ending)
        return Told(order.number, State.DIED if again else State.FAILED, reason=reason)


class _Sent:
    """What goes to another machine, by the names of functions of mmcore: `flows` need not be there."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec

    @property
    def trial(self) -> Callable[[Order], Any]:
        return partial(remote.run_trial, self._spec)

    @property
    def judge(self) -> Callable[[Judging], Any]:
        return partial(remote.judge, self._spec)


def _task(name: str, function: Callable[..., Any]) -> Any:
    return task(name=name.split("-")[0], task_run_name=name, persist_result=False, cache_policy=NO_CACHE)(function)


def _state(told: Told) -> PrefectState[Any]:
    """As Prefect's page shows it."""
    if told.state is State.FAILED:
        return Failed(message=told.reason, data=told)
    name = f"{told.value:.5g}" if told.value is not None else told.state.capitalize()
    return Completed(name=name, message=told.reason or None, data=told)


def runner_of(plan: Plan) -> DaskTaskRunner:
    """Of the cluster that the settings name. Raises ConfigError or SetupError where there is none to be had."""
    address = plan.settings.dask
    assert address is not None, "asked for where there is one alone"
    if plan.settings.storage is None:
        raise ConfigError(
            "dask=... runs trials on several machines, which cannot share a file. Say storage=postgresql://USER@HOST/DB."
        )
    try:
        with _client(address):
            pass
    except (OSError, TimeoutError, ValueError) as error:
        raise SetupError(
            f"No Dask scheduler answers at {address}. Start one (`dask scheduler`) and workers for it "
            f"(`dask worker {address} --nthreads 1`)."
        ) from error
    return DaskTaskRunner(address=address)


def places_of(plan: Plan) -> int:
    """How many trials the cluster can run at once: one in each worker process. Raises SetupError where it has none."""
    address = str(plan.settings.dask)
    with _client(address) as client:
        found = len(client.scheduler_info(n_workers=-1)["workers"])
    if not found:
        raise SetupError(
            f"The Dask cluster at {address} has no workers. Start some: dask worker {address} --nthreads 1"
        )
    return min(found, plan.settings.workers or found)


def _client(address: str) -> Any:
    """distributed has no types."""
    return Client(address, timeout=CONNECT_S, set_as_default=False)  # type: ignore[no-untyped-call]
