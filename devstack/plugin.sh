#!/usr/bin/env bash
#
# The gateway's DevStack plugin: enable_plugin gateway URL. Its variables are in ``settings``.
#
# DevStack sources this file again and again, with what it is at: stack pre-install, install, post-config and extra;
# unstack; clean.
# shellcheck disable=SC2154  # DevStack's variables

_XTRACE_GATEWAY=$(set +o | grep xtrace)
set +o xtrace

GATEWAY_ROLES="api engine monitor rpc"

# What cannot be is said before anything is installed.
function check_gateway_settings {
    local service
    for service in key n-api g-api neutron; do
        is_service_enabled "$service" || die $LINENO "gateway: the service $service must be enabled in local.conf"
    done
    # shellcheck disable=SC2086  # a list
    is_service_enabled $DATABASE_BACKENDS ||
        die $LINENO "gateway: a database must be enabled in local.conf, one of: $DATABASE_BACKENDS"
    check_gateway_port GATEWAY_PORT
    check_gateway_port GATEWAY_RPC_PORT
    [[ $GATEWAY_PORT != "$GATEWAY_RPC_PORT" ]] ||
        die $LINENO "gateway: GATEWAY_PORT and GATEWAY_RPC_PORT are both $GATEWAY_PORT"
}

# NAME of the variable
function check_gateway_port {
    if ! [[ ${!1} =~ ^[1-9][0-9]{0,4}$ && ${!1} -lt 65536 ]]; then
        die $LINENO "gateway: $1 must be a port, 1 to 65535, and is '${!1}'"
    fi
}

# The daemon and the commands, ``openstack gateway`` among them.
function install_gateway {
    setup_develop "$GATEWAY_DIR"
    if [[ $GATEWAY_USE_UWSGI == True ]]; then
        pip_install uwsgi
    fi
}

