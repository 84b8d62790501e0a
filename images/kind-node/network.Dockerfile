# kube-proxy's and Calico's images: static programs that drive the kernel through Debian's tools.
FROM debian:bookworm-slim
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      ca-certificates conntrack iproute2 ipset iptables kmod nftables \
 && rm -rf /var/lib/apt/lists/*
COPY rootfs/ /
