"""What the steps stand on: the daemon under test, HTTP in the users' names, OpenStack asked directly."""
