// Which commands change the store, and which keys they name: what the journal
// of the embedded store has to know of Redis.

package store

import "strings"

// transientPart is the last part of keys that belong to a running process.
const transientPart = ":lease"

func transient(key string) bool { return strings.HasSuffix(key, transientPart) }

// keysOf says where a write command names its keys.
type keysOf int

const (
	firstKey keysOf = iota
	firstTwoKeys
	everyKey  // every argument is a key
	pairedKey // key value key value …
	noKey     // the whole store
)

// writeCommands are the commands the journal can keep: what they do is decided
// by their arguments and the store's state alone. A command that changes
// something and is not here is refused, so that nothing is ever lost silently
// (SPOP and "XADD *" choose for themselves; HEXPIRE's clocks are not kept).
func writeCommands() map[string]keysOf {
	m := map[string]keysOf{
		"DEL": everyKey, "UNLINK": everyKey,
		"MSET": pairedKey, "MSETNX": pairedKey,
		"RENAME": firstTwoKeys, "RENAMENX": firstTwoKeys, "SMOVE": firstTwoKeys,
		"LMOVE": firstTwoKeys, "RPOPLPUSH": firstTwoKeys, "COPY": firstTwoKeys,
		"FLUSHDB": noKey, "FLUSHALL": noKey,
	}
	for name := range strings.FieldsSeq(`
		SET SETNX SETEX PSETEX GETSET GETDEL GETEX APPEND SETRANGE
		INCR INCRBY INCRBYFLOAT DECR DECRBY
		EXPIRE PEXPIRE EXPIREAT PEXPIREAT PERSIST
		HSET HMSET HSETNX HDEL HINCRBY HINCRBYFLOAT
		LPUSH RPUSH LPUSHX RPUSHX LPOP RPOP LREM LSET LTRIM LINSERT
		SADD SREM
		ZADD ZREM ZINCRBY ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREMRANGEBYLEX ZPOPMIN ZPOPMAX
		XADD XDEL XTRIM`) {
		m[name] = firstKey
	}
	return m
}

// refusedCommands change the store in ways the journal does not keep.
func refusedCommands() map[string]bool {
	m := map[string]bool{}
	for name := range strings.FieldsSeq(`
		SPOP SDIFFSTORE SINTERSTORE SUNIONSTORE ZINTERSTORE ZUNIONSTORE ZMPOP LMPOP
		BLPOP BRPOP BRPOPLPUSH BLMOVE BZMPOP BZPOPMAX BZPOPMIN
		HEXPIRE HPEXPIRE HPERSIST HSETEX HGETEX HGETDEL DELEX
		XGROUP XREADGROUP XACK XCLAIM XAUTOCLAIM
		SETBIT BITOP PFADD PFMERGE GEOADD GEORADIUS GEORADIUSBYMEMBER
		RESTORE MOVE SWAPDB SELECT`) {
		m[name] = true
	}
	return m
}

// allTransient reports whether a command touches transient keys only.
func allTransient(where keysOf, args []string) bool {
	switch where {
	case noKey:
		return false
	case firstKey:
		return len(args) > 0 && transient(args[0])
	case firstTwoKeys:
		return len(args) > 1 && transient(args[0]) && transient(args[1])
	}
	step := 1
	if where == pairedKey {
		step = 2
	}
	for i := 0; i < len(args); i += step {
		if !transient(args[i]) {
			return false
		}
	}
	return len(args) > 0
}
