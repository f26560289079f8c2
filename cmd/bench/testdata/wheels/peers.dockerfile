ARG BASE
FROM $BASE
ARG PACKAGES
RUN --mount=type=bind,target=/given apt-get update && apt-get install -y --no-install-recommends /given/*.deb $PACKAGES
ARG PYTHON
RUN --mount=type=secret,id=ca --mount=type=secret,id=pip --mount=type=bind,target=/given \
	$PYTHON -m venv /peers && PIP_CONFIG_FILE=/run/secrets/pip /peers/bin/pip install --no-cache-dir --only-binary :all: --require-hashes -r /given/tools.lock
ENV PATH=/peers/bin:$PATH
