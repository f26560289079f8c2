from setuptools import setup
setup(version="1")
