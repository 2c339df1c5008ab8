"""``gateway.wsgi:application`` for uWSGI and mod_wsgi; GATEWAY_CONFIG names the configuration file."""

import os

from gateway import daemon

_files = [os.environ["GATEWAY_CONFIG"]] if "GATEWAY_CONFIG" in os.environ else None
application = daemon.wsgi_application(daemon.configured([], _files))
