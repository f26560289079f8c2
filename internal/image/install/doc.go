// Package install makes the files of Python environments and of packages in
// images. Its two scripts work by themselves too, in a Dockerfile:
//
//	install.py   wheels of a house → /venv; its docstring is the specification
//	apt.sh       .deb files → the system, and nothing of apt remains; see its head
//
// The environment is always /venv, of the interpreter
// /opt/python/SERIES/bin/pythonSERIES. Trees gives each wheel apart, so that it
// is made once for a Python whatever images it is part of: the files of a wheel
// depend on its bytes, the interpreter, what is kept, and Format.
package install
