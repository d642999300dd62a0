# Three images: `docker build --target full` (the default) trains and scores; `docker build --target scorer` has neither
# TensorFlow nor what only training needs. Each: the package, its locked dependencies, a user without rights, nothing
# to write to. `docker build --target sagemaker` has the contents of `full`, and SageMaker's contract for containers.
#
# The base by its digest, of all platforms: the tag says which it is and may be built again, the digest never changes.
# A newer one: `docker buildx imagetools inspect python:3.11-slim`, docs/docker.md.
ARG PYTHON_IMAGE=python:3.11.16-slim@sha256:9534e5a8e315485d4061ed659af0fd78a284c015f9b73661b41d6bab25604534

FROM ${PYTHON_IMAGE} AS source
WORKDIR /src
COPY requirements.lock requirements-scorer.lock pyproject.toml README.md LICENSE ./
COPY ipi_es ipi_es
COPY templates templates
COPY kibana kibana
RUN python -m venv /opt/ipi-es

FROM source AS build-scorer
RUN /opt/ipi-es/bin/pip install --no-cache-dir --require-hashes --requirement requirements-scorer.lock \
 && /opt/ipi-es/bin/pip install --no-cache-dir --no-deps .

FROM source AS build-full
RUN /opt/ipi-es/bin/pip install --no-cache-dir --require-hashes --requirement requirements.lock \
 && /opt/ipi-es/bin/pip install --no-cache-dir --no-deps .

FROM ${PYTHON_IMAGE} AS base
LABEL org.opencontainers.image.title="ipi-es" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.description="Finds sign-ins from unusual IP addresses, beside an Elasticsearch or OpenSearch cluster"
ENV PATH=/opt/ipi-es/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TF_CPP_MIN_LOG_LEVEL=3
RUN groupadd --gid 10001 ipi-es \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin ipi-es
# numbers, so that Kubernetes sees that it isn't root; only /tmp need be writable
USER 10001:10001
WORKDIR /etc/ipi-es
# a worker that serves /healthz must answer; any other command is healthy while it runs. Kubernetes has probes instead
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-m", "ipi_es.service.health.probe"]
ENTRYPOINT ["ipi-es"]
CMD ["--help"]

FROM base AS scorer
ENV IPI_ES_IMAGE=scorer
COPY --from=build-scorer /opt/ipi-es /opt/ipi-es

# SageMaker mounts /opt/ml with root's rights, and starts the image with one word: train or serve
FROM base AS sagemaker
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true
ENV IPI_ES_IMAGE=full
COPY --from=build-full /opt/ipi-es /opt/ipi-es
USER 0:0
EXPOSE 8080
ENTRYPOINT ["ipi-es", "sagemaker"]
CMD ["serve"]

FROM base AS full
ENV IPI_ES_IMAGE=full
COPY --from=build-full /opt/ipi-es /opt/ipi-es
