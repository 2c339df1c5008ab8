"""README.md's examples, run as its reader would: in one shell, from top to bottom."""

import pathlib

from behave import then, when
from harness import readme
from harness.running import environment
from harness.shell import Shell

_ROOT = pathlib.Path(__file__).parents[2]
_SHOWN_URL = "http://127.0.0.1:8790"  # README's gateway; ours is on another port
_TIMEOUT = 420


@when("I run the console examples of README.md")
def step_run_examples(context):
    folder = context.folder / "readme"
    folder.mkdir()
    (folder / "examples").symlink_to(_ROOT / "examples")
    shell = Shell(folder, environment(context))
    context.add_cleanup(shell.close)
    context.examples = []
    for example in readme.examples((_ROOT / "README.md").read_text()):
        command = example.command.replace(_SHOWN_URL, context.client.url)
        seen = shell.run(command, _TIMEOUT).replace(context.client.url, _SHOWN_URL)
        context.examples.append((example, seen))


@then("each of them prints what README.md shows")
def step_as_shown(context):
    assert context.examples, "README.md has no console examples"
    wrong = [each for each in context.examples if not readme.matches(each[0].output, each[1])]
    told = [
        f"README.md line {example.line}\n$ {example.command}\nshows:\n{example.output}\nbut prints:\n{seen}"
        for example, seen in wrong
    ]
    assert not wrong, "\n".join(told)
