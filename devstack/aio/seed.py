"""What is in the cloud, made through its own APIs with nothing but Python's library (importing a client takes longer).

seed.py identity | resources GUEST_DIR | ready SINCE | status
"""
import datetime
import json
import os
import sys
import time
import urllib.error
import urllib.request

PASSWORD = 'secret'
KEYSTONE, NOVA, GLANCE = 'http://127.0.0.1:5000/v3', 'http://127.0.0.1:8774/v2.1', 'http://127.0.0.1:9292/v2'
NEUTRON = 'http://127.0.0.1:9696/v2.0'
CATALOGUE = {
    'compute': ('nova', NOVA), 'image': ('glance', 'http://127.0.0.1:9292'), 'network': ('neutron', 'http://127.0.0.1:9696'),
    'placement': ('placement', 'http://127.0.0.1:8778'), 'gateway': ('gateway', 'http://127.0.0.1:8790'),
}
USERS = [  # user, project, roles
    *((name, 'service', ('service', 'admin')) for name in ('nova', 'neutron', 'glance', 'placement', 'gateway')),
    *((name + more, project + more, (role,)) for more in ('', '-2')
      for name, project, role in (('demo', 'demo', 'member'), ('reader', 'demo', 'reader'), ('alt', 'alt', 'member'))),
]
FLAVORS = [('m1.micro', 64, 1, 1), ('m1.nano', 256, 1, 2), ('m1.tiny', 512, 1, 2), ('m1.small', 1024, 1, 4)]
AGENTS = 4
KERNEL_LINE = ('root=/dev/vda rw console=ttyS0 quiet mitigations=off net.ifnames=0 8250.nr_uarts=1 no_timer_check '
               'systemd.show_status=0')


class Cloud:
    """The admin's requests."""

    def __init__(self):
        self.headers = {'Content-Type': 'application/json', 'Connection': 'close', 'OpenStack-API-Version': 'compute 2.53'}
        domain = {'id': 'default'}
        user = {'name': 'admin', 'domain': domain, 'password': PASSWORD}
        with self.open('POST', KEYSTONE + '/auth/tokens', {'auth': {
                'identity': {'methods': ['password'], 'password': {'user': user}},
                'scope': {'project': {'name': 'admin', 'domain': domain}}}}) as answer:
            self.headers['X-Auth-Token'] = answer.headers['X-Subject-Token']

    def open(self, method, url, body=None, **headers):
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        request = urllib.request.Request(url, data, {**self.headers, **headers}, method=method)
        try:
            return urllib.request.urlopen(request, timeout=120)
        except urllib.error.HTTPError as error:
            sys.exit(f'{method} {url}: {error.code} {error.read()[:500]}')

    def get(self, url):
        with self.open('GET', url) as answer:
            return json.load(answer)

    def make(self, url, kind, /, **values):
        """POST {kind: values} and return what came of it."""
        with self.open('POST', url, {kind: values} if kind else values) as answer:
            made = json.load(answer)
            return made[kind] if kind else made


def identity(cloud):
    roles = {role['name']: role['id'] for role in cloud.get(KEYSTONE + '/roles')['roles']}
    roles.setdefault('service', None)
    roles['service'] = roles['service'] or cloud.make(KEYSTONE + '/roles', 'role', name='service')['id']
    projects, users = {}, {}
    for name, project, wanted in USERS:
        if project not in projects:
            projects[project] = cloud.make(KEYSTONE + '/projects', 'project', name=project, domain_id='default')['id']
        users[name] = cloud.make(KEYSTONE + '/users', 'user', name=name, password=PASSWORD, domain_id='default')['id']
        for role in wanted:
            cloud.open('PUT', f'{KEYSTONE}/projects/{projects[project]}/users/{users[name]}/roles/{roles[role]}').close()
    for kind, (name, url) in CATALOGUE.items():
        service = cloud.make(KEYSTONE + '/services', 'service', type=kind, name=name)['id']
        for interface in ('public', 'internal', 'admin'):
            cloud.make(KEYSTONE + '/endpoints', 'endpoint', service_id=service, interface=interface, region_id='RegionOne', url=url)


def network(cloud, name, cidr, pool, project=None, dhcp=True, **more):
    owner = {'project_id': project} if project else {}
    made = cloud.make(NEUTRON + '/networks', 'network', name=name, **owner, **more)
    prefix = cidr.rsplit('.', 1)[0]
    subnet = cloud.make(
        NEUTRON + '/subnets', 'subnet', name=name + '-subnet', network_id=made['id'], ip_version=4, cidr=cidr, enable_dhcp=dhcp,
        gateway_ip=prefix + '.1', allocation_pools=[{'start': f'{prefix}.{pool[0]}', 'end': f'{prefix}.{pool[1]}'}], **owner)
    return made['id'], subnet['id']


