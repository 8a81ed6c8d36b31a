"""A wheel that carries the library (bitnet/native) is for one kind of machine, one without is for all."""
import os

from setuptools import setup

options = {}
if os.path.isdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "bitnet", "native")):
    from wheel.bdist_wheel import bdist_wheel

    class Native(bdist_wheel):
        def finalize_options(self):
            super().finalize_options()
            self.root_is_pure = False

        def get_tag(self):
            # Any Python 3: the library is opened by ctypes, and knows nothing of Python.
            return "py3", "none", os.environ.get("BITNET_WHEEL_PLATFORM") or super().get_tag()[2]

    options["cmdclass"] = {"bdist_wheel": Native}

setup(**options)
