ARG BASE
FROM $BASE
RUN --mount=type=secret,id=ca --mount=type=secret,id=pip --mount=type=bind,source=requirements.lock,target=/requirements.lock \
	PIP_CONFIG_FILE=/run/secrets/pip pip install --no-cache-dir --require-hashes -r /requirements.lock
