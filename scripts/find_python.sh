#!/bin/sh
# Prints the newest Python 3.11 to 3.13 on PATH that can build a virtual environment, or says how to get one.
#
# A name on PATH proves nothing: a version manager leaves shims for versions that are not selected, and Debian's own
# Python comes without ensurepip. So every candidate is executed, and believed only when it answers.
set -uf

probe='
import sys
if sys.version_info[:2] == (3, int(sys.argv[1])):
    print(sys.executable)
    import ensurepip, sqlite3, ssl, venv
'
without_venv=

for minor in 13 12 11; do
    for name in "python3.$minor" python3 python; do
        IFS=:
        for directory in $PATH; do
            unset IFS
            [ -x "$directory/$name" ] || continue
            complete=yes
            found=$("$directory/$name" -c "$probe" "$minor" 2>/dev/null) || complete=no
            case $found in
                /*) ;;
                *) continue ;;
            esac
            if [ $complete = yes ]; then
                printf '%s\n' "$found"
                exit 0
            fi
            without_venv=${without_venv:-3.$minor}
        done
        unset IFS
    done
done

if [ -n "$without_venv" ]; then
    echo "Python $without_venv is here but cannot build a virtual environment; on Debian or Ubuntu run:" \
        "sudo apt-get install -y python$without_venv-venv" >&2
else
    echo "Voltledger needs Python 3.11, 3.12 or 3.13 and none that works is on PATH; on Debian 12 or 13 or Ubuntu 24.04 run:" \
        "sudo apt-get install -y python3 python3-venv" >&2
fi
exit 1
