# syntax=docker/dockerfile:1
# How to run it, and when to migrate: docs/operators.md
FROM python:3.13.9-slim-bookworm AS build
WORKDIR /src
COPY requirements.lock requirements-run.lock ./
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --require-hashes -r requirements-run.lock
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
COPY handlers handlers
COPY scheduled scheduled
COPY storage storage
COPY locales locales
RUN sed -n '/^setuptools==/,/# via/p' requirements.lock > build.lock \
    && pip install --no-cache-dir --require-hashes -r build.lock \
    && pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheel . \
    && pip --python /venv/bin/python install --no-cache-dir --no-deps /wheel/preau-*.whl

FROM python:3.13.9-slim-bookworm
RUN useradd --create-home --uid 10001 preau && install -d -o preau -g preau -m 0700 /data
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PREAU_DATA_DIR=/data \
    PREAU_DATABASE_URL=sqlite:////data/preau.db \
    PREAU_WEB_HOST=0.0.0.0
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('PREAU_WEB_PORT', '8080') + '/readyz', timeout=4)"]
ENTRYPOINT ["preau"]
CMD ["run"]