function configure_gateway {
    sudo install -d -m 0750 -o "$STACK_USER" "$GATEWAY_CONF_DIR" "$GATEWAY_STATE_PATH"
    install -m 0600 /dev/null "$GATEWAY_CONF" # it has passwords
    iniset "$GATEWAY_CONF" DEFAULT state_path "$GATEWAY_STATE_PATH"
    iniset "$GATEWAY_CONF" DEFAULT debug "$ENABLE_DEBUG_LOG_LEVEL"
    setup_logging "$GATEWAY_CONF"
    local address=${GATEWAY_LISTEN_ADDRESS//[\[\]]/}
    iniset "$GATEWAY_CONF" api host "$address"
    iniset "$GATEWAY_CONF" api port "$GATEWAY_PORT"
    iniset "$GATEWAY_CONF" api workers "$GATEWAY_API_WORKERS"
    iniset "$GATEWAY_CONF" rpc host "$address"
    iniset "$GATEWAY_CONF" rpc port "$GATEWAY_RPC_PORT"
    iniset "$GATEWAY_CONF" cloud region_name "$REGION_NAME"
    if is_service_enabled tls-proxy; then
        iniset "$GATEWAY_CONF" cloud cafile "$SSL_BUNDLE_FILE"
    fi
    iniset "$GATEWAY_CONF" database connection "$(database_connection_url gateway)"
    iniset "$GATEWAY_CONF" registry allowed_networks "$GATEWAY_ALLOWED_NETWORKS"
    configure_keystone_authtoken_middleware "$GATEWAY_CONF" "$GATEWAY_SERVICE_USER"
    iniset "$GATEWAY_CONF" keystone_authtoken www_authenticate_uri "$KEYSTONE_SERVICE_URI"
    if [[ $GATEWAY_NOTIFICATIONS == True ]] && is_service_enabled rabbit; then
        iniset_rpc_backend gateway "$GATEWAY_CONF"
        iniset "$GATEWAY_CONF" oslo_messaging_notifications driver messagingv2
    fi
    if [[ $GATEWAY_USE_UWSGI == True ]]; then
        configure_gateway_uwsgi
    fi
}

# On its port itself: behind Apache it would need a path of its own.
function configure_gateway_uwsgi {
    write_uwsgi_config "$GATEWAY_UWSGI_CONF" gateway.wsgi:application "" "$GATEWAY_LISTEN_ADDRESS:$GATEWAY_PORT" gateway-api
    iniset "$GATEWAY_UWSGI_CONF" uwsgi processes "$GATEWAY_API_WORKERS"
    iniset "$GATEWAY_UWSGI_CONF" uwsgi threads 8
}

# The role service lets the user validate tokens and be given trusts, admin lets its sweep see all projects.
function create_gateway_accounts {
    create_service_user "$GATEWAY_SERVICE_USER" admin
    get_or_create_service gateway "$GATEWAY_SERVICE_TYPE" "Deployment gateway and service registry"
    local url="http://$GATEWAY_HOST:$GATEWAY_PORT"
    get_or_create_endpoint "$GATEWAY_SERVICE_TYPE" "$REGION_NAME" "$url" "$url" "$url"
}

# The database and the keys that what is in it is sealed with are new together.
function init_gateway {
    recreate_database gateway
    sudo find "$GATEWAY_STATE_PATH" -mindepth 1 -delete
    "$GATEWAY_BIN_DIR/gateway-manage" --config-file "$GATEWAY_CONF" db upgrade
}

function start_gateway {
    local role command
    for role in $GATEWAY_ROLES; do
        command="$GATEWAY_BIN_DIR/gatewayd --config-file $GATEWAY_CONF --role $role"
        if [[ $role == api && $GATEWAY_USE_UWSGI == True ]]; then
            command="$GATEWAY_BIN_DIR/uwsgi --ini $GATEWAY_UWSGI_CONF"
        fi
        run_process "gateway-$role" "$command" "" "" "GATEWAY_CONFIG=$GATEWAY_CONF" # which gateway.wsgi reads
    done
    if is_service_enabled gateway-api; then
        local url="http://$GATEWAY_HOST:$GATEWAY_PORT/healthcheck"
        wait_for_gateway gateway-api "$url" "curl -fs --noproxy '*' -o /dev/null $url"
    fi
    if is_service_enabled gateway-rpc; then
        local host=${GATEWAY_HOST//[\[\]]/}
        wait_for_gateway gateway-rpc "$GATEWAY_HOST:$GATEWAY_RPC_PORT" \
            "bash -c 'exec 3<>/dev/tcp/$host/$GATEWAY_RPC_PORT' 2>/dev/null"
    fi
}

# UNIT, what it is to answer, COMMAND that succeeds once it does
function wait_for_gateway {
    test_with_retry "$3" "gateway: $2 does not answer: see the journal of devstack@$1" "$SERVICE_TIMEOUT"
}

function stop_gateway {
    local role
    for role in $GATEWAY_ROLES; do
        stop_process "gateway-$role"
    done
}

# As long as Keystone is there; the service and its user go with the endpoints of the last region.
function remove_gateway_accounts {
    local all mine
    local openstack="openstack --os-cloud devstack-system-admin"
    all=$($openstack endpoint list --service "$GATEWAY_SERVICE_TYPE" -f value -c ID -c Region 2>/dev/null) || all=""
    mine=$(awk -v region="$REGION_NAME" '$2 == region { print $1 }' <<<"$all")
    # shellcheck disable=SC2086  # several
    [[ -z $mine ]] || $openstack endpoint delete $mine
    if ! awk '{ print $2 }' <<<"$all" | grep -v '^$' | grep -qvx "$REGION_NAME"; then
        $openstack service delete "$GATEWAY_SERVICE_TYPE" 2>/dev/null || true # it is not there
        $openstack user delete --domain "$SERVICE_DOMAIN_NAME" "$GATEWAY_SERVICE_USER" 2>/dev/null || true
    fi
}

# What stack.sh makes anew, and clean.sh would leave where the database server is not its own.
function cleanup_gateway {
    if is_service_enabled mysql; then
        mysql -u"$DATABASE_USER" -p"$DATABASE_PASSWORD" -h"$DATABASE_HOST" -e "DROP DATABASE IF EXISTS gateway;" || true
    elif is_service_enabled postgresql; then
        psql -h"$DATABASE_HOST" -U"$DATABASE_USER" -dtemplate1 -c "DROP DATABASE IF EXISTS gateway" || true
    fi
    sudo rm -rf "$GATEWAY_CONF_DIR" "$GATEWAY_STATE_PATH"
}

if is_service_enabled gateway-api gateway-engine gateway-monitor gateway-rpc; then
    case "$1 ${2:-}" in
        "stack pre-install")
            check_gateway_settings
            ;;
        "stack install")
            echo_summary "Installing the gateway"
            install_gateway
            ;;
        "stack post-config")
            echo_summary "Configuring the gateway"
            stop_gateway
            configure_gateway
            create_gateway_accounts
            ;;
        "stack extra")
            echo_summary "Starting the gateway"
            init_gateway
            start_gateway
            ;;
        "unstack ")
            stop_gateway
            remove_gateway_accounts
            ;;
        "clean ")
            cleanup_gateway
            ;;
    esac
fi

$_XTRACE_GATEWAY
