# The sidecar's image: the package, its locked dependencies, a user without rights, nothing to write to.
FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements.lock pyproject.toml README.md LICENSE ./
COPY ipi_es ipi_es
COPY templates templates
COPY kibana kibana
RUN python -m venv /opt/ipi-es \
 && /opt/ipi-es/bin/pip install --no-cache-dir --require-hashes --requirement requirements.lock \
 && /opt/ipi-es/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim
LABEL org.opencontainers.image.title="ipi-es" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.description="Finds sign-ins from unusual IP addresses, beside an Elasticsearch or OpenSearch cluster"
COPY --from=build /opt/ipi-es /opt/ipi-es
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
ENTRYPOINT ["ipi-es"]
CMD ["--help"]
