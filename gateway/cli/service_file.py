"""service.yaml: the body of POST /v1/deployments, with or without ``deployment:`` above it."""

import dataclasses
import pathlib
import re

import yaml

from gateway.cli.command import CommandError

_ID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}")


@dataclasses.dataclass(frozen=True)
class ServiceFile:
    """``deployment`` is what the API takes. ``artifact``: a path to upload first, whose id it then needs."""

    deployment: dict
    artifact: pathlib.Path | None


def read(path: pathlib.Path, env: dict[str, str] | None = None) -> ServiceFile:
    """``env`` goes over the file's. Raises CommandError. What the fields may be, the API says."""
    content = _content(path)
    deployment = dict(content.get("deployment", content))
    if env:
        deployment["env"] = {**(deployment.get("env") or {}), **env}
    artifact = deployment.get("artifact")
    if not isinstance(artifact, str):
        return ServiceFile(deployment, None)
    named = path.parent / artifact
    if named.exists():
        del deployment["artifact"]
        return ServiceFile(deployment, named)
    if not _ID.fullmatch(artifact):
        raise CommandError(f"{path}: artifact: there is no {named}, and it is not the id of an uploaded one.")
    return ServiceFile(deployment, None)


def _content(path: pathlib.Path) -> dict:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"Cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 text.") from error
    except yaml.YAMLError as error:
        raise CommandError(f"{path} is not YAML: {_where(error)}") from error
    if not isinstance(content, dict) or not isinstance(content.get("deployment", content), dict):
        raise CommandError(f"{path} is not a deployment: it must be fields, such as service: hello.")
    return content


def _where(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}."
    return " ".join(str(error).split())
