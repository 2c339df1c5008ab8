"""The directive ``commands``: all commands of one of our programs, as cliff.sphinxext tells of those that
are entry points; ours stand in tables."""

from cliff import command, sphinxext


class Commands(sphinxext.AutoprogramCliffDirective):
    """Its argument is the class of the program."""

    def _load_app(self) -> None:
        """None: what is told of the program itself is autoprogram-cliff's."""

    def _load_commands(self) -> dict[str, type[command.Command]]:
        manager = super()._load_app().command_manager
        return {name: manager.find_command(name.split())[0] for name, _ in manager}


def setup(app) -> dict:
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}