def networks(cloud):
    public, _ = network(cloud, 'public', '203.0.113.0/24', (100, 200), dhcp=False, **{
        'provider:network_type': 'flat', 'provider:physical_network': 'public', 'router:external': True})
    network(cloud, 'shared', '198.51.100.0/24', (100, 200), shared=True, **{
        'provider:network_type': 'flat', 'provider:physical_network': 'shared'})
    for name, cidr in (('demo', '198.18.0.0/24'), ('demo-2', '198.18.2.0/24')):
        project = cloud.get(f'{KEYSTONE}/projects?name={name}')['projects'][0]['id']
        _, private = network(cloud, 'private', cidr, (10, 250), project)
        router = cloud.make(NEUTRON + '/routers', 'router', name='router1', project_id=project, external_gateway_info={'network_id': public})
        cloud.open('PUT', f'{NEUTRON}/routers/{router["id"]}/add_router_interface', {'subnet_id': private}).close()


def image(cloud, name, path, form, disk, **more):
    made = cloud.make(GLANCE + '/images', None, name=name, container_format=form, disk_format=disk, visibility='public', **more)['id']
    with open(path, 'rb') as data:
        cloud.open('PUT', f'{GLANCE}/images/{made}/file', data, **{
            'Content-Type': 'application/octet-stream', 'Content-Length': str(os.path.getsize(path))}).close()
    return made


def resources(cloud, guest):
    for name, ram, vcpus, disk in FLAVORS:
        cloud.make(NOVA + '/flavors', 'flavor', name=name, ram=ram, vcpus=vcpus, disk=disk)
    kernel = image(cloud, 'debian-12-kernel', guest + '/vmlinuz', 'aki', 'aki')
    ramdisk = image(cloud, 'debian-12-ramdisk', guest + '/initrd.img', 'ari', 'ari')
    image(cloud, 'debian-12', guest + '/debian.qcow2', 'bare', 'qcow2', min_disk=2, min_ram=256, kernel_id=kernel, ramdisk_id=ramdisk,
          os_command_line=KERNEL_LINE, os_distro='debian', os_admin_user='debian', hw_rng_model='virtio')
    # a router's port made before its agent lives fails to bind, for good
    wait('four network agents', lambda: sum(agent['alive'] for agent in cloud.get(NEUTRON + '/agents')['agents']) >= AGENTS)
    networks(cloud)


def wait(what, done, seconds=120):
    end = time.time() + seconds
    while not done():
        if time.time() > end:
            sys.exit(f'waited {seconds} s for {what}')
        time.sleep(0.2)


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace(' ', 'T').rstrip('Z') + '+00:00').timestamp()


def ready(cloud, since):
    """What a database kept from an earlier time says about agents is not news: they must have reported since."""
    def agents():
        return sum(seconds(agent['started_at']) >= since for agent in cloud.get(NEUTRON + '/agents')['agents']) >= AGENTS

    def compute():
        services = cloud.get(NOVA + '/os-services?binary=nova-compute')['services']
        return any(s['state'] == 'up' and s['updated_at'] and seconds(s['updated_at']) >= since for s in services) \
            and cloud.get(NOVA + '/os-hypervisors')['hypervisors']

    def wired():
        dhcp = {n['id'] for n in cloud.get(NEUTRON + '/networks')['networks'] if not n['router:external']}
        routers = {r['id'] for r in cloud.get(NEUTRON + '/routers')['routers']}
        state = os.environ['AIO_STATE'] + '/neutron'
        return all(os.path.exists(f'{state}/dhcp/{n}/pid') for n in dhcp) and \
            {'qrouter-' + r for r in routers} <= set(os.listdir('/run/netns'))
    wait('the network agents', agents)
    wait('nova-compute', compute)
    wait('DHCP and routers', wired)


def status(cloud):
    rows = [('hypervisor', h['hypervisor_hostname'], h['state']) for h in cloud.get(NOVA + '/os-hypervisors/detail')['hypervisors']]
    rows += [('compute', s['binary'], s['state']) for s in cloud.get(NOVA + '/os-services')['services']]
    rows += [('agent', a['binary'], 'up' if a['alive'] else 'down') for a in cloud.get(NEUTRON + '/agents')['agents']]
    for row in rows:
        print('%-12s %-28s %s' % row)
    return sum(row[2] == 'up' for row in rows) < AGENTS + 4


if __name__ == '__main__':
    command, *arguments = sys.argv[1:]
    try:
        admin = Cloud()
        if command == 'ready':
            arguments = [int(arguments[0])]
        sys.exit(globals()[command](admin, *arguments))
    except OSError as error:
        sys.exit(f'{command}: {error}')
