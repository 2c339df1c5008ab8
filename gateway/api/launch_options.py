class LaunchOptions:
    def __init__(self, parts):
        self._parts = parts
