"""The shape of the flow: what is shown beforehand is what runs, in its order."""

import pytest
from taskflow import engines
from taskflow.patterns import linear_flow, unordered_flow

from gateway.deploy import flow, plan, steps
from gateway.deploy.model import ExistingServers
from gateway.tests import deployed

NOTHING = {"boots": True, "floating": False, "added": [], "replaced": [], "batches": [], "removed": []}
SHAPES = [
    NOTHING | changed
    for changed in (
        {"added": [0]},
        {"added": [0, 1, 2], "floating": True},
        {"added": [0, 1], "boots": False},
        {"batches": [[0, 1], [2]]},
        {"batches": [[0], [1]], "added": [2, 3]},
        {"replaced": [1], "floating": True},
        {"batches": [[0]], "boots": False, "added": [1]},
    )
]


@pytest.mark.parametrize("shape", SHAPES)
def test_planned_steps_are_the_steps_of_the_flow(shape):
    made, planned = flow.deployment_flow(**shape), flow.planned_steps(**shape)
    names = [steps.task_name(step.name, step.target) for step in planned]
    assert [steps.split_task_name(name) for name in names] == [(s.name, s.target) for s in planned]
    assert sorted(task.name for task in _leaves(made)) == sorted(names)
    for number in range(4):
        mine = [name for name in names if name.endswith(f":{number}")]
        assert [task.name for task in _leaves(made) if task.name in mine] == mine
    assert {step.state for step in planned} == {"pending"}


def _leaves(node):
    if not isinstance(node, (linear_flow.Flow, unordered_flow.Flow)):
        return [node]
    return [leaf for child in node for leaf in _leaves(child)]


@pytest.mark.parametrize(
    ("servers", "names"),
    [
        (
            deployed.NEW,
            "quota security_group boot active ssh upload install start health register",
        ),
        (ExistingServers(("s-1",), None), "security_group server ssh upload install start health register"),
    ],
)
def test_the_steps_of_one_server(servers, names):
    spec = deployed.spec(servers)
    shape = plan.shape(spec, plan.first(spec))
    assert [step.name for step in flow.planned_steps(**shape)] == names.split()


def test_removed_ones_are_shown_and_left_to_the_engine():
    shape = NOTHING | {"removed": [2]}
    assert [task.name for task in _leaves(flow.deployment_flow(**shape))] == ["security_group"]
    assert [(s.name, s.target) for s in flow.planned_steps(**shape)][1:] == [("drain", 2), ("remove", 2)]


def test_no_instance_is_switched_before_the_batch_before_it_is_whole():
    *_, first, second = flow.deployment_flow(**NOTHING | {"batches": [[0, 1], [2]]})
    assert [task.name for task in _leaves(first) if task.name.startswith("drain")] == ["drain:0", "drain:1"]
    assert [task.name for task in _leaves(second)] == ["drain:2", "start:2", "health:2", "register:2"]


def test_an_engine_takes_it_and_asks_for_nothing_but_work():
    shape = NOTHING | {"batches": [[0], [1]], "added": [2], "replaced": [3], "floating": True}
    made = engines.load(flow.deployment_flow(**shape), store={"work": None})
    made.compile()
    made.prepare()
    made.validate()


def test_the_factory_is_found_by_its_name():
    made = engines.load_from_factory(
        "gateway.deploy.flow.deployment_flow",
        factory_kwargs=NOTHING | {"added": [0]},
        store={"work": None},
    )
    made.compile()
