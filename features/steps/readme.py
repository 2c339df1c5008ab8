"""The examples of README.md and of the pages in doc/source, run as their reader would: each file's in one
shell, from top to bottom."""

import pathlib

from behave import given, then, when
from harness import clouds, readme
from harness.databases import PASSWORD, server
from harness.gatewayd import free_port
from harness.own import own_gateway
from harness.running import environment
from harness.shell import Shell

_ROOT = pathlib.Path(__file__).parents[2]
_SHOWN_URL = "http://127.0.0.1:8790"  # the documents' gateway; ours is on another port
_TIMEOUT = 420


@when("I run the console examples of README.md")
def step_run_examples(context):
    shown = {_SHOWN_URL: context.client.url}
    _run(context, {"README.md": readme.examples((_ROOT / "README.md").read_text())}, shown)


@given("a gateway of the scenario's own, with a port for DNS and a database server to attach")
def step_gateway(context):
    context.dns_port = free_port()
    project = clouds.as_user("a member").current_project_id
    own_gateway(context, {"dns": {"port": context.dns_port, "project_id": project}})
    context.database = server(context, "mysql")


@when("I run the console examples of the pages in doc/source")
def step_run_pages(context):
    pages = {path.name: readme.of_page(path.read_text()) for path in sorted(_ROOT.glob("doc/source/*.rst"))}
    shown = {
        "--host 203.0.113.7 --port 33060": f"--host 127.0.0.1 --port {context.database.port}",
        "198.51.100.148 18080": "{here} {hello_port}".format(**context.names),
        "-p 8600": f"-p {context.dns_port}",
        "OS_CLOUD=demo": f"OS_CLOUD={clouds.USERS['a member']}",
        _SHOWN_URL: context.client.url,
    }
    _run(context, {name: found for name, found in pages.items() if found}, shown)


def _run(context, files, shown):
    """``files``: name → examples; ``shown``: what the files show → what it is here."""
    context.examples = []
    back = {here: text for text, here in shown.items()}
    for name, examples in files.items():
        folder = context.folder / name.partition(".")[0]
        folder.mkdir()
        (folder / "examples").symlink_to(_ROOT / "examples")
        (folder / "secret").write_text(PASSWORD)
        shell = Shell(folder, environment(context))
        context.add_cleanup(shell.close)
        for example in examples:
            seen = shell.run(_replaced(example.command, shown), _TIMEOUT)
            context.examples.append((name, example, _replaced(seen, back)))


def _replaced(text, replacements):
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text


@then("each of them prints what is shown")
def step_as_shown(context):
    assert context.examples, "there are no console examples"
    wrong = [each for each in context.examples if not readme.matches(each[1].output, each[2])]
    told = [
        f"{name} line {example.line}\n$ {example.command}\nshows:\n{example.output}\nbut prints:\n{seen}"
        for name, example, seen in wrong
    ]
    assert not wrong, "\n".join(told)
