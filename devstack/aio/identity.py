"""Projects, users and the catalogue of the test cloud."""
import os
import openstack
c = openstack.connect(cloud='admin'); i = c.identity; P = os.environ['PASS']
dom = 'default'
roles = {r.name: r for r in i.roles()}
for r in ('service',):
    if r not in roles: roles[r] = i.create_role(name=r)
def project(n): return i.find_project(n) or i.create_project(name=n, domain_id=dom)
def user(n): return i.find_user(n) or i.create_user(name=n, password=P, domain_id=dom)
svc, demo = project('service'), project('demo')
for n in ('nova', 'neutron', 'glance', 'placement', 'gateway'):
    u = user(n)
    i.assign_project_role_to_user(svc, u, roles['service']); i.assign_project_role_to_user(svc, u, roles['admin'])
i.assign_project_role_to_user(demo, user('demo'), roles['member'])
i.assign_project_role_to_user(demo, user('reader'), roles['reader'])
alt = project('alt'); i.assign_project_role_to_user(alt, user('alt'), roles['member'])
have = {s.type for s in i.services()}
for t, n, url in (('compute', 'nova', 'http://127.0.0.1:8774/v2.1'), ('image', 'glance', 'http://127.0.0.1:9292'), ('network', 'neutron', 'http://127.0.0.1:9696'), ('placement', 'placement', 'http://127.0.0.1:8778'), ('gateway', 'gateway', 'http://127.0.0.1:8790')):
    if t in have: continue
    s = i.create_service(type=t, name=n)
    for f in ('public', 'internal', 'admin'):
        i.create_endpoint(service_id=s.id, interface=f, region_id='RegionOne', url=url)
