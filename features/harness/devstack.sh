#!/usr/bin/env bash
#
# What stack.sh, unstack.sh and clean.sh do with a plugin, where DevStack itself cannot be had:
#
#     devstack.sh stack|unstack|clean TOP_DIR
#
# TOP_DIR has local.conf, with the sections [[local|localrc]] and [[post-config|FILE]], and gets all that is installed.
# The cloud is one that runs; its clouds are devstack-admin, devstack-system-admin and devstack of
# OS_CLIENT_CONFIG_FILE. A function does what DevStack's function of this name does, as far as a plugin sees it; the
# file of DevStack that it is in stands above it.
# shellcheck disable=SC2034,SC2154,SC1090  # variables are the plugin's and local.conf's; their files are sourced
set -o errexit

MODE=$1
TOP_DIR=$2
DEST=$TOP_DIR
DATA_DIR=$DEST/data
STACK_USER=$(id -un)
DEVSTACK_VENV=$DEST/data/venv
declare -A GITREPO GITDIR GITBRANCH

# stackrc, lib/database, lib/keystone: defaults
ENABLED_SERVICES=key,n-api,g-api,q-svc,mysql,rabbit
DATABASE_BACKENDS="mysql postgresql"
REGION_NAME=RegionOne
SERVICE_HOST=127.0.0.1
SERVICE_LISTEN_ADDRESS=127.0.0.1
SERVICE_DOMAIN_NAME=Default
SERVICE_PROJECT_NAME=service
SERVICE_TIMEOUT=60
API_WORKERS=2
ENABLE_DEBUG_LOG_LEVEL=True

# --- functions-common --------------------------------------------------------------------------------------------

function echo_summary {
    echo "$*"
}

function backtrace {
    local level=$1
    local deep=$((${#BASH_SOURCE[@]} - 1))
    echo "[Call Trace]"
    while [[ $level -le $deep ]]; do
        echo "${BASH_SOURCE[$deep]}:${BASH_LINENO[$deep - 1]}:${FUNCNAME[$deep - 1]}"
        deep=$((deep - 1))
    done
}

# die $LINENO "message"
function die {
    local line=$1
    shift
    backtrace 2
    echo "[ERROR] ${BASH_SOURCE[1]}:$line $*" 1>&2
    exit 1
}

# trueorfalse DEFAULT NAME
function trueorfalse {
    case "${!2}" in
        0 | [nN]o | NO | [fF]alse | FALSE) echo False ;;
        1 | [yY]es | YES | [tT]rue | TRUE) echo True ;;
        *) echo "$1" ;;
    esac
}

# With sudo or without: stack.sh's user may use it, and here he may be root and have none.
if ! type sudo >/dev/null 2>&1; then
    function sudo {
        "$@"
    }
fi

# enable_plugin NAME URL [BRANCH]
function enable_plugin {
    DEVSTACK_PLUGINS+=",$1"
    GITREPO[$1]=$2
    GITDIR[$1]=$DEST/$1
    GITBRANCH[$1]=${3:-master}
}

function enable_service {
    local service
    for service in "$@"; do
        if [[ ",$DISABLED_SERVICES," != *",$service,"* ]] && ! is_service_enabled "$service"; then
            ENABLED_SERVICES+=,$service
        fi
    done
}

