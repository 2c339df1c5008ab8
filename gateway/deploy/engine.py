"""Runs the flows of deployments, and goes on with those that a stopped engine left (TaskFlow)."""

import concurrent.futures
import contextlib
import dataclasses
import functools
import threading
import time
from collections.abc import Callable, Iterator

import taskflow.engines
import taskflow.exceptions
from oslo_config import cfg
from oslo_log import log
from taskflow import states
from taskflow.persistence import backends
from taskflow.persistence import models as persistence
from taskflow.persistence.backends import impl_sqlalchemy
from taskflow.types import failure

from gateway import errors, metrics, periodic
from gateway.cloud.sessions import Sessions
from gateway.db import AWAY, end_idle_transactions, schema, url
from gateway.deploy import flow, plan, rollout, steps, undeploy
from gateway.deploy.claims import Claim, Suspended
from gateway.deploy.jobboard import Jobboard
from gateway.deploy.model import Aim, Deployment, Fault, Status, StepState
from gateway.deploy.store import DeploymentStore
from gateway.deploy.work import TAKEN_BACK, Work
from gateway.deploy.working import Working
from gateway.registry.registry import Registry

LOG = log.getLogger(__name__)

_RETRY_FIRST, _RETRY_MOST = 2.0, 300.0  # seconds between tries to take back what could not be
_RETRY_SUSPENDED = 1.0

_UNKNOWN_FAULT = Fault("deployment", None, "gateway.internal", "The gateway failed; its log has more.")

_AWAY = (*AWAY, taskflow.exceptions.StorageFailure)

_STEP_STATES = {
    states.RUNNING: StepState.RUNNING,
    states.SUCCESS: StepState.DONE,
    states.FAILURE: StepState.FAILED,
    states.REVERTING: StepState.REVERTING,
    states.REVERTED: StepState.REVERTED,
}
_STEP_RESULTS = {states.SUCCESS: "ok", states.FAILURE: "failed", states.REVERTED: "reverted"}


#: How runs of flows are counted; all that is neither has failed.
_RESULTS = {states.SUCCESS: "ok", states.SUSPENDED: "suspended"}


