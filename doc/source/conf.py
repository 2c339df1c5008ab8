"""Sphinx's, for `make docs`."""

import importlib.metadata
import logging
import pathlib
import sys

_DOC = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(_DOC / "ext"))

project = "gateway"
release = version = importlib.metadata.version("gateway")
html_theme = "openstackdocs"
html_theme_options = {"display_badge": False, "analytics_tracking_code": "", "sidebar_search": True}
html_last_updated_fmt = "%Y-%m-%d"
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["gateway.css"]
extensions = [
    "openstackdocstheme",
    "oslo_config.sphinxext",
    "oslo_policy.sphinxext",
    "cliff.sphinxext",
    "endpoints",
    "commands",
    "modules",
    "counted",
]

openstackdocs_auto_name = False
openstackdocs_auto_version = False
openstackdocs_use_storyboard = False


def setup(app) -> None:
    """The theme wants to name the commit; the pages are as good where there is none, as in a tarball."""
    theme = logging.getLogger("sphinx.openstackdocstheme.ext")
    theme.addFilter(lambda record: "cannot get gitsha" not in record.getMessage())
