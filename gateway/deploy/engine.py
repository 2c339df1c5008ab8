class Engine:
    def __init__(self, conf, parts):
        pass

    def run(self, stop):
        stop.wait()
