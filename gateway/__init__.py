"""From flavor, image and network to a running, health-checked, discoverable service on OpenStack."""

import warnings

# libraries look whether it is there, and nothing here uses it
warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")
