# The app in a container. Runs are kept in the volume that is mounted at /app/saved:
#
#   docker build --tag two-models .
#   docker run --rm --init --publish 8501:8501 --volume two-models:/app/saved two-models
FROM python:3.13-slim-trixie

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /app

# Alone in its layer, which is half a minute and nearly all of the image: it stays while the lock does.
COPY requirements.lock ./
RUN pip install --require-hashes --requirement requirements.lock

COPY . .
# The app runs as a user who may write to saved/ alone. A volume that is mounted there for the first time takes its owner over.
RUN pip install --no-deps --no-build-isolation --editable . \
    && useradd --create-home --uid 1000 app \
    && install --directory --owner app saved
USER app
VOLUME /app/saved

EXPOSE 8501
# The first answer comes after a few seconds, TensorFlow after some more.
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=5)"]
CMD ["streamlit", "run", "app.py", "--server.port", "8501"]
