# The server under its own benchmark, then commands whose answers are known.
for try in 1 2 3 4 5; do
  port=$((20000 + (RANDOM % 20000)))
  redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --daemonize no >server.log 2>&1 &
  server=$!
  for i in $(seq 50); do
    redis-cli -p "$port" ping >/dev/null 2>&1 && break 2
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
done
trap 'kill "$server" 2>/dev/null' EXIT
redis-benchmark -p "$port" -n 20000 -c 20 -d 200 -r 5000 -t set,get,lpush,sadd,hset -q >/dev/null || exit 1
{
  echo flushall
  for i in $(seq 1 3000); do echo "set key$i value$((i * 7919))"; echo "rpush list$((i % 10)) $i"; done
  echo 'get key1234'
  echo 'llen list3'
  echo 'dbsize'
} | redis-cli -p "$port" | cksum
redis-cli -p "$port" bgsave >/dev/null
for i in $(seq 50); do
  [ "$(redis-cli -p "$port" info persistence | tr -d '\r' | sed -n 's/^rdb_bgsave_in_progress://p')" = 0 ] && break
  sleep 0.1
done
redis-cli -p "$port" info persistence | tr -d '\r' | grep rdb_last_bgsave_status
redis-cli -p "$port" shutdown nosave
wait "$server"
