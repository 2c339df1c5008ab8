class Images:
    def __init__(self, parts):
        self._parts = parts
