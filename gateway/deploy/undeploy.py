"""Takes back what a deployment made.

Each function may be called at any time, any number of times: it looks for what is there, by the deployment's
marks in Nova and Neutron, and is done when nothing is.
"""

from oslo_log import log

from gateway import errors
from gateway.deploy import marks, recipe
from gateway.deploy.model import Aim
from gateway.deploy.work import Work

LOG = log.getLogger(__name__)


def everything(work: Work) -> None:
    """In the order in which clients notice least: out of the registry first. Raises what the cloud raises."""
    instances(work)
    if work.boots:
        floating_ips(work)
        servers(work)
    else:
        for each in work.deployment.targets:
            service(work, each.number)
    security_group(work)


def target(work: Work, number: int) -> None:
    """One replica. One that gets another server keeps its floating IP for that."""
    instances(work, number)
    if not work.boots:
        service(work, number)
        work.cloud.remove_security_group(work.target(number).server_id, work.name)
        return
    if work.deployment.aim(number) is not Aim.REPLACE:
        floating_ips(work, number)
    servers(work, number)


def instances(work: Work, number: int | None = None) -> None:
    if number is None:
        work.registry.deregister_deployment(work.id)
        return
    server_id = work.target(number).server_id
    if server_id is not None:
        work.registry.deregister_deployment(work.id, server_id=server_id)
        work.store.set_target(work.id, number, instance=None)


def service(work: Work, number: int) -> None:
    """Off an existing server. One that is gone or cannot be reached keeps what it has: it is not ours, and
    waiting for it would keep the deployment from ever ending; the log says so."""
    if work.boots or work.target(number).address is None:
        return  # the server itself goes
    layout = work.layout(work.release)
    try:
        work.run(work.taken_back, number, recipe.remove(layout, work.conf.deploy.command_timeout))
    except errors.GatewayError as error:
        work.say(
            work.taken_back, number, f"The service could not be removed from the server: {error.message}"
        )
        LOG.warning("Deployment %s: target %s is not cleaned: %s", work.id, number, error.message)


def floating_ip_mark(work: Work, number: int) -> str:
    """The description by which a floating IP is found: Neutron sets it in the call that creates it."""
    return marks.description(work.store.owner, work.id, number)


def floating_ips(work: Work, number: int | None = None) -> None:
    numbers = [each.number for each in work.deployment.targets] if number is None else [number]
    if work.spec.server.floating_network:
        for each in numbers:
            work.cloud.delete_floating_ips(floating_ip_mark(work, each))


def servers(work: Work, number: int | None = None) -> None:
    """Waits until they are gone, and their ports with them."""
    tags = {marks.DEPLOYMENT_TAG: work.id}
    if number is not None:
        tags[marks.TARGET_TAG] = str(number)
    found = [server.id for server in work.cloud.find_servers(tags)]
    for server_id in found:
        work.cloud.delete_server(server_id)
    work.cloud.wait_deleted(found)
    for server_id in found:
        work.store.delete_access(work.deployment.project_id, server_id)
        work.say(work.taken_back, number, f"server {server_id} is deleted")


def security_group(work: Work) -> None:
    if not work.boots:
        for each in work.deployment.targets:
            if each.server_id:
                work.cloud.remove_security_group(each.server_id, work.name)
    work.cloud.delete_security_groups(work.name)
