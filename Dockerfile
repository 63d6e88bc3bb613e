# The container image. Build it with `make image`, or from other bases:
#   docker build --build-arg BUILD_IMAGE=… --build-arg BASE_IMAGE=… .
# BUILD_IMAGE has npm, BASE_IMAGE is a Debian at least as new as the one of BUILD_IMAGE.
ARG BUILD_IMAGE=node:24-bookworm-slim
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
# strip, from binutils, takes a seventh off the executable.
RUN apt-get update \
 && apt-get install -y --no-install-recommends binutils \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
COPY bin bin
RUN npm ci
COPY src src
RUN PATH=$(echo /build/node_modules/node-linux-*/bin):$PATH npm run build:executable
COPY container container
# What goes into the image, under the folders that it has there.
RUN install -D dist/kube-proxy /image/libexec/kube-proxy \
 && install -D -m 644 node_modules/@koromix/koffi-linux-*/linux_*/koffi.node /image/lib/kube-proxy/koffi.node \
 && install -D container/kube-proxy /image/bin/kube-proxy \
 && container/link-iptables /image/lib/kube-proxy

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="kube-proxy-ts" \
      org.opencontainers.image.description="A kube-proxy for Linux nodes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
RUN apt-get update \
 && apt-get install -y --no-install-recommends iptables libstdc++6 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /image /usr/local
ENTRYPOINT ["/usr/local/bin/kube-proxy"]
