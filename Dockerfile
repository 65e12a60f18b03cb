# Three images:
#   docker build --target suggest -t cropperhead .              suggests crops, shows the page
#   docker build --target pipeline -t cropperhead:pipeline .    trains, evaluates and exports, too
#   docker build --target mlflow -t cropperhead:mlflow .        MLflow's server, for deploy/compose.yaml
# Photos are mounted: docker run --rm -v ~/Photos:/photos cropperhead suggest /photos

FROM python:3.11-slim AS suggest
# Debian keeps no older version of a package
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libimage-exiftool-perl \
    && rm -rf /var/lib/apt/lists/*
COPY . /src
RUN pip install --no-cache-dir /src/base "/src[web]" && rm -rf /src
RUN useradd --create-home --uid 1000 photographer
USER 1000
WORKDIR /photos
ENTRYPOINT ["cropperhead"]
CMD ["--help"]

FROM python:3.11-slim AS mlflow
COPY requirements.lock /tmp/requirements.lock
# without the hashes, which pip would then demand of every package that it chooses
RUN sed '/--hash=/d; s/ *\\$//' /tmp/requirements.lock > /tmp/versions.txt \
    && pip install --no-cache-dir --constraint /tmp/versions.txt boto3 mlflow "psycopg[binary]" \
    && useradd --uid 1000 mlflow
USER 1000
WORKDIR /tmp

FROM python:3.11-slim AS pipeline
# Debian keeps no older version of a package
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git libimage-exiftool-perl make \
    && rm -rf /var/lib/apt/lists/*
COPY . /project
WORKDIR /project
RUN make setup
ENV PATH=/project/.venv/bin:$PATH
ENTRYPOINT ["dvc"]
CMD ["repro"]
