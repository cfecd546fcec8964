#!/usr/bin/env bash
# Installs the Debian programs that interop tests and benchmark use: those that live together as packages, and, unpacked
# beside each other, the mail servers that exclude each other. Does nothing where they are there already. Needs root.
set -euo pipefail

peers="${POSTHASTE_PEERS:-/var/tmp/posthaste-peers}"
packages=(postfix swaks dovecot-lmtpd dovecot-imapd strace m4 procps libnet-ssleay-perl libio-socket-ssl-perl
  libgnutls-dane0 libidn12 liblockfile1 libnsl2 libwrap0 libldap-2.5-0
  opendkim opendkim-tools postsrsd python3-dkim python3-nacl python3-authres python3-dnspython python3-spf
  php-cli libphp-phpmailer php-symfony-mailer ruby-mail ruby-actionmailer libemail-sender-perl python3-django
  default-jre-headless libmail-java ecj golang-go pebble curl fail2ban s-nail msmtp mutt git-email libmailtools-perl haproxy)
unpacked=(exim4-daemon-light sendmail-bin sendmail-cf)

export DEBIAN_FRONTEND=noninteractive
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done

updated=
update() {
  [ -n "$updated" ] || apt-get update -qq
  updated=yes
}

if [ "${#missing[@]}" -gt 0 ]; then
  echo "installing ${missing[*]}"
  update
  # No service of theirs may start: the tests start what they need, on ports of their own.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
fi

if [ ! -e "$peers/complete" ]; then
  echo "unpacking ${unpacked[*]}"
  update
  rm -rf "$peers"
  mkdir -p "$peers/packages"
  (cd "$peers/packages" && apt-get download -qq "${unpacked[@]}" 2> /dev/null)
  for file in "$peers"/packages/*.deb; do dpkg -x "$file" "$peers"; done
  touch "$peers/complete"
fi

# Exim looks its own user up by this name before it reads its configuration.
id Debian-exim > /dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin Debian-exim
echo "peers are ready in $peers"
