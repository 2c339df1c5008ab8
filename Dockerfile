# The gateway's image. doc/source/container.rst tells how it is built and run.

FROM debian:bookworm-slim AS builder
# Versions are not pinned: what Debian's security updates bring is wanted.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends binutils python3-venv \
 && python3 -m venv /opt/pip \
 && python3 -m venv --without-pip /opt/gateway
WORKDIR /src
# Where the index is not the usual one: --build-arg PIP_INDEX_URL=…, or --secret id=pip.conf,src=…
ARG PIP_INDEX_URL
COPY requirements.txt ./
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    /opt/pip/bin/pip --python /opt/gateway/bin/python install --no-compile -r requirements.txt
COPY . .
# What nobody needs who runs it is taken out. The rest is compiled here, since nothing is written later; and not to
# be checked by the time of each file, which an engine may set anew.
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    /opt/pip/bin/pip --python /opt/gateway/bin/python install --no-compile ".[postgresql]" \
 && /opt/pip/bin/pip --python /opt/gateway/bin/python uninstall -y setuptools \
 && find /opt/gateway/lib -depth -type d \( -name tests -o -name locale \) -exec rm -r {} + \
 && find /opt/gateway/lib -name '*.so' ! -path '*.libs/*' -exec strip --strip-unneeded {} + \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/gateway/lib

FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/debconf/*-old /var/log/* \
 && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
 && useradd --uid 10001 --user-group --home-dir /var/lib/gateway --no-create-home --shell /usr/sbin/nologin gateway \
 && install -d -o gateway -g gateway -m 0750 /var/lib/gateway
COPY --from=builder /opt/gateway /opt/gateway
COPY etc/gateway/container.conf /etc/gateway/gateway.conf
ARG REVISION=unknown
LABEL org.opencontainers.image.title="gateway" \
      org.opencontainers.image.description="From flavor, image and network to a running, health-checked, discoverable service in one call" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
# Warnings are for developers, and come before there is a log that they could go to.
ENV PATH=/opt/gateway/bin:/usr/bin:/bin \
    PYTHONWARNINGS=ignore \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/gateway
VOLUME /var/lib/gateway
EXPOSE 8790 8791
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s CMD ["python3", "-m", "gateway.healthcheck"]
ENTRYPOINT ["gatewayd"]
