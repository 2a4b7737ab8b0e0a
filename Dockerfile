# One image for every service; the command says which. `docker compose up` builds it.
#
# PYTHON_IMAGE is whatever brings Python 3.11 or newer with venv, at the same path in both stages.
ARG PYTHON_IMAGE=python:3.13-slim

# -- the first stage installs, with pip and whatever it builds with; only /app leaves it -------------------------------
FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
RUN python3 -m venv /app \
 && /app/bin/python -m pip install --quiet --require-hashes --only-binary :all: -r requirements.lock
RUN python3 -m venv /build \
 && /build/bin/python -m pip install --quiet --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY cli cli
COPY services services
COPY simulators simulators
RUN /build/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir /wheel . \
 && /app/bin/python -m pip install --quiet --no-deps --no-index /wheel/*.whl \
 && /app/bin/python -m pip uninstall --quiet --yes pip
COPY deploy/image/ready.py /app/bin/ready
RUN chmod 0755 /app/bin/ready

# -- the last stage runs: no compiler, no pip, nothing that a service could write to -----------------------------------
FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="gantry" org.opencontainers.image.licenses="MIT"
# Folders belong to their user here, because a new named volume takes its owner and mode from the folder that it covers.
# /setup/redis is the server's: group 999 is `redis` in the public image, and what is written there is readable by it.
RUN groupadd --gid 10001 gantry \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin gantry \
 && install -d -m 0750 -o 10001 -g 10001 /run/gantry /var/lib/gantry /var/lib/gantry/spool /var/lib/gantry/runtime \
    /setup /setup/authority /setup/ingest-dahua /setup/ingest-axis /setup/processor /setup/publisher /setup/journal \
    /setup/dashboard /setup/gantry /setup/admin /setup/twins \
 && install -d -m 2750 -o 10001 -g 999 /setup/redis
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    METRICS_PORT=9100 CONFIG_DIR=/config DAHUA_SPOOL_DIR=/var/lib/gantry/spool RUNTIME_DIR=/var/lib/gantry/runtime \
    DASHBOARD_HOST=0.0.0.0
WORKDIR /var/lib/gantry
USER 10001:10001
EXPOSE 4443 5000 9100
CMD ["gantry", "--help"]
