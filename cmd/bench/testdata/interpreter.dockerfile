# Three builds of the same release, side by side: ours in /opt/python, the distro's in /usr, docker-library's in /usr/local.
ARG BASE
ARG PEER
FROM $PEER AS peer

FROM $BASE
ARG SERIES
COPY --from=peer /usr/local /usr/local
RUN --mount=type=bind,source=debs,target=/debs apt-get update && apt-get install -y --no-install-recommends python$SERIES /debs/*.deb
# docker-library leaves no bytecode, which would be made at every start.
RUN /usr/local/bin/python$SERIES -m compileall -q /usr/local/lib/python$SERIES || true
COPY bench /bench
