"""The steps of a deployment as a TaskFlow flow: which of them, in which order, what side by side.

The factory is found by its name when a flow is resumed: keep it importable.
"""

import dataclasses
import time

from taskflow.patterns import linear_flow, unordered_flow

from gateway.deploy import plan, steps
from gateway.deploy.model import Deployment, Release, Status, Step, StepState, Target

Batches = list[list[int]]

_RUN = (steps.LogIn, steps.Upload, steps.Install, steps.StartService, steps.WaitUntilHealthy, steps.Register)
_PREPARE = (steps.LogIn, steps.Upload, steps.Install)
_SWITCH = (steps.Drain, steps.StartService, steps.WaitUntilHealthy, steps.Register)

#: What is done with those that go, by ``gateway.deploy.rollout.remove``, once nothing is taken back any more.
REMOVAL = ("drain", "remove")


def deployment_flow(
    boots: bool, floating: bool, added: list[int], replaced: list[int], batches: Batches, removed: list[int]
) -> linear_flow.Flow:
    """New servers come first, side by side, while the release is put onto those that are there; then these
    are switched batch by batch."""
    flow = linear_flow.Flow("deployment")
    flow.add(*[step() for step in _whole(boots, added)])
    arrivals = unordered_flow.Flow("arrivals")
    for number in added:
        arrivals.add(_line("added", _arrival(boots, floating), number))
    for number in replaced:
        arrivals.add(_line("replaced", (steps.DeleteDeadServer, *_arrival(boots, floating)), number))
    for number in (each for batch in batches for each in batch):
        arrivals.add(_line("prepared", _PREPARE, number))
    flow.add(arrivals)
    for position, batch in enumerate(batches):
        side_by_side = unordered_flow.Flow(f"batch:{position}")
        for number in batch:
            side_by_side.add(_line("switched", _SWITCH, number, pauses=position > 0))
        flow.add(side_by_side)
    return flow


def _line(name: str, classes: tuple, number: int, pauses: bool = False) -> linear_flow.Flow:
    made = [step(number, pauses) if step is steps.Drain else step(number) for step in classes]
    return linear_flow.Flow(f"{name}:{number}").add(*made)


def _whole(boots: bool, added: list[int]) -> tuple[type[steps.DeployTask], ...]:
    return (steps.CheckQuota, steps.OpenSecurityGroup) if boots and added else (steps.OpenSecurityGroup,)


def _arrival(boots: bool, floating: bool) -> tuple[type[steps.DeployTask], ...]:
    if not boots:
        return (steps.FindServer, *_RUN)
    return (steps.BootServer, steps.WaitForServer, *((steps.AddFloatingIP,) if floating else ()), *_RUN)


def planned_steps(
    boots: bool, floating: bool, added: list[int], replaced: list[int], batches: Batches, removed: list[int]
) -> tuple[Step, ...]:
    """The same as a list to show, before anything has run."""
    names = [(step.step, None) for step in _whole(boots, added)]
    arrival = [step.step for step in _arrival(boots, floating)]
    names += [(name, number) for number in added for name in arrival]
    names += [(name, number) for number in replaced for name in (steps.DeleteDeadServer.step, *arrival)]
    names += [(each.step, number) for batch in batches for number in batch for each in (*_PREPARE, *_SWITCH)]
    names += [(name, number) for number in removed for name in REMOVAL]
    return tuple(Step(name, number, StepState.PENDING) for name, number in names)


def next_of(
    live: Deployment, release: Release, targets: tuple[Target, ...], request_id: str, trust_id: str | None
) -> Deployment:
    """``live`` as it is to become, for ``DeploymentStore.begin``."""
    return dataclasses.replace(
        live,
        request_id=request_id,
        trust_id=trust_id,
        release=release,
        before=live.release,
        status=Status.PENDING,
        updated_at=time.time(),
        steps=planned_steps(**plan.shape(release.spec, targets)),
        targets=targets,
    )
