#!/usr/bin/env bash
# Prepares the settings of a cluster's first nodes: their keys, one authority for the links between them, and the
# administrator's token. Nothing is sent anywhere. Needs bash and openssl (3.0 or newer).
#
#   deploy/prepare.sh [--self-signed] DOMAIN FOLDER HOST...
#   deploy/prepare.sh --node NUMBER FOLDER
#
#   deploy/prepare.sh example.org settings one.example.org two.example.org three.example.org
#
# FOLDER/nodeK is /etc/raftline of node K: put tls/fullchain.pem and tls/privkey.pem, the certificate that clients see,
# into it, or have one made with --self-signed, for a try. FOLDER/ca.key signs the keys of later nodes: keep it offline.
# --node does that, for the number that `raftline cluster add` or `replace` has told.
set -euo pipefail
umask 077

usage() {
  sed -n '5,8s/^# *//p' "$0" >&2
  exit 2
}

days=3650

new_key() {
  openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"
}

# Usage: signed KEY CERTIFICATE COMMON_NAME EXTENSIONS
signed() {
  openssl req -new -key "$1" -subj "/CN=$3" |
    openssl x509 -req -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -days "$days" -out "$2" \
      -extfile <(printf '%s\n' "basicConstraints=critical,CA:FALSE" "$4") 2>/dev/null
}

# Makes the key of a node's links, its certificate, and the place for the certificate that clients see.
# Usage: new_node NUMBER; prints the key's fingerprint
new_node() {
  local node=$1 own=$folder/node$1 fingerprint
  mkdir -p "$own/tls"
  new_key "$own/peer.key"
  signed "$own/peer.key" "$own/peer.pem" "$node" \
    "$(printf 'subjectAltName=DNS:node%s\nextendedKeyUsage=serverAuth,clientAuth' "$node")"
  cp "$folder/ca.pem" "$own/peer-ca.pem"
  cp "$folder/admin.token" "$own/admin.token"
  fingerprint=$(openssl x509 -pubkey -noout -in "$own/peer.pem" | openssl pkey -pubin -outform der | sha256sum)
  echo "${fingerprint%% *}"
}

if [[ ${1-} == --node ]]; then
  [[ $# -eq 3 && $2 =~ ^[1-9][0-9]{0,4}$ ]] || usage
  folder=$3
  if [[ ! -e $folder/ca.key ]]; then
    echo "$folder has no ca.key: name the folder that this script made for the first nodes." >&2
    exit 1
  fi
  if [[ -e $folder/node$2 ]]; then
    echo "$folder/node$2 is there already; numbers of nodes are never used twice." >&2
    exit 1
  fi
  new_node "$2"
  exit 0
fi

self_signed=false
if [[ ${1-} == --self-signed ]]; then
  self_signed=true
  shift
fi
[[ $# -ge 3 ]] || usage
domain=$1 folder=$2
shift 2
hosts=("$@")

if [[ -e $folder ]]; then
  echo "$folder is there already: remove it, or name another folder." >&2
  exit 1
fi
mkdir -p "$folder"

new_key "$folder/ca.key"
openssl req -new -x509 -key "$folder/ca.key" -days "$days" -subj "/CN=Raftline nodes of $domain" \
  -addext "keyUsage=critical,keyCertSign,cRLSign" -out "$folder/ca.pem"
openssl rand -hex 32 >"$folder/admin.token"
cluster_id=$(openssl rand -hex 16)

peers=""
for place in "${!hosts[@]}"; do
  node=$((place + 1)) host=${hosts[place]}
  fingerprint=$(new_node "$node")
  peers+="
[[cluster.peers]]
node_id = $node
host = \"$host\"
port = 5269
fingerprint = \"$fingerprint\"
http_url = \"https://$host:5443\"
xmpp_address = \"$host:5222\"
"
done

for place in "${!hosts[@]}"; do
  node=$((place + 1))
  own=$folder/node$node
  cat >"$own/node.toml" <<EOF
# Written by deploy/prepare.sh. All settings: docs/reference/settings.md; \`raftline config check\` reads them.
domain = "$domain"
data_dir = "/var/lib/raftline"

[cluster]
id = "$cluster_id"
node_id = $node
$peers
[tls]
certificate_file = "tls/fullchain.pem"
key_file = "tls/privkey.pem"
peer_certificate_file = "peer.pem"
peer_key_file = "peer.key"
peer_ca_file = "peer-ca.pem"

[admin]
token_file = "admin.token"

[xmpp]
host = "0.0.0.0"

[http]
host = "0.0.0.0"

[peer]
host = "0.0.0.0"

[log]
format = "json"
EOF
  if $self_signed; then
    names="DNS:$domain,DNS:conference.$domain,DNS:upload.$domain,DNS:pubsub.$domain,DNS:localhost,IP:127.0.0.1"
    for host in "${hosts[@]}"; do
      if [[ $host =~ ^[0-9.]+$ ]]; then names+=",IP:$host"; else names+=",DNS:$host"; fi
    done
    new_key "$own/tls/privkey.pem"
    signed "$own/tls/privkey.pem" "$own/tls/fullchain.pem" "$domain" "subjectAltName=$names"
  fi
done

echo "Settings of ${#hosts[@]} nodes are in $folder. Take nodeK to machine K as /etc/raftline, then on each:"
echo "  raftline node init --config /etc/raftline/node.toml"
