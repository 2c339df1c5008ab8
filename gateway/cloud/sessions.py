class Sessions:
    def __init__(self, conf):
        self._conf = conf
