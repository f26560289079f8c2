ARG BASE
FROM $BASE
RUN --mount=type=secret,id=ca --mount=type=secret,id=pip --mount=type=bind,target=/app,rw \
	PIP_CONFIG_FILE=/run/secrets/pip pip install --no-cache-dir --no-deps /app