function disable_service {
    local service
    for service in "$@"; do
        DISABLED_SERVICES+=,$service
        ENABLED_SERVICES=",$ENABLED_SERVICES,"
        ENABLED_SERVICES=${ENABLED_SERVICES//,$service,/,}
    done
}

# Whether one of them is. neutron: one of its own is.
function is_service_enabled {
    local service
    for service in "$@"; do
        [[ ",$ENABLED_SERVICES," != *",$service,"* ]] || return 0
        [[ $service != neutron || ",$ENABLED_SERVICES" != *,q-* ]] || return 0
    done
    return 1
}

# run_process SERVICE "COMMAND" [GROUP] [USER] ["NAME=VALUE…"]: devstack@SERVICE.service, whose ExecStart it is. Here a
# session of its own, with a file that says who it is; what runs already is not started anew.
function run_process {
    local service=$1 command=$2
    is_service_enabled "$service" || return 0
    [[ $command == /* ]] || die $LINENO "The cmd=\"$command\" does not start with an absolute path."
    [[ $command != *sudo* ]] || die $LINENO "You are trying to use run_process with sudo"
    [[ $command != *uwsgi* ]] || command+=" --venv $DEVSTACK_VENV"
    ! is_running "$service" || return 0
    mkdir -p "$DEST/status" "$DEST/logs"
    # shellcheck disable=SC2086  # systemd splits it, too, and takes no shell
    env $5 setsid $command >"$DEST/logs/$service.log" 2>&1 </dev/null &
    echo $! >"$DEST/status/$service.pid"
}

function is_running {
    [[ -e $DEST/status/$1.pid && -n $(tr -d '\0' 2>/dev/null <"/proc/$(<"$DEST/status/$1.pid")/cmdline") ]] # a zombie has none
}

function stop_process {
    local service=$1
    is_service_enabled "$service" || return 0
    if is_running "$service"; then
        kill "$(<"$DEST/status/$service.pid")"
    fi
    local tenths=0 # TimeoutStopSec of the unit: what has not ended by then is killed
    while is_running "$service"; do
        sleep 0.1
        tenths=$((tenths + 1))
        [[ $tenths -lt 600 ]] || kill -9 -- "-$(<"$DEST/status/$service.pid")"
    done
    rm -f "$DEST/status/$service.pid"
}

# test_with_retry COMMAND MESSAGE [SECONDS] [SECONDS]  (functions)
function test_with_retry {
    timeout "${3:-10}" sh -c "while ! $1; do sleep ${4:-0.5}; done" || die $LINENO "$2"
}

# get_or_create_user NAME PASSWORD DOMAIN
function get_or_create_user {
    openstack --os-cloud devstack-system-admin user create "$1" --password "$2" --domain "$3" --or-show -f value -c id
}

# get_or_add_user_project_role ROLE USER PROJECT USER_DOMAIN PROJECT_DOMAIN
function get_or_add_user_project_role {
    openstack --os-cloud devstack-system-admin role add "$1" --user "$2" --project "$3" \
        --user-domain "$4" --project-domain "$5"
}

# get_or_create_service NAME TYPE DESCRIPTION
function get_or_create_service {
    openstack --os-cloud devstack-system-admin service show "$2" -f value -c id 2>/dev/null ||
        openstack --os-cloud devstack-system-admin service create "$2" --name "$1" --description="$3" -f value -c id
}

# get_or_create_endpoint SERVICE REGION PUBLIC [ADMIN] [INTERNAL]
function get_or_create_endpoint {
    local interface url
    for interface in "public $3" "admin $4" "internal $5"; do
        url=${interface#* } interface=${interface% *}
        if [[ -n $url && -z $(openstack --os-cloud devstack-system-admin endpoint list --service "$1" \
            --interface "$interface" --region "$2" -c ID -f value) ]]; then
            openstack --os-cloud devstack-system-admin endpoint create "$1" "$interface" "$url" --region "$2" -f value -c id
        fi
    done
}

# --- lib/keystone ------------------------------------------------------------------------------------------------

# create_service_user NAME [ROLE]: with the role service, and that one
function create_service_user {
    local role
    get_or_create_user "$1" "$SERVICE_PASSWORD" "$SERVICE_DOMAIN_NAME"
    for role in service $2; do
        get_or_add_user_project_role "$role" "$1" "$SERVICE_PROJECT_NAME" "$SERVICE_DOMAIN_NAME" "$SERVICE_DOMAIN_NAME"
    done
}

# configure_keystone_authtoken_middleware FILE USER [SECTION]
function configure_keystone_authtoken_middleware {
    local file=$1 section=${3:-keystone_authtoken}
    iniset "$file" "$section" auth_type password
    iniset "$file" "$section" interface public
    iniset "$file" "$section" auth_url "$KEYSTONE_SERVICE_URI"
    iniset "$file" "$section" username "$2"
    iniset "$file" "$section" password "$SERVICE_PASSWORD"
    iniset "$file" "$section" user_domain_name "$SERVICE_DOMAIN_NAME"
    iniset "$file" "$section" project_name "$SERVICE_PROJECT_NAME"
    iniset "$file" "$section" project_domain_name "$SERVICE_DOMAIN_NAME"
    iniset "$file" "$section" cafile "$DATA_DIR/ca-bundle.pem"
    iniset "$file" "$section" memcached_servers localhost:11211
}

# --- inc/ini-config, inc/meta-config, lib/oslo -------------------------------------------------------------------

# iniset FILE SECTION OPTION VALUE
function iniset {
    local file=$1 section=$2 option=$3 value=$4
    grep -qsF "[$section]" "$file" || printf '\n[%s]\n' "$section" >>"$file"
    SECTION="[$section]" OPTION=$option VALUE=$value awk '
        { ours = inside; if (/^\[/) { inside = ($0 == ENVIRON["SECTION"]); ours = 0 } }
        ours && $1 == ENVIRON["OPTION"] { next }
        { print }
        /^\[/ && inside { print ENVIRON["OPTION"] " = " ENVIRON["VALUE"] }' "$file" >"$file.new"
    cat "$file.new" >"$file" # which keeps its mode
    rm "$file.new"
}

# The lines of a section of local.conf, [[GROUP|FILE]]
function get_meta_section {
    awk -v section="[[$1]]" '/^\[\[/ { inside = ($0 == section); next } inside' "$TOP_DIR/local.conf"
}

# Writes what local.conf has for the files of services
function merge_config_group {
    local file line section option value
    while read -r file; do
        while read -r line; do
            case $line in
                \[*\]) section=${line:1:-1} ;;
                *=*)
                    read -r option value <<<"${line/=/ }"
                    iniset "$(eval "echo $file")" "$section" "$option" "$value"
                    ;;
            esac
        done < <(get_meta_section "$1|$file")
    done < <(sed -n "s/^\[\[$1|\(.*\)\]\]$/\1/p" "$TOP_DIR/local.conf")
}

function setup_logging {
    iniset "$1" DEFAULT logging_context_format_string "%(levelname)s %(name)s [%(request_id)s] %(message)s"
}

# iniset_rpc_backend PACKAGE FILE  (lib/rpc_backend)
function iniset_rpc_backend {
    iniset "$2" DEFAULT transport_url "rabbit://$RABBIT_USERID:$RABBIT_PASSWORD@$SERVICE_HOST:5672/"
}

# --- lib/database, lib/databases/mysql ---------------------------------------------------------------------------

function recreate_database {
    mysql -u"$DATABASE_USER" -p"$DATABASE_PASSWORD" -h"$DATABASE_HOST" -e "DROP DATABASE IF EXISTS $1;"
    mysql -u"$DATABASE_USER" -p"$DATABASE_PASSWORD" -h"$DATABASE_HOST" -e "CREATE DATABASE $1 CHARACTER SET utf8;"
}

function database_connection_url {
    echo "mysql+pymysql://$DATABASE_USER:$DATABASE_PASSWORD@$DATABASE_HOST:$MYSQL_TCP_PORT/$1?charset=utf8"
}

# --- inc/python --------------------------------------------------------------------------------------------------

function get_python_exec_prefix {
    echo "$DEVSTACK_VENV/bin"
}

# DevStack's environment, with OpenStackClient. Here it has the packages that are on this machine.
function setup_devstack_virtualenv {
    [[ ! -d $DEVSTACK_VENV ]] || return 0
    "$PYTHON" -m venv --without-pip "$DEVSTACK_VENV"
    local packages
    packages=$("$DEVSTACK_VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    "$PYTHON" -c 'import sys; print(*(p for p in sys.path if p.endswith("site-packages")), sep="\n")' >"$packages/zz.pth"
    program openstack "from openstackclient.shell import main"
}

# program NAME IMPORT: as pip makes it of an entry point
function program {
    printf '#!%s/bin/python\nimport sys\n%s\nsys.exit(main())\n' "$DEVSTACK_VENV" "$2" >"$DEVSTACK_VENV/bin/$1"
    chmod +x "$DEVSTACK_VENV/bin/$1"
}

# What it requires must be there: there is no network.
function setup_develop {
    "$PYTHON" -m pip --python "$DEVSTACK_VENV/bin/python" install -q --root-user-action ignore \
        --disable-pip-version-check --no-index --no-build-isolation -e "$1"
}

function pip_install {
    [[ $1 == uwsgi ]] || die $LINENO "pip_install $1: there is no network"
    program uwsgi "from pyuwsgi import run as main" # the same uWSGI, built
}

# --- lib/apache --------------------------------------------------------------------------------------------------

# write_uwsgi_config FILE MODULE:CALLABLE URL HTTP NAME; with HTTP it is bound to that, without Apache
function write_uwsgi_config {
    local file=$1
    rm -f "$file"
    iniset "$file" uwsgi module "$2"
    iniset "$file" uwsgi processes "$API_WORKERS"
    iniset "$file" uwsgi master true
    iniset "$file" uwsgi die-on-term true
    iniset "$file" uwsgi exit-on-reload false
    iniset "$file" uwsgi enable-threads true
    iniset "$file" uwsgi plugins http,python3
    iniset "$file" uwsgi thunder-lock true
    iniset "$file" uwsgi hook-master-start "unix_signal:15 gracefully_kill_them_all"
    iniset "$file" uwsgi buffer-size 65535
    iniset "$file" uwsgi add-header "Connection: close"
    iniset "$file" uwsgi lazy-apps true
    iniset "$file" uwsgi http "$4"
}

# --- stack.sh, unstack.sh, clean.sh ------------------------------------------------------------------------------

# The plugins are cloned; what is not in the repository is not of the plugin.
function fetch_plugins {
    local plugin
    for plugin in ${DEVSTACK_PLUGINS//,/ }; do
        [[ -d ${GITDIR[$plugin]} ]] || git clone -q "${GITREPO[$plugin]}" "${GITDIR[$plugin]}" -b "${GITBRANCH[$plugin]}"
    done
}

# source_plugins FILE [MODE [PHASE]]
function source_plugins {
    local plugin file=$1
    shift
    for plugin in ${DEVSTACK_PLUGINS//,/ }; do
        [[ ! -e ${GITDIR[$plugin]}/devstack/$file ]] || source "${GITDIR[$plugin]}/devstack/$file" "$@"
    done
}

source <(get_meta_section "local|localrc")
fetch_plugins
source_plugins override-defaults
setup_devstack_virtualenv
export PATH=$DEVSTACK_VENV/bin:$PATH
export OS_CLOUD=devstack-admin
source_plugins settings
case $MODE in
    stack)
        source_plugins plugin.sh stack pre-install
        source_plugins plugin.sh stack install
        source_plugins plugin.sh stack post-config
        merge_config_group post-config
        source_plugins plugin.sh stack extra
        source_plugins plugin.sh stack test-config
        ;;
    unstack)
        source_plugins plugin.sh unstack
        ;;
    clean)
        source_plugins plugin.sh unstack
        source_plugins plugin.sh clean
        rm -rf "$DATA_DIR" "$DEST/status" "$DEST/logs"
        ;;
    *)
        die $LINENO "$MODE: stack, unstack or clean"
        ;;
esac
