# Entry point of the mongo service: a replica set of one member that asks everybody for a password.
# Users are made by mongo-prepare.js, not by the image: on every start, so that passwords may change.
set -eu

# Members of a replica set prove themselves to each other by a key. This one is alone: any key will do.
head -c 512 /dev/urandom | base64 -w 0 >/tmp/keyfile
chmod 400 /tmp/keyfile

{
  tries=0
  until mongosh --quiet --norc 'mongodb://127.0.0.1:27017/admin?directConnection=true&serverSelectionTimeoutMS=2000' \
    /magpie/mongo-prepare.js >/tmp/prepare.log 2>&1; do
    tries=$((tries + 1))
    [ $((tries % 5)) -ne 0 ] || echo "mongo.sh: not prepared yet: $(tail -n 3 /tmp/prepare.log)" >&2
    sleep 1
  done
  : >/tmp/prepared
} &

# A transaction takes some tens of milliseconds. Of a service that was killed in the middle of one, nobody ends it:
# what it had locked stays locked until it expires, after a minute by default.
exec docker-entrypoint.sh mongod --replSet rs0 --keyFile /tmp/keyfile --bind_ip_all --quiet \
  --setParameter transactionLifetimeLimitSeconds=10 --wiredTigerCacheSizeGB "$MAGPIE_MONGO_CACHE_GB"
