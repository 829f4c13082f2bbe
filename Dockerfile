# The service's image: serve, worker and migrate are the same image with another command.
# Build: docker build -t ostiary .          Check: docker run --rm ostiary --version
FROM python:3.12-slim-bookworm AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=/opt/ostiary
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /source
COPY pyproject.toml uv.lock README.md LICENSE ./
COPY emulator/pyproject.toml emulator/README.md emulator/
# Dependencies first: they change less often than the code.
RUN uv sync --frozen --no-dev --no-default-groups --no-install-workspace
COPY src src
RUN uv sync --frozen --no-dev --no-default-groups --no-editable --package ostiary

FROM python:3.12-slim-bookworm
# No compiler, no package index, no shell for the user; the root file system may be read-only.
RUN groupadd --gid 10001 ostiary \
    && useradd --uid 10001 --gid ostiary --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ostiary
COPY --from=build /opt/ostiary /opt/ostiary
ENV PATH=/opt/ostiary/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    OSTIARY_PROFILE=production OSTIARY_HOST=0.0.0.0 OSTIARY_PORT=8080
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-c", \
    "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
ENTRYPOINT ["ostiary"]
CMD ["serve"]
