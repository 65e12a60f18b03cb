# Two images:
#   docker build --target suggest -t cropperhead .              suggests crops, shows the page
#   docker build --target pipeline -t cropperhead:pipeline .    trains, evaluates and exports, too
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
