// The Redis client's own log.

package store

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// RouteClientLog sends what the Redis client library would print on standard
// error (lost connections, failovers) to log, at debug level: what matters of
// it comes back as errors. The library has one logger for the whole process,
// so this is for main to call, once.
func RouteClientLog(log *slog.Logger) { redis.SetLogger(clientLog{log}) }

type clientLog struct{ log *slog.Logger }

func (c clientLog) Printf(ctx context.Context, format string, v ...any) {
	if c.log.Enabled(ctx, slog.LevelDebug) {
		c.log.DebugContext(ctx, "redis client", "says", fmt.Sprintf(format, v...))
	}
}
