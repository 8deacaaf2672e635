# Healthy: prepared, and mongod answers a ping. Sent as bytes (OP_MSG, { ping: 1, $db: "admin" }), because
# a mongosh every few seconds would cost more than the database.
[ -e /tmp/prepared ] || exit 1
exec 3<>/dev/tcp/127.0.0.1/27017 || exit 1
printf '\x33\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0\x1e\0\0\0\x10ping\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\0' >&3
[ "$(timeout 3 head -c 16 <&3 | wc -c)" -eq 16 ]
