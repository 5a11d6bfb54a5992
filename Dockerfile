# One image per service: docker build --build-arg SERVICE=alerting .
# Services: collector, alerting, api, loadgen. The pins in requirements/ decide what is inside.
ARG SERVICE=api
ARG PYTHON=3.11-slim

FROM python:${PYTHON} AS base
# a fixed time on every file: the same commit makes the same layers
ENV SOURCE_DATE_EPOCH=1767225600

# What the service needs of others. A change of code leaves this stage in the cache.
FROM base AS packages
ARG SERVICE
COPY requirements/${SERVICE}.txt /requirements.txt
RUN ["pip", "install", "--quiet", "--no-cache-dir", "--disable-pip-version-check", "--no-compile", \
     "--root-user-action=ignore", "--require-hashes", "--target", "/image/app/packages", "-r", "/requirements.txt"]
COPY deploy/image/slim.py /slim.py
RUN ["python", "/slim.py", "/image/app/packages", "--trim"]

# The service and the library; nothing of the other services.
FROM base AS code
ARG SERVICE
COPY shared/atalaia /image/app/shared/atalaia
COPY services/__init__.py /image/app/services/__init__.py
COPY services/${SERVICE} /image/app/services/${SERVICE}
COPY deploy/image/slim.py /slim.py
RUN ["python", "/slim.py", "/image/app"]

# The gateway's page, built by the Node of a wheel as `make setup` does; only run-api takes it.
FROM base AS page
COPY requirements/page.txt /requirements.txt
RUN ["pip", "install", "--quiet", "--no-cache-dir", "--disable-pip-version-check", "--root-user-action=ignore", \
     "--require-hashes", "-r", "/requirements.txt"]
COPY deploy/image/node.py /
COPY page/package.json page/package-lock.json /page/
RUN ["python", "/node.py", "/page", "npm", "ci", "--ignore-scripts", "--loglevel=error", "--no-progress"]
COPY page /page
RUN ["python", "/node.py", "/page", "node", "--run", "build", "--", "--logLevel", "warn"]

FROM python:${PYTHON} AS runtime
ENV PYTHONPATH=/app/packages:/app/shared:/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ATALAIA_LOG_FORMAT=json \
    ATALAIA_HEALTH_LISTEN=0.0.0.0:8081
WORKDIR /app
COPY --from=packages /image/ /
COPY --from=code /image/ /
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=3s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-IS", "/app/shared/atalaia/service/probe.py"]

FROM runtime AS run-collector
ENTRYPOINT ["python", "-m", "services.collector"]

FROM runtime AS run-alerting
ENTRYPOINT ["python", "-m", "services.alerting"]

FROM runtime AS run-loadgen
ENTRYPOINT ["python", "-m", "services.loadgen"]

FROM runtime AS run-api
COPY --from=page /page/dist /app/page/dist
ENV ATALAIA_API_HOST=0.0.0.0
EXPOSE 8000
ENTRYPOINT ["python", "-m", "services.api"]

FROM run-${SERVICE}
ARG SERVICE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="atalaia-${SERVICE}" \
      org.opencontainers.image.description="Atalaia's ${SERVICE}: monitoring for people who run web services in Python" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
