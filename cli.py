cli = None
