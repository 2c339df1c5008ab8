class Signer:
    def __init__(self, conf, vault, database):
        pass
