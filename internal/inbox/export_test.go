package inbox

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// WithdrawnMember is what Withdraw notes of a message.
func WithdrawnMember(key string) redis.Z {
	return redis.Z{Score: float64(time.Now().UnixMilli()), Member: digest(key)}
}
