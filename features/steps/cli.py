"""The command ``gateway`` as a user runs it."""

import functools
import json
import pathlib
import shlex
import shutil
import signal
import subprocess
import uuid

import requests
import yaml
from behave import given, then, when
from harness import terminal
from harness.names import filled
from harness.running import GATEWAY, Watched, environment

_EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "hello"
_TIMEOUT = 420


def _folder(context) -> str | None:
    """Where the user is."""
    return getattr(context, "folder_of_user", None)


@given("I am in an empty folder")
def step_empty_folder(context):
    folder = context.folder / "mine"
    folder.mkdir()
    context.add_cleanup(shutil.rmtree, folder)
    context.folder_of_user = context.names["folder"] = str(folder)


@given("a key of mine, which Nova knows as {{mine}}")
def step_key(context):
    key, name = f"{context.folder_of_user}/key", f"gateway-features-{uuid.uuid4().hex[:12]}"
    context.names["mine"] = name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, timeout=60)
    openstack = functools.partial(
        subprocess.run, env=environment(context), check=True, capture_output=True, timeout=_TIMEOUT
    )
    program = str(GATEWAY.with_name("openstack"))
    openstack([program, "keypair", "create", "--public-key", f"{key}.pub", name])
    context.add_cleanup(openstack, [program, "keypair", "delete", name])


@given("a file {name:S} there")
def step_file(context, name):
    pathlib.Path(context.folder_of_user, name).write_text("# something of the user's own\n")


@then("the file {name:S} there has")
def step_file_has(context, name):
    text = pathlib.Path(context.folder_of_user, name).read_text()
    for line in filled(context.text, context.names).splitlines():
        assert line.strip() in text, text


def _command(context, program, arguments):
    return [str(GATEWAY.with_name(program)), *shlex.split(filled(arguments, context.names))]


@given("the command line may make things")
def step_may_make(context):
    context.clearing.begin(context.client)


@given("a folder with the example hello, to be deployed to {server}")
def step_example(context, server):
    folder = context.folder / "hello"
    context.add_cleanup(shutil.rmtree, folder)
    shutil.copytree(_EXAMPLE, folder)
    context.names["folder"] = str(folder)
    _change(context, {"server": {"ids": [filled(server, context.names)]}})


@given("its command is {command}")
def step_example_command(context, command):
    _change(context, {"command": command})


@given("its file says")
def step_example_file(context):
    _change(context, yaml.safe_load(filled(context.text, context.names)))


def _change(context, fields):
    path = pathlib.Path(context.names["folder"]) / "service.yaml"
    wish = yaml.safe_load(path.read_text())
    wish["deployment"] |= fields
    path.write_text(yaml.safe_dump(wish))


@when("I run {program:Program} {arguments}")
def step_run(context, program, arguments):
    command = _command(context, program, arguments)
    context.ran = subprocess.run(
        command,
        env=environment(context),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        stdin=subprocess.DEVNULL,
        cwd=_folder(context),
    )


@when('I press Ctrl-C once gateway {arguments} prints "{text}"')
def step_interrupt(context, arguments, text):
    command = [str(GATEWAY), *shlex.split(filled(arguments, context.names))]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(
        command,
        env=environment(context),
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # as a shell's foreground job has it
        **pipes,
    ) as process:
        printed = ""
        while text not in printed and (line := process.stdout.readline()):
            printed += line
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=_TIMEOUT)
    context.ran = subprocess.CompletedProcess(command, process.returncode, printed + out, err)


@when("on a terminal I run gateway {arguments} and answer")
def step_answer(context, arguments):
    answers = [(row["asked"], filled(row["answer"], context.names)) for row in context.table]
    surroundings = {**environment(context), "TERM": "xterm"}
    command = _command(context, "gateway", arguments)
    drawn, code = terminal.run(command, surroundings, 200, _TIMEOUT, answers, _folder(context))
    context.ran = subprocess.CompletedProcess(command, code, drawn, "")


@given('gateway {arguments} runs, and has printed "{text}"')
def step_runs(context, arguments, text):
    context.running = Watched(_command(context, "gateway", arguments), environment(context))
    context.add_cleanup(context.running.close)
    context.running.wait_for(text)


@then('soon it has printed "{text}"')
def step_has_printed(context, text):
    context.running.wait_for(filled(text, context.names))


@when("I press Ctrl-C there")
def step_interrupt_running(context):
    context.ran = context.running.interrupt()


@when("on a terminal of {width:d} columns I run gateway {arguments}")
def step_run_on_terminal(context, width, arguments):
    """What it prints is then all that it ever drew, without the moves of the cursor."""
    command = [str(GATEWAY), *shlex.split(filled(arguments, context.names))]
    surroundings = {**environment(context), "TERM": "xterm"}
    del surroundings["COLUMNS"]
    drawn, code = terminal.run(command, surroundings, width, _TIMEOUT)
    context.ran = subprocess.CompletedProcess(command, code, drawn, "")


def _seen(context) -> str:
    return f"exit code {context.ran.returncode}\n{context.ran.stdout}\n{context.ran.stderr}"


@then("it exits with {code:d}")
def step_exits(context, code):
    assert context.ran.returncode == code, _seen(context)


@then('it prints "{text}"')
def step_prints(context, text):
    assert filled(text, context.names) in context.ran.stdout, _seen(context)


@then('no line of it with "{text}" is longer than {width:d}')
def step_lines_fit(context, text, width):
    found = [line for line in context.ran.stdout.splitlines() if text in line]
    assert found, _seen(context)
    longer = [line for line in found if len(line) > width]
    assert not longer, longer


@then("it prints nothing")
def step_prints_nothing(context):
    assert not context.ran.stdout.strip(), _seen(context)


@then("it prints a table with the columns {columns}")
def step_prints_table(context, columns):
    header = context.ran.stdout.splitlines()[1]
    seen = [cell.strip() for cell in header.strip("|").split("|")]
    assert seen == columns.replace(" and ", ", ").split(", "), _seen(context)


@then("what it prints is remembered as {name:w}")
def step_printed_is_remembered(context, name):
    context.names[name] = context.ran.stdout.strip()


@then("what it prints is JSON")
def step_prints_json(context):
    assert json.loads(context.ran.stdout), _seen(context)


@then('the service that it names answers {path:S} with "{text}"')
def step_named_service_answers(context, path, text):
    answer = requests.get(json.loads(context.ran.stdout)["url"] + path, timeout=20)
    assert text in answer.text, answer.text


@then('its error is one line that says "{text}"')
def step_error_line(context, text):
    lines = context.ran.stderr.strip().splitlines()
    assert len(lines) == 1, _seen(context)
    assert filled(text, context.names) in lines[0], _seen(context)


@then('its error says "{text}"')
def step_error_says(context, text):
    assert filled(text, context.names) in context.ran.stderr, _seen(context)


@then('its error ends with one line that says "{text}"')
def step_error_ends(context, text):
    lines = context.ran.stderr.strip().splitlines()
    assert lines, _seen(context)
    assert filled(text, context.names) in lines[-1], _seen(context)
    assert "Traceback" not in context.ran.stderr, _seen(context)
