"""Deployments, artifacts and the ways into servers: their tables and SQL."""

from gateway.db import Database
from gateway.vault import Vault


class DeploymentStore:
    def __init__(self, database: Database, vault: Vault):
        self._database = database
        self._vault = vault
