# Runs as a service of the container that boot.sh boots. Each line of its output is the result of one check.
check() { # NAME COMMAND...
  local name=$1 said
  shift
  if said=$("$@" 2>&1); then echo "ok $name"; else echo "failed $name: ${said//$'\n'/ | }"; fi
}
says() { grep -qE "$1" <<<"$2" || { echo "$2"; return 1; }; } # PATTERN TEXT
show() { systemctl show --value --property "$1" fanfare; }
within() { # SECONDS COMMAND...: until it succeeds
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || return 1; sleep 0.1; done
}
healthy() { says '"status":"ok"' "$(fanfare health "$@" 2>&1)"; }
set_config() { sed -i "0,/^$1 = /s|^$1 = .*|$1 = $2|" /etc/fanfare/fanfare.toml; } # the first setting of that name
status() { sed -n "s/^$1:\t//p" "/proc/$(show MainPID)/status"; }

check install dpkg --install /test/fanfare.deb
check start systemctl start fanfare
check healthy healthy
check ready_status says 'Serving' "$(show StatusText)"
check user says '^[1-9]' "$(status Uid)"
check capabilities says '^0000000000000400$' "$(status CapEff)"
check seccomp says '^2$' "$(status Seccomp)"
check no_new_privileges says '^1$' "$(status NoNewPrivs)"

check deliveries /test/fanfare-load broadcast -n 200 -rate 20 -duration 2s ws://localhost:8080/topics/load
check io_submit says '^0$' "$(journalctl -u fanfare | grep -c 'refuses io_submit')"

check reload systemctl reload fanfare
check reloaded within 10 bash -c 'journalctl -u fanfare | grep -q "reloaded the configuration"'
set_config ping 5
check bad_reload bash -c '! systemctl reload fanfare'
check survives_bad_reload healthy
set_config ping '"25s"'

# A hanging server is killed by the watchdog, and starts again.
mkdir -p /run/systemd/system/fanfare.service.d
printf '[Service]\nWatchdogSec=2s\nRestartSec=100ms\n' >/run/systemd/system/fanfare.service.d/test.conf
set_config grace '"0s"'
set_config window '"1s"'
systemctl daemon-reload
systemctl restart fanfare
kill -STOP "$(show MainPID)"
check watchdog within 30 bash -c '[ "$(systemctl show --value -p NRestarts fanfare)" -ge 1 ] && fanfare health'
check watchdog_says bash -c 'journalctl -u fanfare | grep -q "Watchdog timeout"'

# systemd holds port 80, and clients wait while the server restarts.
systemctl stop fanfare
mkdir -p /run/systemd/system/fanfare.socket.d
printf '[Socket]\nListenStream=\nListenStream=80\n' >/run/systemd/system/fanfare.socket.d/test.conf
set_config listen '["systemd:web"]'
systemctl daemon-reload
check socket systemctl start fanfare.socket
check inactive bash -c '! systemctl is-active fanfare'
check activated healthy http://localhost:80
systemctl restart --no-block fanfare
check restart_refuses_nobody bash -c 'for i in $(seq 40); do fanfare health http://localhost:80 || exit 1; done'

check stop systemctl stop fanfare.socket fanfare
check result says '^success$' "$(show Result)"
check purge dpkg --purge fanfare
check gone bash -c '! [ -e /var/lib/fanfare ] && ! [ -e /etc/fanfare/fanfare.toml ]'
journalctl -u fanfare >&2
