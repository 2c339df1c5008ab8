"""The shape of the flow: what is shown beforehand is what runs, in its order."""

import itertools

import pytest
from taskflow import engines
from taskflow.patterns import linear_flow

from gateway.deploy import flow
from gateway.deploy.model import ExistingServers
from gateway.tests import deployed

SHAPES = [
    (targets, boots, floating)
    for targets, boots, floating in itertools.product((1, 3), (True, False), (True, False))
    if boots or not floating
]


@pytest.mark.parametrize(("targets", "boots", "floating"), SHAPES)
def test_planned_steps_are_the_steps_of_the_flow(targets, boots, floating):
    made = flow.deployment_flow(targets, boots, floating)
    planned = flow.planned_steps(targets, boots, floating)
    names = [flow.task_name(step.name, step.target) for step in planned]
    assert [flow.split_task_name(name) for name in names] == [(s.name, s.target) for s in planned]
    assert sorted(task.name for task in _leaves(made)) == sorted(names)
    for number in range(targets):
        mine = [name for name in names if name.endswith(f":{number}")]
        assert [task.name for task in _leaves(made) if task.name in mine] == mine
    assert {step.state for step in planned} == {"pending"}


def _leaves(node):
    if not isinstance(node, (linear_flow.Flow, flow.unordered_flow.Flow)):
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
    shape = flow.shape(deployed.spec(servers))
    assert [step.name for step in flow.planned_steps(**shape)] == names.split()


def test_an_engine_takes_it_and_asks_for_nothing_but_work():
    made = engines.load(flow.deployment_flow(2, True, True), store={"work": None})
    made.compile()
    made.prepare()
    made.validate()


def test_the_factory_is_found_by_its_name():
    made = engines.load_from_factory(
        "gateway.deploy.flow.deployment_flow",
        factory_kwargs={"targets": 1, "boots": True, "floating": False},
        store={"work": None},
    )
    made.compile()
