"""The proof of a wheelhouse, in a clean container.

    python3.13 -I house.py prepare|prove CONFIG

prepare, as root, makes the virtual environment and the ordinary user. prove, as root, installs the house into it, and then
starts itself as that user, who uses what is installed. CONFIG is a JSON object:
  python   the interpreter: "/opt/python/3.13/bin/python3.13"
  venv     where the environment is made: "/venv"
  state    a directory: environment.json is what the environment has without the house, bytecode/ belongs to the user
  tmp      a directory of the user, for home directories
  house    the directory of the wheels, with requirements.txt
  jobs     processes at once
  limit    seconds that the imports of a wheel may take
  wheels   what the Go side knows of each wheel, see facts.go
  skip     {wheel: {module: reason}}: modules that cannot be imported here, with all below them
  absent   {wheel: {library: reason}}: shared libraries, by names or patterns, that need not be there
  strays   top-level modules that nobody owns: that they do not import is noted only
  keep     whether the container becomes an image, in which nothing of the user stays but bytecode
  since    null, or what differs from the house that is installed already, and was proved:
             key      of that house
             remove   names of wheels that are not in this one, or are other ones here
             install  {wheel: [path below venv]}: those that are not installed
             again    names of wheels to use; what the others were found to be counts
             linked   whether files that are linked have changed
             records  {wheel: record} of all others

To the standard output goes a JSON object a line: {"check": {"name", "ok", "seconds", "detail"}} after each check, with a
line of detail for each thing that was found; {"full": reason} if this house cannot be proved from the other one; and
{"records": {wheel: record}} of what was used:
  counts   modules, extension modules and scripts that are sound
  imports  lines to note of modules
  scripts  and of scripts
  reads    what lies in site-packages and was read, by its top: "six", "six-1.17.0.dist-info"
  wants    top-level modules that were looked for and are not there
  dists    distributions that were looked for by name, normalised
  all      whether more may have been looked at than these tell

What was printed goes to the standard error.

This file is the last part of house.py; the others before it are common.py, install.py, use.py and attempt.py.
"""

import json
import sys


def main():
    if sys.argv[1] == "pip":
        return serve_pip()
    with open(sys.argv[2]) as f:
        config = json.load(f)
    if sys.argv[1] == "prepare":
        prepare(config)
    elif sys.argv[1] == "use":
        Use(config, json.load(sys.stdin)).main()
    else:
        try:
            Install(config).main()
        except Full as e:
            say({"full": str(e)})


if __name__ == "__main__":
    main()
