/* The extension module that is compiled against the packaged headers and imported in a clean container. */
#include <Python.h>

static PyObject *answer(PyObject *self, PyObject *unused) { return PyLong_FromLong(42); }

static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, "42"}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "pybake_probe", NULL, -1, methods};

PyMODINIT_FUNC PyInit_pybake_probe(void) { return PyModule_Create(&module); }
