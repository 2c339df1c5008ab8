class RegistryStore:
    def __init__(self, database):
        self._database = database
