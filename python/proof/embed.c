/* The program that embeds the packaged libpython: it prints the version that the standard library says. */
#include <Python.h>

int main(void) {
	Py_Initialize();
	if (PyRun_SimpleString("import platform, json; print(platform.python_version())") != 0)
		return 1;
	return Py_FinalizeEx() < 0 ? 1 : 0;
}
