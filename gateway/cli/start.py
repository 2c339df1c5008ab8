"""init, and deploy without a file: a folder with a service.yaml that names what this cloud has."""

import pathlib
import re

from gateway.cli import starting
from gateway.cli.command import Command, CommandError
from gateway.cli.launch_options import KINDS

_EXAMPLE = pathlib.Path(__file__).parent / "example"
FILE, _APP = "service.yaml", "app.py"
_TEXTS = {kind: (many, text) for kind, many, text in KINDS}


class Starting(Command):
    """A command that writes a service.yaml."""

    def choose(self, given: dict[str, str], asks: bool) -> dict[str, str]:
        """The image, flavor and network to use: what was given, else asked for, else the most sensible.
        Raises CommandError for what the cloud does not have."""
        options, chosen, image = self.gateway.launch_options(), {}, None
        for kind in starting.KINDS:
            everything = options[_TEXTS[kind][0]]
            fitting = starting.fitting(kind, options, image)
            picked = self._picked(kind, fitting, everything, given.get(kind), asks)
            image = picked if kind == "image" else image
            chosen[kind] = starting.reference(picked, everything)
        return chosen

    def _picked(self, kind: str, fitting: list, everything: list, wanted: str | None, asks: bool) -> dict:
        if wanted is not None:
            if (found := starting.named(wanted, [each for each in everything if each["name"]])) is None:
                raise CommandError(f"There is no {kind} {wanted!r}, or several; see `{kind} list`.")
            return found
        if not fitting:
            raise CommandError(f"The cloud offers no {kind} that fits; see `{kind} list`, and give --{kind}.")
        return self._pick(kind, fitting, everything) if asks else fitting[0]

    def _pick(self, kind: str, fitting: list[dict], everything: list[dict]) -> dict:
        """By the number in a list of those that fit; by its name, any."""
        text = _TEXTS[kind][1]
        self.say(f"Which {kind}?")
        for number, each in enumerate(fitting, 1):
            mark = "*" if number == 1 else " "
            self.say(f"{mark} {number:>2}  {each['name'] or each['id']}  ({text(each)})")
        while True:
            default = starting.reference(fitting[0], fitting)
            answer = self.ask(f"Number or name [{default}]: ")
            others = [] if answer.isdecimal() else everything
            found = starting.named(answer or default, fitting) or starting.named(answer, others)
            if found is not None:
                return found
            self.say(f"There is no {kind} {answer!r}, or several.")

    def write(self, folder: pathlib.Path, values: dict[str, str | int], with_app: bool) -> list[pathlib.Path]:
        """The example with these values; what it wrote."""
        texts = {FILE: starting.written((_EXAMPLE / FILE).read_text(), values)}
        texts |= {_APP: (_EXAMPLE / _APP).read_text()} if with_app else {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in texts.items():
                (folder / name).write_text(text)
        except OSError as error:
            raise CommandError(f"Cannot write {error.filename}: {error.strerror}.") from error
        return [folder / name for name in texts]

    def begun(self) -> pathlib.Path:
        """A service.yaml for what is in this folder, from what a person answers; in an empty one, for the
        example. Raises CommandError where nobody can be asked."""
        here = pathlib.Path()
        if not self.is_on_terminal:
            start = f"give FILE, or begin with: {self.program} init"
            raise CommandError(f"There is no {FILE} here, and no terminal to ask on: {start}")
        is_empty = not any(here.iterdir())
        values = {} if is_empty else self._own_service(here)
        chosen = self.choose({}, asks=True)
        for path in self.write(here, {**values, **chosen}, with_app=is_empty):
            self.say(f"Wrote {path}.")
        return here / FILE

    def _own_service(self, here: pathlib.Path) -> dict[str, str | int]:
        name = re.sub(r"[^a-z0-9]+", "-", here.resolve().name.lower()).strip("-")[:48] or "hello"
        command = f"python3 {_APP}" if (here / _APP).exists() else ""
        return {
            "service": self._answer("Name of the service", name),
            "command": self._answer("Command that runs it, in this folder", command),
            "port": self._port(),
            "path": self._answer("Path that answers 2xx when it is well", "/"),
        }

    def _answer(self, question: str, default: str) -> str:
        while True:
            shown = f" [{default}]" if default else ""
            if answer := self.ask(f"{question}{shown}: ") or default:
                return answer

    def _port(self) -> int:
        while not (answer := self._answer("Port that it listens on", "8080")).isdecimal():
            self.say("It must be a number.")
        return int(answer)


class Init(Starting):
    """Write an example: a small app, and a service.yaml that names what this cloud has"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "folder", metavar="DIR", nargs="?", type=pathlib.Path, default=pathlib.Path(), help="where (here)"
        )
        for kind in starting.KINDS:
            parser.add_argument(f"--{kind}", metavar=kind.upper(), help="name or id (a sensible one)")
        return parser

    def take_action(self, parsed_args):
        for path in (parsed_args.folder / name for name in (FILE, _APP)):
            if path.exists():
                raise CommandError(f"{path} is there already; nothing was written.")
        given = {kind: value for kind in starting.KINDS if (value := getattr(parsed_args, kind))}
        chosen = self.choose(given, asks=False)
        paths = self.write(parsed_args.folder, chosen, with_app=True)
        self.say(f"Wrote {' and '.join(map(str, paths))}, for {', '.join(chosen.values())}.")
        self.say(f"Try next:\n  {self.program} deploy {parsed_args.folder / FILE}")