class Engine:
    """One of several by ``board``, else the one of its machine; ``run`` is its whole life."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        store: DeploymentStore,
        sessions: Sessions,
        registry: Registry,
        board: Jobboard | None = None,
    ):
        self._conf = conf
        self._store = store
        self._sessions = sessions
        self._registry = registry
        self._backend = backends.fetch({"connection": url(conf)})
        end_idle_transactions(self._backend.engine)
        self._claims = board or Working(conf, store)
        self._running: dict[str, concurrent.futures.Future] = {}
        self._flows: dict[str, taskflow.engines.base.Engine] = {}
        self._retries = periodic.Retries(_RETRY_FIRST, _RETRY_MOST)

    def run(self, stop: threading.Event) -> None:
        """Until ``stop``; then no step is begun any more, and those under way get [engine] drain_timeout."""
        with (
            schema.alone(self._backend.engine),
            contextlib.closing(self._backend.get_connection()) as connection,
        ):
            connection.upgrade()
        pool = concurrent.futures.ThreadPoolExecutor(self._conf.engine.max_deployments, "deployment")
        look = functools.partial(self._take, pool)
        periodic.every(
            self._conf.engine.poll_interval, stop, "Looking for work", look, self._store.commits().looking
        )
        self._drain()

    def _take(self, pool: concurrent.futures.ThreadPoolExecutor) -> None:
        self._running = {id: future for id, future in self._running.items() if not future.done()}
        unfinished = self._store.unfinished()
        wanted = [id for id in unfinished if id not in self._running and self._retries.is_due(id)]
        free = max(0, self._conf.engine.max_deployments - len(self._running))
        for claim in self._claims.take(unfinished, wanted, free):
            self._running[claim.id] = pool.submit(self._work_on, claim)

    def _drain(self) -> None:
        for engine in list(self._flows.values()):
            # in a thread: a serial engine holds the lock that this needs for as long as its step takes
            threading.Thread(target=engine.suspend, daemon=True).start()
        concurrent.futures.wait(self._running.values(), self._conf.engine.drain_timeout)
        self._claims.close()

    def _work_on(self, claim: Claim) -> None:
        id = claim.id
        try:
            with claim.held() as store:
                self._try_to_work_on(id, store, claim.is_alive)
        except errors.NotFound:
            LOG.info("Deployment %s is gone", id)
        except (Suspended, *_AWAY) as error:
            LOG.warning("Deployment %s is left as it is, and goes on later: %s", id, error)
            self._retries.later(id, _RETRY_SUSPENDED)

    def _try_to_work_on(self, id: str, store: DeploymentStore, is_ours: Callable[[], bool]) -> None:
        try:
            deployment = store.deployment(id)
            work = Work(self._conf, store, self._sessions, self._registry, deployment, is_ours)
            try:
                self._advance(work, deployment)
            finally:
                work.close()
            self._retries.forget(id)
        except (errors.NotFound, *_AWAY):
            raise
        except Exception as error:
            delay = self._retries.failed(id)
            LOG.exception("Deployment %s: trying again in %.0f s", id, delay)
            self._tell_retry(id, error, delay)

    def _tell_retry(self, id: str, error: Exception, delay: float) -> None:
        message = (
            error.message if isinstance(error, errors.GatewayError) else "the gateway failed; see its log"
        )
        self._store.write_log(id, "undeploy", None, f"{message} Trying again in {delay:.0f} s.")

    def _advance(self, work: Work, deployment: Deployment) -> None:
        if deployment.status in (Status.PENDING, Status.RUNNING):
            flow = "update" if work.before else "create"
            with metrics.FLOW_SECONDS.timing(flow):
                outcome = self._run_flow(work, deployment)
            metrics.FLOWS.inc(flow, _RESULTS.get(outcome, "failed"))
            if outcome == states.SUSPENDED:
                return
            if outcome != states.SUCCESS and work.store.move(work.id, Status.REVERTING, [Status.RUNNING]):
                work.store.set_fault(work.id, _UNKNOWN_FAULT)  # kept only where no step told its own
            if outcome == states.SUCCESS:
                work.store.move(work.id, Status.FINISHING, [Status.RUNNING])
        match work.store.status(work.id):
            case Status.FINISHING:
                with _counted("finish"):
                    self._finish(work)
            case Status.REVERTING if work.before:
                with _counted("restore"):
                    self._restore(work)
            case Status.REVERTING:
                with _counted("remove"):
                    self._remove(work)
                    work.store.close_steps(work.id)
                    work.store.fail(work.id)
            case Status.DELETING:
                with _counted("delete"):
                    self._remove(work)
                    work.store.remove(work.id)

    def _finish(self, work: Work) -> None:
        """Every instance of the release passes, and there is no way back: those that are no longer wanted
        go."""
        progress = _Progress(work)
        for target in work.deployment.targets:
            if target.aim is Aim.REMOVE:
                progress.do("drain", target.number, rollout.drain)
                progress.do("remove", target.number, rollout.remove)
        if work.before:
            rollout.close_port(work, work.before, work.release)
        self._forget(work)
        work.store.succeed(work.id, self._conf.deploy.keep_releases)

    def _restore(self, work: Work) -> None:
        """Looks again after the steps' own reverts, so that nothing stays whatever they met. A flow that was
        reverting when the engine died goes on with this, too."""
        with work.going_back():
            rollout.restore_all(work)
        work.store.close_steps(work.id)
        self._forget(work)
        work.store.roll_back(work.id)

    def _remove(self, work: Work) -> None:
        """Everything. Without a trust nothing is left any more: it is retired first and deleted then, so that
        one that is gone already is never needed again after a crash."""
        if work.deployment.trust_id:
            with work.going_back():
                undeploy.everything(work)
            work.store.retire_trust(work.id)
        self._forget(work)

    def _forget(self, work: Work) -> None:
        """What only the flow needed, and the trusts that are retired."""
        work.delete_retired_trusts()
        flow_id = work.store.deployment(work.id).flow_id
        if flow_id:
            with contextlib.closing(self._flows_of(work).get_connection()) as connection:
                connection.destroy_logbook(flow_id)
            work.store.set_flow(work.id, None)

    def _run_flow(self, work: Work, deployment: Deployment) -> str:
        work.store.move(work.id, Status.RUNNING, [Status.PENDING])
        engine = self._load(work, deployment)
        engine.storage.inject({"work": work}, transient=True)
        engine.atom_notifier.register("*", _Progress(work).on_step)
        self._flows[work.id] = engine
        try:
            engine.run()
        except errors.GatewayError as error:
            LOG.info("Deployment %s failed: %s", work.id, error.message)
        except taskflow.exceptions.WrappedFailure as error:
            if error.check(*_AWAY):
                raise taskflow.exceptions.StorageFailure("The database is away") from error
            LOG.info("Deployment %s failed: %s", work.id, error)
        finally:
            del self._flows[work.id]
        return engine.storage.get_flow_state()

    def _flows_of(self, work: Work) -> impl_sqlalchemy.SQLAlchemyBackend:
        """TaskFlow's tables, as long as the deployment is this engine's."""
        engine = work.store.fenced(self._backend.engine)
        return impl_sqlalchemy.SQLAlchemyBackend({}, engine=engine)

    def _load(self, work: Work, deployment: Deployment):
        backend = self._flows_of(work)
        shape = plan.shape(deployment.spec, deployment.targets)
        side_by_side = max(1, len(deployment.targets))
        options = {
            "engine": "serial" if side_by_side == 1 else "parallel",
            "max_workers": min(side_by_side, self._conf.engine.max_servers),
        }
        if deployment.flow_id:
            with contextlib.closing(backend.get_connection()) as connection:
                book = connection.get_logbook(deployment.flow_id)
            detail = next(iter(book))
            return taskflow.engines.load_from_detail(detail, backend=backend, **options)
        book = persistence.LogBook(f"deployment-{deployment.id}")
        engine = taskflow.engines.load_from_factory(
            flow.deployment_flow, factory_kwargs=shape, book=book, backend=backend, **options
        )
        work.store.set_flow(deployment.id, book.uuid)
        return engine


class _Progress:
    """Writes what TaskFlow tells of the steps where the API reads it."""

    def __init__(self, work: Work):
        self._work = work
        self._failed: set[str] = set()
        self._began: dict[str, float] = {}

    def on_step(self, state: str, details: dict) -> None:
        name, number = steps.split_task_name(details["task_name"])
        self._count(state, name, details["task_name"])
        if state not in _STEP_STATES or details["task_name"] in self._failed:
            return  # a step that failed is reverted, too, but people look for the one that failed
        values: dict = {"state": _STEP_STATES[state]}
        if state == states.RUNNING:
            values["started_at"] = time.time()
        else:
            values["finished_at"] = time.time()
        if state == states.SUCCESS:
            values["detail"] = details["result"]
        if state == states.FAILURE:
            fault = _fault(name, number, details["result"])
            values["detail"] = fault.message
            if fault.code in TAKEN_BACK:
                values["state"] = StepState.REVERTING
            else:
                self._failed.add(details["task_name"])
                self._fail(fault)
        self._work.store.set_step(self._work.id, name, number, **values)

    def _count(self, state: str, name: str, task: str) -> None:
        """Threads tell of different tasks. A step that another engine began has no duration."""
        if state == states.RUNNING:
            self._began[task] = time.monotonic()
        elif state in _STEP_RESULTS:
            metrics.STEPS.inc(name, _STEP_RESULTS[state])
            began = self._began.pop(task, None)
            if began is not None:
                metrics.STEP_SECONDS.observe(time.monotonic() - began, name)

    def do(self, name: str, number: int, what: Callable[[Work, int], str]) -> None:
        """A step that is done outside of the flow; what it raises goes on."""
        set_step = functools.partial(self._work.store.set_step, self._work.id, name, number)
        set_step(state=StepState.RUNNING, started_at=time.time())
        with metrics.STEPS.counting(name), metrics.STEP_SECONDS.timing(name):
            detail = what(self._work, number)
        set_step(state=StepState.DONE, finished_at=time.time(), detail=detail)

    def _fail(self, fault: Fault) -> None:
        self._work.store.set_fault(self._work.id, fault)
        self._work.store.move(self._work.id, Status.REVERTING, [Status.RUNNING])
        self._work.say(fault.step, fault.target, fault.message)


@contextlib.contextmanager
def _counted(flow: str) -> Iterator[None]:
    with metrics.FLOWS.counting(flow), metrics.FLOW_SECONDS.timing(flow):
        yield


def _fault(name: str, number: int | None, result: failure.Failure) -> Fault:
    error = result.exception
    if isinstance(error, errors.GatewayError):
        return Fault(name, number, error.code, error.message)
    LOG.error("Step %s failed outside of its task: %s", name, result.pformat(traceback=True))
    return dataclasses.replace(_UNKNOWN_FAULT, step=name, target=number)
