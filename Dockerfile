# The Data Storage Service. `make image` builds it; docs/deploy.md says how it is run.
#
# Debian's slim Python of the release that the tests run with. A deployment that wants the very same bytes each time
# pins the digest: --build-arg BASE=python:3.11-slim-bookworm@sha256:…
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /srv/datastorage
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# One requirement comes as C source. The official image has Python's headers, other bases get them from Debian.
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends gcc libc6-dev \
      $(python3 -c 'import os, sysconfig; print("" if os.path.exists(sysconfig.get_path("include") + "/Python.h") else "python3-dev")') \
      >/dev/null
# Requirements before the code: they change less often, and their layer is kept. Exact versions with hashes, the build
# tool among them, so that nothing comes from outside the lock.
# --build-arg REQUIREMENTS=tracing adds what sends traces.
ARG REQUIREMENTS=run
COPY requirements/build.txt requirements/run.txt requirements/tracing.txt requirements/
RUN python3 -m venv /build \
 && python3 -m venv --without-pip /opt/venv \
 && pip() { /build/bin/pip --python /opt/venv/bin/python "$@"; } \
 && pip install --quiet --require-hashes -r requirements/build.txt \
 && pip install --quiet --require-hashes --no-build-isolation -r requirements/${REQUIREMENTS}.txt
COPY pyproject.toml setup.py MANIFEST.in README.md LICENSE gunicorn.conf.py ./
COPY app/ app/
COPY clients/python/ clients/python/
COPY sql/ sql/
COPY api/ api/
# As wheels, below a folder of their own: releases share the layer of the requirements. Bytecode is made here, since the
# running image cannot write any. Readable whoever runs it and however the clone's files are: a cluster may choose any
# user, with the group 0.
RUN pip() { /build/bin/pip --python /opt/venv/bin/python "$@"; } \
 && pip wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir /wheels . clients/python \
 && pip install --quiet --no-index --no-deps --no-compile --prefix /opt/service /wheels/*.whl \
 && pip uninstall --quiet --yes setuptools \
 && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/service \
 && chmod -R u=rwX,go=rX /opt/venv /opt/service

FROM ${BASE}
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="Data Storage Service" \
      org.opencontainers.image.description="Audit events and workflow catalog: a store that never loses what it has acknowledged" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
# Nothing is installed into a running image.
RUN rm -rf /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/site-packages/setuptools* \
      /usr/local/lib/python3*/site-packages/wheel* /usr/local/lib/python3*/ensurepip /usr/local/bin/pip*
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/service /opt/venv
# The root file system may be read-only: what is written goes to /dev/shm, which every engine mounts in memory.
# Listening on every address demands an auth.mode, without which the service refuses to start.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TMPDIR=/dev/shm \
    PROMETHEUS_MULTIPROC_DIR=/dev/shm/datastorage-metrics \
    DATASTORAGE_SERVER__HOST=0.0.0.0
WORKDIR /srv/datastorage
# A number, so that Kubernetes can see that it is not root; another one does as well.
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
# Whether it runs, not whether its stores do: an engine that replaces unhealthy containers would not mend those.
HEALTHCHECK --interval=10s --timeout=4s --start-period=15s --retries=3 CMD ["datastorage", "health", "--live"]
# `serve` replaces itself with gunicorn, so signals reach gunicorn's master.
ENTRYPOINT ["datastorage"]
CMD ["serve"]
