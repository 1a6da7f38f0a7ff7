#!/bin/sh
# Installs what the tests need on a fresh Debian machine, and nothing that is there already.
#
#   tests/setup.sh          install what is missing; silent when nothing is
#   tests/setup.sh --check  install nothing; say what is missing
#
# Ends with status 1 when something is still missing, having said which tests cannot run without it. When all is there it
# only looks, and takes a few milliseconds.

set -u
here=$(cd "$(dirname "$0")" && pwd)
stream_module=/usr/lib/nginx/modules/ngx_stream_module.so

# What must exist | the package that brings it | the tests that need it
needs="
nginx                                   nginx-full                 differential,reload,cli_nginx
/usr/sbin/apache2                       apache2                    differential,catalogue_apache,cli_apache
$stream_module                          libnginx-mod-stream        differential
uwsgi                                   uwsgi-core                 apps(uwsgi)
/usr/lib/uwsgi/plugins/python3_plugin.so uwsgi-plugin-python3      apps(uwsgi)
/usr/sbin/php-fpm8.2                    php8.2-fpm                 apps(php)
memcached                               memcached                  apps(memcached)
/usr/share/novnc/vnc.html               novnc                      apps(novnc)
websockify                              websockify                 apps(novnc)
Xtigervnc                               tigervnc-standalone-server apps(novnc)
xterm                                   xterm                      apps(novnc)
xsetroot                                x11-xserver-utils          apps(novnc)
/usr/share/fonts/X11/misc               xfonts-base                apps(novnc)
chromium                                chromium                   apps(novnc,jupyter)
node                                    nodejs                     apps(grpc,ws,ws_log,idle,novnc,jupyter)
openssl                                 openssl                    cli_nginx,differential
python3                                 python3                    apps(uwsgi,jupyter)
curl                                    curl                       demo
setpriv                                 util-linux                 cli_nginx(faults)
"

present() {
    case $1 in
        /*) [ -e "$1" ] ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

# The packages that are missing, one a line.
missing_packages() {
    echo "$needs" | while read -r thing package _; do
        [ -z "$thing" ] || present "$thing" || echo "$package"
    done | sort -u
    # A node of its own distribution brings npm; Debian's does not.
    present npm || present_modules || echo npm
    present_venv || python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
}

# The npm packages are there, in the versions of the lock file.
present_modules() {
    [ -e "$here/apps/node_modules/.package-lock.json" ] &&
        cmp -s "$here/apps/package-lock.json" "$here/apps/node_modules/.triglot-lock.json"
}

# JupyterLab is there, in the versions of tests/apps/requirements.txt.
present_venv() {
    [ -x "$here/apps/venv/bin/jupyter-lab" ] && cmp -s "$here/apps/requirements.txt" "$here/apps/venv/.requirements.txt"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

install_packages() {
    command -v apt-get >/dev/null 2>&1 || { echo "tests/setup.sh: no apt-get here" >&2; return 1; }
    echo "tests/setup.sh: installing" "$@" >&2
    # Nothing that is installed should start serving: Debian's nginx would take port 80.
    policy=/usr/sbin/policy-rc.d
    ours=
    if [ ! -e $policy ] && printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null; then
        as_root chmod 755 $policy
        ours=yes
    fi
    log=$(mktemp)
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q >"$log" 2>&1
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >>"$log" 2>&1
    status=$?
    if [ $status != 0 ]; then
        # One package that cannot be had should not keep the others away.
        for package in "$@"; do
            as_root env DEBIAN_FRONTEND=noninteractive \
                apt-get install -y -q --no-install-recommends "$package" >>"$log" 2>&1 ||
                { echo "tests/setup.sh: $package cannot be installed:" >&2; tail -n 5 "$log" >&2; }
        done
    fi
    [ -z "$ours" ] || as_root rm -f $policy
    rm -f "$log"
}

install_modules() {
    echo "tests/setup.sh: installing the npm packages of tests/apps" >&2
    log=$(mktemp)
    if (cd "$here/apps" && npm ci --no-audit --no-fund --ignore-scripts) >"$log" 2>&1; then
        cp "$here/apps/package-lock.json" "$here/apps/node_modules/.triglot-lock.json"
    else
        echo "tests/setup.sh: npm failed:" >&2
        tail -n 10 "$log" >&2
    fi
    rm -f "$log"
}

install_venv() {
    echo "tests/setup.sh: installing JupyterLab into tests/apps/venv" >&2
    log=$(mktemp)
    venv=$here/apps/venv
    if (python3 -m venv --clear "$venv" &&
        "$venv/bin/pip" install -q --disable-pip-version-check -r "$here/apps/requirements.txt") >"$log" 2>&1; then
        cp "$here/apps/requirements.txt" "$venv/.requirements.txt"
    else
        echo "tests/setup.sh: JupyterLab cannot be installed:" >&2
        tail -n 10 "$log" >&2
    fi
    rm -f "$log"
}

if [ "${1:-}" != --check ]; then
    packages=$(missing_packages)
    # Unquoted: one word for each package.
    [ -z "$packages" ] || install_packages $packages
    present_modules || ! present npm || install_modules
    present_venv || ! present python3 || install_venv
fi

lacking=$(
    echo "$needs" | while read -r thing package tests; do
        [ -z "$thing" ] || present "$thing" || echo "  $thing ($package): cannot run $tests"
    done
    present_modules || echo "  npm packages (tests/apps/package.json): cannot run apps(grpc,ws,ws_log,idle,novnc,jupyter)"
    present_venv || echo "  JupyterLab (tests/apps/requirements.txt): cannot run apps(jupyter)"
)
if [ -n "$lacking" ]; then
    printf 'tests/setup.sh: STILL MISSING, and without it tests will fail:\n%s\n' "$lacking" >&2
    exit 1
fi
