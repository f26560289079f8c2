ARG BASE
FROM $BASE
RUN --mount=type=bind,target=/debs apt-get update && apt-get install -y --no-install-recommends /debs/*.deb
