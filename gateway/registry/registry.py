class Registry:
    def __init__(self, conf, store, signer):
        self._store = store
