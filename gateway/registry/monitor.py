class Monitor:
    def __init__(self, conf, registry):
        self._registry = registry

    def run(self, stop):
        stop.wait()
