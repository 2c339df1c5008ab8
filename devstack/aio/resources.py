"""Flavors, networks and the image of the test cloud."""
import os, sys, time
import openstack
c = openstack.connect(cloud='admin'); net = c.network
for n, ram, vcpu, disk in (('m1.micro', 64, 1, 1), ('m1.nano', 256, 1, 2), ('m1.tiny', 512, 1, 2), ('m1.small', 1024, 1, 4)):
    if not c.compute.find_flavor(n): c.compute.create_flavor(name=n, ram=ram, vcpus=vcpu, disk=disk)
demo = c.identity.find_project('demo')
end = time.time() + 90
while time.time() < end and sum(1 for a in net.agents() if a.is_alive) < 4: time.sleep(0.5)
def network(name, cidr, gw, start, end, **kw):
    n = net.find_network(name)
    if n: return n
    n = net.create_network(name=name, **kw)
    n.sub = net.create_subnet(name=name + '-subnet', network_id=n.id, ip_version=4, cidr=cidr, gateway_ip=gw, allocation_pools=[{'start': start, 'end': end}], enable_dhcp=name != 'public', **({'project_id': kw['project_id']} if 'project_id' in kw else {}))
    return n
pub = network('public', '203.0.113.0/24', '203.0.113.1', '203.0.113.100', '203.0.113.200', provider_network_type='flat', provider_physical_network='public', is_router_external=True)
shr = network('shared', '198.51.100.0/24', '198.51.100.1', '198.51.100.100', '198.51.100.200', provider_network_type='flat', provider_physical_network='shared', is_shared=True)
prv = network('private', '198.18.0.0/24', '198.18.0.1', '198.18.0.10', '198.18.0.250', project_id=demo.id)
if not net.find_router('router1'):
    r = net.create_router(name='router1', project_id=demo.id, external_gateway_info={'network_id': pub.id})
    net.add_interface_to_router(r, subnet_id=prv.sub.id if hasattr(prv, 'sub') else prv.subnet_ids[0])
d = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] else None
if d and not c.image.find_image('debian-12'):
    k = c.image.create_image('debian-12-kernel', filename=d + '/vmlinuz', container_format='aki', disk_format='aki', visibility='public', wait=True)
    r = c.image.create_image('debian-12-ramdisk', filename=d + '/initrd.img', container_format='ari', disk_format='ari', visibility='public', wait=True)
    c.image.create_image('debian-12', filename=d + '/debian.qcow2', container_format='bare', disk_format='qcow2', visibility='public', min_disk=2, min_ram=256, kernel_id=k.id, ramdisk_id=r.id, os_command_line='root=/dev/vda rw console=ttyS0', os_distro='debian', os_admin_user='debian', hw_rng_model='virtio', wait=True)
end = time.time() + 90
while time.time() < end and not list(c.compute.hypervisors()): time.sleep(1)
print('hypervisors', [h.name for h in c.compute.hypervisors()], 'agents', sorted({a.binary for a in net.agents() if a.is_alive}))
