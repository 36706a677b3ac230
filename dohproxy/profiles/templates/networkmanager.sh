#!/bin/sh
# DNS over TLS by {host}, for one connection of NetworkManager. systemd-resolved has to run: it is what asks.
#
#   nmcli connection show           which connections there are
#   sh networkmanager.sh NAME       for the one of this name
set -eu
nmcli connection modify "$1" \
    connection.dns-over-tls yes \
    ipv4.ignore-auto-dns yes ipv4.dns '{servers4}' \
    ipv6.ignore-auto-dns yes ipv6.dns '{servers6}'
nmcli connection up "$1"
