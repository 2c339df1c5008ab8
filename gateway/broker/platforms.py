"""What platforms of the Open Service Broker API call services and bindings, and what we call them. Pure.

Ours are made of theirs, so that a call which is sent again, at the same time or after a crash, can only mean
the same database and the same login.
"""

import hashlib


def service_id(project_id: str, instance_id: str) -> str:
    return _digest("instance", project_id, instance_id)[:16]


def binding_id(service_id: str, binding_id: str) -> str:
    return _digest("binding", service_id, binding_id)[:8]


def _digest(*parts: str) -> str:
    whole = b"".join(b"%d:%s" % (len(part.encode()), part.encode()) for part in parts)
    return hashlib.sha256(whole).hexdigest()
